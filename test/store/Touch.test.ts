import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { graceMillis, usual } from "../../src/domain/Lifetimes.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as Touch from "../../src/store/state/Touch.js"
import { after, now } from "./library.js"

const touched = (row: Touch.Touchable, now: Stamp.Stamp) => Touch.touched(row, now, usual)

const row = (given: Partial<Touch.Touchable>): Touch.Touchable => ({
  tier: "mid",
  priority: 5,
  accessCount: 0,
  expiresAt: after(7 * 86_400),
  extendedUntil: null,
  ...given
})

const HOUR = 3600
const DAY = 86_400

describe("touched", () => {
  it("counts a use, up to a million", () => {
    assert.strictEqual(touched(row({ accessCount: 3 }), now).accessCount, 4)
    assert.strictEqual(touched(row({ accessCount: 999_999 }), now).accessCount, 1_000_000)
    assert.strictEqual(touched(row({ accessCount: 1_000_000 }), now).accessCount, 1_000_000)
    assert.strictEqual(touched(row({}), now).lastAccessedAt, now)
  })

  it("extends a short memory by an hour and a mid one by a day", () => {
    assert.strictEqual(touched(row({ tier: "short", expiresAt: after(60) }), now).extendedUntil, after(HOUR))
    assert.strictEqual(touched(row({ tier: "mid", expiresAt: after(60) }), now).extendedUntil, after(DAY))
  })

  it("never shortens", () => {
    assert.isNull(touched(row({ tier: "mid", expiresAt: after(DAY) }), now).extendedUntil)
    assert.isNull(touched(row({ tier: "mid", expiresAt: after(7 * DAY) }), now).extendedUntil)
    const extended = row({ tier: "short", expiresAt: after(60), extendedUntil: after(2 * HOUR) })
    assert.strictEqual(touched(extended, now).extendedUntil, after(2 * HOUR))
    assert.strictEqual(touched({ ...extended, extendedUntil: after(61) }, now).extendedUntil, after(HOUR))
  })

  it("extends nothing that does not expire, is long, or has expired", () => {
    assert.isNull(touched(row({ tier: "short", expiresAt: null }), now).extendedUntil)
    assert.isNull(touched(row({ tier: "long", expiresAt: after(60) }), now).extendedUntil)
    assert.isNull(touched(row({ tier: "short", expiresAt: now }), now).extendedUntil)
    const gone = row({ tier: "short", expiresAt: after(-HOUR), extendedUntil: after(-1) })
    assert.strictEqual(touched(gone, now).extendedUntil, after(-1))
    assert.strictEqual(touched({ ...gone, extendedUntil: after(1) }, now).extendedUntil, after(HOUR))
  })

  it("promotes a mid memory from its fifth use on", () => {
    assert.isFalse(touched(row({ accessCount: 3 }), now).promote)
    assert.isTrue(touched(row({ accessCount: 4 }), now).promote)
    assert.isTrue(touched(row({ accessCount: 40 }), now).promote)
    assert.isFalse(touched(row({ accessCount: 40, tier: "short" }), now).promote)
    assert.isFalse(touched(row({ accessCount: 40, tier: "long" }), now).promote)
  })

  it("raises the priority with every tenth use, up to ten", () => {
    assert.isTrue(touched(row({ accessCount: 9 }), now).raisePriority)
    assert.isFalse(touched(row({ accessCount: 10 }), now).raisePriority)
    assert.isTrue(touched(row({ accessCount: 19, priority: 9 }), now).raisePriority)
    assert.isFalse(touched(row({ accessCount: 19, priority: 10 }), now).raisePriority)
    assert.isTrue(touched(row({ accessCount: 999_999 }), now).raisePriority)
    assert.isFalse(touched(row({ accessCount: 1_000_000 }), now).raisePriority)
  })

  it("tells the others of a longer life when they would lose the memory by half of it earlier", () => {
    const short = (seconds: number, extendedUntil: Touch.Touchable["extendedUntil"] = null) =>
      touched(row({ tier: "short", expiresAt: after(seconds), extendedUntil }), now).extend
    assert.isTrue(short(60))
    assert.isTrue(short(HOUR / 2))
    assert.isFalse(short(HOUR / 2 + 0.001))
    assert.isFalse(short(2 * HOUR))
    assert.isTrue(short(-60, after(60)), "it lives here, though it has expired for the others")
    assert.isFalse(short(-60), "it is gone here, too")
    assert.isFalse(short(60, after(2 * HOUR)), "it lives for longer already")
    assert.isTrue(touched(row({ tier: "mid", expiresAt: after(DAY / 2) }), now).extend)
    assert.isFalse(touched(row({ tier: "mid", expiresAt: after(DAY / 2 + 1) }), now).extend)
    assert.isFalse(touched(row({ tier: "long", expiresAt: after(60) }), now).extend)
    assert.isFalse(touched(row({ tier: "short", expiresAt: null }), now).extend)
  })

  it("keeps a node at most the grace ahead of what it told the others", () => {
    const step = FastCheck.integer({ min: 1, max: 2 * HOUR })
    FastCheck.assert(FastCheck.property(FastCheck.array(step, { maxLength: 20 }), (steps) => {
      let [expiry, extendedUntil, seconds]: [number, number | null, number] = [6 * HOUR, null, 0]
      for (const wait of steps) {
        seconds += wait
        const use = touched(
          row({
            tier: "short",
            expiresAt: after(expiry),
            extendedUntil: extendedUntil === null ? null : after(extendedUntil)
          }),
          after(seconds)
        )
        if (use.extendedUntil !== null) extendedUntil = (Stamp.toMillis(use.extendedUntil) - Stamp.toMillis(now)) / 1000
        if (use.extend && extendedUntil !== null) expiry = Math.max(expiry, extendedUntil)
        assert.isAtMost((extendedUntil ?? 0) - expiry, graceMillis(usual, "short") / 1000)
      }
    }))
  })

  it("never brings an expiry forward", () => {
    const seconds = FastCheck.integer({ min: -10 * DAY, max: 10 * DAY })
    const any = FastCheck.record({
      tier: FastCheck.constantFrom<Touch.Touchable["tier"]>("short", "mid", "long"),
      priority: FastCheck.integer({ min: 1, max: 10 }),
      accessCount: FastCheck.integer({ min: 0, max: 1_000_000 }),
      expiresAt: FastCheck.option(seconds.map((value) => after(value))),
      extendedUntil: FastCheck.option(seconds.map((value) => after(value)))
    })
    const latest = (one: Pick<Touch.Touchable, "expiresAt" | "extendedUntil">) =>
      [one.expiresAt ?? "", one.extendedUntil ?? ""].sort()[1]
    FastCheck.assert(FastCheck.property(any, (one) => {
      const { extendedUntil } = touched(one, now)
      assert.isTrue((latest({ ...one, extendedUntil }) ?? "") >= (latest(one) ?? ""))
    }))
  })
})
