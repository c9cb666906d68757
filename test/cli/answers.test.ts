import { afterAll, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { execFile, spawnSync } from "node:child_process"
import * as http from "node:http"
import { daemon } from "../daemon.js"
import { quorate } from "./program.js"

/* What commands make of answers that a daemon gives on bad days, and what a terminal gets of them. */

interface Answer {
  readonly status: number
  readonly body: unknown
}

const id = "4b5abf40-2c15-8911-8601-aeeee6442fae"
const stored: Answer = { status: 201, body: { id, title: "A title", quorum_acks: 1 } }
const JSON_TYPE = { "content-type": "application/json" }
const overloaded: Answer = { status: 503, body: { error: "quorum_not_met" } }

describe("a daemon on a bad day", () => {
  const answers: Array<Answer | "cut"> = []
  const seen: Array<http.IncomingMessage> = []
  const server = http.createServer((request, response) => {
    seen.push(request)
    request.resume().on("end", () => {
      const answer = answers.shift() ?? stored
      if (answer === "cut") response.destroy()
      else response.writeHead(answer.status, JSON_TYPE).end(JSON.stringify(answer.body))
    })
  })
  let url = ""
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
  })
  afterAll(() => new Promise((resolve) => server.close(resolve)))
  beforeEach(() => {
    seen.length = 0
    answers.length = 0
  })
  const run = (...args: ReadonlyArray<string>) => quorate([...args, "--url", url])

  it("has a write sent again under one key while it says that it may be", async () => {
    answers.push(overloaded, overloaded)
    const { code, stderr } = await run("store", "text")
    assert.strictEqual(code, 0, stderr)
    const keys = seen.map(({ headers }) => headers["idempotency-key"])
    assert.lengthOf(keys, 3)
    assert.isNotEmpty(keys[0])
    assert.lengthOf(new Set(keys), 1)
  })

  it("is not asked again for what it will not do, nor where nobody knows whether it was done", async () => {
    answers.push({ status: 409, body: { error: "taken" } })
    assert.strictEqual((await run("store", "text")).code, 1)
    answers.push("cut")
    const { code, stderr } = await run("store", "text")
    assert.strictEqual(code, 1)
    assert.include(stderr, "what was asked for may have been done")
    assert.lengthOf(seen, 2)
  })

  it("gives a terminal no orders by its errors", async () => {
    answers.push({ status: 400, body: { error: "a\u001b]0;title\u0007b\u009b2Jc\u202e" } })
    const { code, stderr } = await run("store", "text")
    assert.strictEqual(code, 1)
    assert.strictEqual(stderr, "quorate: a\\u{1b}]0;title\\u{7}b\\u{9b}2Jc\\u{202e}\n")
  })

  it("is coloured on a terminal, as wide as it, and nowhere else", async ({ skip }) => {
    if (spawnSync("script", ["--version"]).status !== 0) skip("no script(1) here")
    const list: Answer = { status: 200, body: { namespaces: [{ namespace: "n".repeat(200), count: 1 }] } }
    const onTerminal = (environment: string) =>
      new Promise<string>((resolve, reject) => {
        const command = `stty cols 100; ${environment} '${process.execPath}' '${daemon}' namespaces --url ${url}`
        execFile("script", ["-qec", command, "/dev/null"], (error, stdout) => error ? reject(error) : resolve(stdout))
      })
    answers.push(list, list, list)
    const coloured = await onTerminal("")
    assert.match(coloured, /^\u001b\[1mNAMESPACE +MEMORIES\u001b\[0m\r\n/)
    assert.lengthOf(coloured.split("\r\n")[1] ?? "", 100)
    assert.notInclude(await onTerminal("NO_COLOR=1"), "\u001b")
    const { stdout } = await run("namespaces")
    assert.notInclude(stdout, "\u001b")
    assert.lengthOf(stdout.split("\n")[1] ?? "", 80)
  })

  it("has nothing forgotten that somebody at a terminal did not say yes to", async ({ skip }) => {
    if (spawnSync("script", ["--version"]).status !== 0) skip("no script(1) here")
    const foreseen: Answer = { status: 200, body: { count: 1, memories: [{ id, title: "Moss", namespace: "n" }] } }
    const said = (word: string) =>
      new Promise<number>((resolve) => {
        const command = `'${process.execPath}' '${daemon}' forget moss --url ${url}`
        const child = execFile("script", ["-qec", command, "/dev/null"], (error) => resolve(Number(error?.code ?? 0)))
        // Who answers has read the question.
        child.stdout?.on("data", (text: string) => {
          if (text.includes("[y/N]")) child.stdin?.write(`${word}\n`)
        })
      })
    const methods = async (word: string) => {
      seen.length = 0
      answers.push(foreseen, { status: 200, body: { deleted: 1 } })
      const code = await said(word)
      answers.length = 0
      return [code, ...seen.map(({ method }) => method)]
    }
    assert.deepStrictEqual(await methods("n"), [1, "GET"])
    assert.deepStrictEqual(await methods(""), [1, "GET"])
    assert.deepStrictEqual(await methods("y"), [0, "GET", "POST"])
  })
})
