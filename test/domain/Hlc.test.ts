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

  it("follows what it hears of, but not out of reach of the wall clock", () => {
    const wall = 1_000_000
    const [low, high] = [{ millis: wall, counter: 3 }, { millis: wall, counter: 8 }]
    assert.deepStrictEqual(Hlc.follow(low, high, wall), high)
    assert.deepStrictEqual(Hlc.follow(high, low, wall), high)
    const [near, far] = [{ millis: wall + 30_000, counter: 0 }, { millis: wall + 30_001, counter: 0 }]
    assert.deepStrictEqual(Hlc.follow(low, near, wall), near)
    assert.deepStrictEqual(Hlc.follow(low, far, wall), low)
    assert.deepStrictEqual(Hlc.base(near, wall), near)
  })

  it("comes back to the wall clock from where that was wrong once", () => {
    const wall = 1_000_000
    const far = { millis: wall + 7_200_000, counter: 5 }
    assert.deepStrictEqual(Hlc.base(far, wall), Hlc.zero)
    assert.deepStrictEqual(Hlc.follow(far, { millis: wall, counter: 0 }, wall), { millis: wall, counter: 0 })
    assert.deepStrictEqual(Hlc.follow(far, { millis: wall + 7_200_001, counter: 0 }, wall), far)
  })

  it("ticks to after what it follows, and is never out of reach by what it hears", () => {
    FastCheck.assert(FastCheck.property(hlc, hlc, millis, (last, stamp, wall) => {
      const followed = Hlc.follow(last, stamp, wall)
      assert.deepInclude([last, stamp], followed)
      const next = Hlc.tick(Hlc.base(followed, wall), wall)
      assert.isAtLeast(next.millis, wall)
      assert.isAtMost(next.millis - wall, 30_001)
      if (stamp.millis <= wall + 30_000) assert.strictEqual(Hlc.compare(next, stamp), 1)
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

  it("tells what is too far ahead", () => {
    assert.isFalse(Hlc.isFuture(Stamp.fromMillis(61_000, 999_999), 1000))
    assert.isTrue(Hlc.isFuture(Stamp.fromMillis(61_001), 1000))
    assert.isFalse(Hlc.isFuture(Stamp.fromMillis(0), 1_000_000))
    assert.isFalse(Hlc.isFuture(Hlc.latest(1000), 1000))
  })
})
