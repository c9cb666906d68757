import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Hlc from "../../src/domain/Hlc.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hlc, millis } from "./arbitraries.js"

const sign = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0

/** Walls that jump anywhere, often back, often nowhere. */
const walls = FastCheck.array(FastCheck.oneof(millis, FastCheck.integer({ min: 0, max: 3 })), { maxLength: 50 })

describe("Hlc", () => {
  it("follows the wall clock while that goes on", () => {
    assert.deepStrictEqual(Hlc.tick({ millis: 10, counter: 7 }, 11), { millis: 11, counter: 0 })
  })

  it("counts while the wall clock stands still or goes back", () => {
    assert.deepStrictEqual(Hlc.tick({ millis: 10, counter: 7 }, 10), { millis: 10, counter: 8 })
    assert.deepStrictEqual(Hlc.tick({ millis: 10, counter: 7 }, 3), { millis: 10, counter: 8 })
  })

  it("carries a full counter into the milliseconds", () => {
    assert.deepStrictEqual(Hlc.tick({ millis: 10, counter: 999_998 }, 10), { millis: 10, counter: 999_999 })
    assert.deepStrictEqual(Hlc.tick({ millis: 10, counter: 999_999 }, 10), { millis: 11, counter: 0 })
  })

  it("only ever rises, whatever the wall clock does", () => {
    FastCheck.assert(FastCheck.property(hlc, walls, (start, jumps) => {
      let last = start
      for (const wall of jumps) {
        const next = Hlc.tick(last, wall)
        assert.strictEqual(Hlc.compare(next, last), 1)
        assert.isAtLeast(next.millis, wall)
        assert.isTrue(Hlc.toStamp(next) > Hlc.toStamp(last))
        last = next
      }
    }))
  })

  it("keeps the greater counter when it hears of the millisecond it is in", () => {
    const [low, high] = [{ millis: 10, counter: 3 }, { millis: 10, counter: 8 }]
    assert.deepStrictEqual(Hlc.observe(low, high, 10), high)
    assert.deepStrictEqual(Hlc.observe(high, low, 10), high)
    assert.deepStrictEqual(Hlc.observe(high, low, 11), { millis: 11, counter: 0 })
  })

  it("is never behind what it has observed, and ticks to after it", () => {
    FastCheck.assert(FastCheck.property(hlc, hlc, millis, (last, remote, wall) => {
      const seen = Hlc.observe(last, remote, wall)
      assert.isAtLeast(Hlc.compare(seen, last), 0)
      assert.isAtLeast(Hlc.compare(seen, remote), 0)
      assert.isAtLeast(seen.millis, wall)
      assert.strictEqual(Hlc.compare(Hlc.tick(seen, wall), remote), 1)
      assert.deepStrictEqual(Hlc.observe(seen, remote, wall), seen)
      // It is one of the three and not something beyond them.
      assert.deepInclude([last, remote, { millis: wall, counter: 0 }], seen)
    }))
  })

  it("has the order of its texts, and comes back from them", () => {
    FastCheck.assert(FastCheck.property(hlc, hlc, (a, b) => {
      assert.strictEqual(Hlc.compare(a, b), sign(Hlc.toStamp(a), Hlc.toStamp(b)))
      assert.deepStrictEqual(Hlc.fromStamp(Hlc.toStamp(a)), a)
    }))
  })

  it("orders clocks of one millisecond by their counters", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.nat(Hlc.MAX_COUNTER), FastCheck.nat(Hlc.MAX_COUNTER), (a, b) => {
        const at = (counter: number) => ({ millis: 1_700_000_000_000, counter })
        assert.strictEqual(Hlc.compare(at(a), at(b)), Math.sign(a - b))
        assert.strictEqual(sign(Hlc.toStamp(at(a)), Hlc.toStamp(at(b))), Math.sign(a - b))
      })
    )
  })

  it("reads every canonical stamp, those of other clocks too", () => {
    FastCheck.assert(FastCheck.property(hlc, (clock) => {
      const stamp = Hlc.toStamp(clock)
      assert.strictEqual(Hlc.toStamp(Hlc.fromStamp(stamp)), stamp)
    }))
    assert.strictEqual(Hlc.toStamp(Hlc.zero), Stamp.fromMillis(0))
  })

  it("tells who is too far ahead", () => {
    assert.isFalse(Hlc.isAhead({ millis: 61_000, counter: 999_999 }, 1000, 60_000))
    assert.isTrue(Hlc.isAhead({ millis: 61_001, counter: 0 }, 1000, 60_000))
    assert.isFalse(Hlc.isAhead({ millis: 0, counter: 0 }, 1_000_000, 60_000))
  })
})
