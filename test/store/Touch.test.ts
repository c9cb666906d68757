import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { type Touchable, touched } from "../../src/store/Touch.js"
import { after, now } from "./library.js"

const row = (given: Partial<Touchable>): Touchable => ({
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

  it("never brings an expiry forward", () => {
    const seconds = FastCheck.integer({ min: -10 * DAY, max: 10 * DAY })
    const any = FastCheck.record({
      tier: FastCheck.constantFrom<Touchable["tier"]>("short", "mid", "long"),
      priority: FastCheck.integer({ min: 1, max: 10 }),
      accessCount: FastCheck.integer({ min: 0, max: 1_000_000 }),
      expiresAt: FastCheck.option(seconds.map((value) => after(value))),
      extendedUntil: FastCheck.option(seconds.map((value) => after(value)))
    })
    const latest = (one: Pick<Touchable, "expiresAt" | "extendedUntil">) =>
      [one.expiresAt ?? "", one.extendedUntil ?? ""].sort()[1]
    FastCheck.assert(FastCheck.property(any, (one) => {
      const { extendedUntil } = touched(one, now)
      assert.isTrue((latest({ ...one, extendedUntil }) ?? "") >= (latest(one) ?? ""))
    }))
  })
})
