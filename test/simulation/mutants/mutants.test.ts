import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { type Build, build, mutated, remove } from "./build.js"
import { type Mutant, mutants } from "./mutants.js"

const Found = Schema.parseJson(Schema.Struct({
  found: Schema.NullOr(Schema.Struct({ seed: Schema.Int, rule: Schema.String, what: Schema.String })),
  others: Schema.Array(Schema.String)
}))

/** Seeds of the unmutated program that must be without any breach, so that it is the bug that was found. */
const SOUND_SEEDS = 12

const search = ({ main }: Build, task: Pick<Mutant, "focus" | "rules" | "seeds">) =>
  new Promise<typeof Found.Type>((resolve, reject) => {
    const argument = JSON.stringify({ seeds: task.seeds, rules: task.rules, focus: task.focus ?? {} })
    const child = spawn(process.execPath, [main, argument], { stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    let complaint = ""
    child.stdout.on("data", (chunk) => {
      output += String(chunk)
    })
    child.stderr.on("data", (chunk) => {
      complaint += String(chunk)
    })
    child.on("error", reject)
    child.on("close", (code) => {
      if (code === 0) resolve(Schema.decodeUnknownSync(Found)(output))
      else reject(new Error(`the simulation itself broke: ${complaint}`))
    })
  })

describe("seeded bugs", () => {
  let original: Build
  beforeAll(() => {
    original = build()
  })
  afterAll(() => remove(original))

  it("are not there without a seed", async () => {
    const { found } = await search(original, { seeds: SOUND_SEEDS, rules: [""] })
    assert.isNull(found, JSON.stringify(found))
  }, 60_000)

  for (const mutant of mutants) {
    it(`${mutant.name}: found within ${mutant.seeds} seeds`, async () => {
      const program = mutated(original, mutant)
      try {
        const { found, others } = await search(program, mutant)
        assert.isNotNull(found, `only these rules were broken: ${others.join(", ")}`)
        console.log(`${mutant.name}: seed ${found?.seed}, ${found?.rule}`)
      } finally {
        remove(program)
      }
    }, 120_000)
  }
})
