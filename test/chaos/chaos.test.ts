import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "../../packaging/chaos/buggy.mjs"
import { BUGS, editsOf } from "../../packaging/chaos/bugs.js"
import type { Fault } from "../../packaging/chaos/Chronicle.js"
import * as destructive from "../../packaging/chaos/destructive.js"
import * as means from "../../packaging/chaos/means.js"
import { page } from "../../packaging/chaos/page.js"
import * as report from "../../packaging/chaos/report.js"
import * as Round from "../../packaging/chaos/Round.js"
import { daemon } from "../daemon.js"
import * as prng from "../simulation/prng.js"

/** Another one is asked for by the variable, to see whether it says the same. */
const seed = Number(process.env["QUORATE_CHAOS_SEED"] ?? 1)

/** What needs nothing but Node. */
const FAULTS: ReadonlyArray<Fault> = [
  "kill",
  "dropped-acks",
  "partition",
  "pause",
  "one-way",
  "clock",
  "flapping",
  "loss",
  "old-backup",
  "delay"
]

const can = means.find({
  clockModule: fileURLToPath(new URL("../../packaging/chaos/clock.mjs", import.meta.url)),
  plain: true
})

/** In a folder that is removed at the end. */
const inFolder = async <A>(body: (folder: string) => Promise<A>): Promise<A> => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-chaos-"))
  try {
    return await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const run = (folder: string, given: { faults: ReadonlyArray<Fault>; seconds: number; main: string }) =>
  Effect.runPromise(Round.run({
    number: 1,
    size: 3,
    quorumWrites: 2,
    isSecured: false,
    seconds: given.seconds,
    faults: given.faults,
    chance: prng.make(`${seed}/test`)
  }, { folder, main: given.main, upgradeTo: undefined, means: can }))

const ofRun = (result: Round.Result) =>
  report.ofRun({
    seed,
    bug: null,
    missing: can.missing,
    rounds: [report.ofRound(result)],
    wanted: new Set(result.plan.faults)
  })

describe(`chaos among real processes, seed ${seed}`, () => {
  it(
    "breaks no invariant, whatever is done to nodes and their links while they are written to",
    () =>
      inFolder(async (folder) => {
        const result = await run(folder, { faults: FAULTS, seconds: 15, main: daemon })
        assert.deepStrictEqual(result.violations, [])
        const told = ofRun(result)
        assert.deepStrictEqual(told.idle, [], "no write was in flight when these began")
        assert.deepStrictEqual(Object.keys(told.faults).sort(), [...FAULTS].sort())
        assert.isAbove(result.tally.ok, 50, JSON.stringify(result.tally))
        assert.isAbove(result.tally.retries, 0, JSON.stringify(result.tally))
        const lines = readFileSync(result.history, "utf8").trim().split("\n")
        const events = lines.map((line): { readonly type: string; readonly acked_by?: unknown } => JSON.parse(line))
        assert.strictEqual(events.filter(({ type }) => type === "invoked").length, result.tally.calls)
        assert.isNotEmpty(events.filter(({ acked_by }) => Array.isArray(acked_by) && acked_by.length > 1))
        const html = page(told)
        for (const word of ["n1", "n2", "n3", ...FAULTS]) assert.include(html, word)
        assert.notMatch(html, /<script|src=|href=/)
      }),
    400_000
  )

  it("finds that a key is ignored", () =>
    inFolder(async (folder) => {
      const bug = BUGS.find(({ name }) => name === "key-ignored") ?? assert.fail("no such bug")
      const main = await build(bug.name, editsOf(bug))
      const { violations } = await run(folder, { faults: bug.faults, seconds: 6, main })
      const rules = violations.map(({ rule }) => rule)
      assert.isTrue(rules.some((rule) => rule.startsWith("I11") || rule === "clients"), rules.join())
    }), 400_000)

  it(
    "finds every acknowledged write on each node that it names, when that alone is left",
    () =>
      inFolder(async (folder) => {
        const { choices } = await Effect.runPromise(destructive.prove({
          size: 3,
          quorumWrites: 2,
          isSecured: false,
          folder: join(folder, "proof"),
          main: daemon,
          means: can,
          chance: prng.make(`${seed}/proof`)
        }))
        assert.lengthOf(choices, 3)
        for (const { missing, named } of choices) {
          assert.isAbove(named, 0)
          assert.deepStrictEqual(missing, [])
        }
      }),
    400_000
  )
})
