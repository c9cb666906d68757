import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as QuorumPolicy from "../../src/replication/QuorumPolicy.js"

describe("QuorumPolicy", () => {
  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("refuses n = %s, and says so", (n) => {
    const error = Either.getOrThrow(Either.flip(QuorumPolicy.make({ n, w: 1 })))
    assert.strictEqual(error.field, "n")
    assert.strictEqual(error.message, `invalid quorum policy: n must be a whole number >= 1, got ${n}`)
  })

  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses w = %s: there is nothing to clamp it to", (w) => {
    const error = Either.getOrThrow(Either.flip(QuorumPolicy.make({ n: 3, w })))
    assert.strictEqual(error.field, "w")
    assert.include(error.message, "invalid quorum policy: w ")
  })

  it("keeps what it is given, and has defaults of 2 s and 30 s", () => {
    assert.deepStrictEqual(
      Either.getOrThrow(
        QuorumPolicy.make({ n: 5, w: 3, ackTimeout: Duration.millis(7), clockSkewWarn: Duration.millis(9) })
      ),
      { n: 5, w: 3, ackTimeout: Duration.millis(7), clockSkewWarn: Duration.millis(9) }
    )
    const { ackTimeout, clockSkewWarn } = Either.getOrThrow(QuorumPolicy.make({ n: 1, w: 1 }))
    assert.deepStrictEqual([Duration.toMillis(ackTimeout), Duration.toMillis(clockSkewWarn)], [2000, 30_000])
  })

  it.each([
    { n: 3, w: 9, clamped: 3 },
    { n: 3, w: 4, clamped: 3 },
    { n: 3, w: 0, clamped: 1 },
    { n: 3, w: -4, clamped: 1 },
    { n: 3, w: 3, clamped: 3 },
    { n: 3, w: 1, clamped: 1 },
    { n: 1, w: 1, clamped: 1 }
  ])("makes w = $w of n = $n a w of $clamped, and tells when it differs", ({ clamped, n, w }) => {
    assert.strictEqual(Either.getOrThrow(QuorumPolicy.make({ n, w })).w, clamped)
    assert.deepStrictEqual(QuorumPolicy.clampedFrom({ n, w }), w === clamped ? Option.none() : Option.some(w))
  })

  it("takes more than half as the majority, of even n too", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 5, 6, 7].map(QuorumPolicy.majority), [1, 2, 2, 3, 3, 4, 4])
    FastCheck.assert(
      FastCheck.property(FastCheck.integer({ min: 1, max: 1000 }), (n) => {
        const w = QuorumPolicy.majority(n)
        assert.isTrue(2 * w > n, "two majorities share a node")
        assert.isTrue(2 * (w - 1) <= n, "and no smaller number does")
      })
    )
  })
})
