import { assert, beforeAll, describe, it } from "@effect/vitest"
import { breathe } from "../breathe.js"
import { run } from "./run.js"
import { makeImage } from "./SimDisk.js"
import { guarded, Tripped } from "./tripwire.js"

const SEEDS = [1, 2, 3, 5, 8, 13, 21, 34]

describe("a simulation", () => {
  let image: Buffer
  const first = new Map<number, string>()
  beforeAll(async () => {
    image = await makeImage()
    for (const seed of SEEDS) {
      await breathe()
      first.set(seed, run(seed, image).trace)
    }
  })

  it.each(SEEDS)("is the same, event by event, whenever a seed is run: %s", async (seed) => {
    for (let again = 0; again < 2; again++) {
      await breathe()
      assert.strictEqual(run(seed, image).trace, first.get(seed))
    }
  }, 60_000)

  it("is another one for every seed", () => assert.strictEqual(new Set(first.values()).size, SEEDS.length))

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
