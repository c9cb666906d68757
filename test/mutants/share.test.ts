import { assert, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Others in every run: in time it is all of them. */
const DRAWN = 12

interface Ran {
  readonly code: number | null
  readonly output: string
}

/** The tests of what is guarded run by themselves, too: here they need not show that they pass. */
const mutants = (...args: ReadonlyArray<string>) =>
  new Promise<Ran>((resolve, reject) => {
    const child = spawn(process.execPath, ["packaging/mutants.mjs", "--unproved", ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const add = (chunk: unknown) => {
      output += String(chunk)
    }
    child.stdout.on("data", add)
    child.stderr.on("data", add)
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, output }))
  })

it(`${DRAWN} promises drawn by chance: each test goes red when what it guards is switched off`, async () => {
  const { code, output } = await mutants("--most", String(DRAWN))
  console.log(output)
  assert.strictEqual(code, 0, output)
}, 300_000)

it("a test that goes green all the same is told, and so is what can not be switched off", async () => {
  const { code, output } = await mutants("--tables", "test/mutants/unguarded")
  assert.strictEqual(code, 1, output)
  const verdicts = output.split("\n").flatMap((line, index, all) =>
    /^ {4}(\w+)/.test(line) ? [`${all[index - 1]} ${/^ {4}([A-Za-z ]+)/.exec(line)?.[1]}`] : []
  )
  assert.deepStrictEqual(verdicts.slice(0, 5), [
    "Guarded: a full counter carries. red",
    "Not guarded: a comment. GREEN",
    "Not to be found: a text. NOT FOUND",
    "Not to be found: a test. NOT FOUND",
    "Broken: a source that is none. BROKEN"
  ])
}, 120_000)
