import { assert, beforeAll, describe, it } from "@effect/vitest"
import { breathe } from "../breathe.js"
import { run } from "./run.js"
import { makeImage } from "./SimDisk.js"
import { guarded, Tripped } from "./tripwire.js"

const SEEDS = [1, 2, 3, 5, 8, 13, 21, 34]

describe("a simulation", () => {
  let image: Buffer
  beforeAll(async () => {
    image = await makeImage()
  })

  it("is the same, event by event, whenever a seed is run", async () => {
    const traces = async () => {
      const all: Array<string> = []
      for (const seed of SEEDS) {
        await breathe()
        all.push(run(seed, image).trace)
      }
      return all
    }
    const first = await traces()
    assert.deepStrictEqual(await traces(), first)
    assert.deepStrictEqual((await traces()).toReversed(), first.toReversed())
    assert.strictEqual(new Set(first).size, SEEDS.length, "every seed is another simulation")
  }, 180_000)

  it("is the same whether its trace is kept or not", () => {
    const kept = run(1, image, { keepTrace: true })
    assert.strictEqual(run(1, image).trace, kept.trace)
    assert.isAbove(kept.lines.length, 50)
  }, 60_000)

  const ambient: Record<string, () => unknown> = {
    "Date.now": () => Date.now(),
    "new Date": () => new Date(),
    "Math.random": () => Math.random(),
    "crypto.randomUUID": () => crypto.randomUUID(),
    "performance.now": () => performance.now(),
    setTimeout: () => setTimeout(() => {}, 0),
    setInterval: () => setInterval(() => {}, 0),
    setImmediate: () => setImmediate(() => {})
  }
  for (const [what, reach] of Object.entries(ambient)) {
    it(`ends at once when something calls ${what}`, () => {
      assert.throws(() => guarded(reach), Tripped)
      assert.throws(
        () =>
          guarded(() => {
            try {
              reach()
            } catch {
              // Also when whoever called it does not mind.
            }
          }),
        Tripped
      )
    })
  }
})
