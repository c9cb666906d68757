import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { NodeId } from "../../src/domain/ids.js"
import * as AckTracker from "../../src/replication/AckTracker.js"
import * as QuorumPolicy from "../../src/replication/QuorumPolicy.js"

const begin = 1_000
const deadline = begin + 500
const node = (name: string) => NodeId.make(name)

/** A tracker of one write: who acked and who drifted, in that order; the local commit unless it is left out. */
const trackerOf = (
  { acks = [], drifts = [], local = true, n, w }: {
    readonly n: number
    readonly w: number
    readonly acks?: ReadonlyArray<string>
    readonly drifts?: ReadonlyArray<string>
    readonly local?: boolean
  }
) => {
  const policy = Either.getOrThrow(QuorumPolicy.make({ n, w, ackTimeout: Duration.millis(500) }))
  const made = AckTracker.make(policy, begin)
  const acked = acks.map(node).reduce(AckTracker.recordAck, local ? AckTracker.recordLocal(made) : made)
  return drifts.map(node).reduce(AckTracker.recordIdDrift, acked)
}

const missed = (tracker: AckTracker.AckTracker, nowMillis: number, pending = 0) => {
  const error = Either.getOrThrow(Either.flip(AckTracker.verdict(tracker, { nowMillis, pending })))
  return error._tag === "QuorumNotMet" ? { got: error.got, needed: error.needed, reason: error.reason } : error._tag
}

describe("AckTracker", () => {
  it("needs the local commit and one peer for a majority of three", () => {
    assert.isFalse(AckTracker.isQuorumMet(trackerOf({ n: 3, w: 2 }), begin))
    const tracker = trackerOf({ n: 3, w: 2, acks: ["b"] })
    assert.isTrue(AckTracker.isQuorumMet(tracker, begin))
    assert.deepStrictEqual(AckTracker.verdict(tracker, { nowMillis: begin, pending: 1 }), Either.right(2))
  })

  it("counts a node once, however often it acks", () => {
    const thrice = trackerOf({ n: 5, w: 3, acks: ["b", "b", "b"] })
    assert.isFalse(AckTracker.isQuorumMet(thrice, begin))
    assert.deepStrictEqual(AckTracker.ackedBy(thrice), [node("b")])
    assert.isTrue(AckTracker.isQuorumMet(AckTracker.recordAck(thrice, node("c")), begin))
  })

  it("has no quorum without the local commit, whoever acked", () => {
    const tracker = trackerOf({ n: 3, w: 2, acks: ["b", "c"], local: false })
    assert.isFalse(AckTracker.isQuorumMet(tracker, begin))
    assert.strictEqual(missed(tracker, begin), "LocalNotCommitted")
    assert.include(new AckTracker.LocalNotCommitted().message, "local write failed")
  })

  it("is met by the local commit alone when W = 1", () => {
    assert.isTrue(AckTracker.isQuorumMet(trackerOf({ n: 1, w: 1 }), begin))
    assert.deepStrictEqual(
      AckTracker.verdict(trackerOf({ n: 3, w: 1 }), { nowMillis: begin, pending: 2 }),
      Either.right(1)
    )
  })

  it("counts at the instant of the deadline, and not after it", () => {
    const tracker = trackerOf({ n: 3, w: 2, acks: ["b"] })
    assert.isTrue(AckTracker.isQuorumMet(tracker, deadline))
    assert.isFalse(AckTracker.isQuorumMet(tracker, deadline + 1))
  })

  it("keeps a recorded quorum in the verdict after the deadline", () => {
    const tracker = trackerOf({ n: 3, w: 2, acks: ["b"] })
    assert.deepStrictEqual(AckTracker.verdict(tracker, { nowMillis: deadline + 1, pending: 0 }), Either.right(2))
  })

  it("calls it unreachable when no peer acked", () => {
    assert.deepStrictEqual(missed(trackerOf({ n: 3, w: 2 }), deadline + 50, 2), {
      got: 1,
      needed: 2,
      reason: "unreachable"
    })
  })

  it("calls it a timeout when some acked, but too few", () => {
    assert.deepStrictEqual(missed(trackerOf({ n: 5, w: 3, acks: ["b"] }), deadline + 50, 3), {
      got: 2,
      needed: 3,
      reason: "timeout"
    })
  })

  it("calls it in flight as long as peers with time left can decide it", () => {
    const tracker = trackerOf({ n: 5, w: 3, acks: ["b"] })
    assert.deepStrictEqual(missed(tracker, begin, 3), { got: 2, needed: 3, reason: "in_flight" })
    assert.propertyVal(missed(tracker, begin, 1), "reason", "in_flight")
    assert.propertyVal(missed(tracker, deadline, 1), "reason", "in_flight")
    assert.propertyVal(missed(tracker, begin, 0), "reason", "timeout")
    assert.propertyVal(missed(trackerOf({ n: 5, w: 4, acks: ["b"] }), begin, 1), "reason", "timeout")
    assert.propertyVal(missed(trackerOf({ n: 3, w: 3 }), begin, 1), "reason", "unreachable")
  })

  it("counts ids that disagree, but not towards the quorum", () => {
    assert.strictEqual(AckTracker.idDriftCount(trackerOf({ n: 3, w: 2 })), 0)
    const tracker = trackerOf({ n: 3, w: 2, drifts: ["b", "c", "c"] })
    assert.strictEqual(AckTracker.idDriftCount(tracker), 2)
    assert.isFalse(AckTracker.isQuorumMet(tracker, begin))
    assert.deepStrictEqual(missed(tracker, begin), { got: 1, needed: 2, reason: "id_drift" })
  })

  it("blames the drift only when it is what made the difference", () => {
    assert.propertyVal(missed(trackerOf({ n: 5, w: 4, acks: ["b"], drifts: ["c"] }), begin), "reason", "timeout")
    assert.propertyVal(missed(trackerOf({ n: 5, w: 4, drifts: ["c"] }), begin), "reason", "unreachable")
    assert.propertyVal(missed(trackerOf({ n: 5, w: 4, acks: ["b", "c"], drifts: ["b"] }), begin), "reason", "timeout")
    assert.propertyVal(missed(trackerOf({ n: 5, w: 4, acks: ["b", "c"], drifts: ["d"] }), begin), "reason", "id_drift")
  })

  it("says got, needed and the reason in its error, which is an Error", () => {
    const error = new AckTracker.QuorumNotMet({ got: 1, needed: 3, reason: "timeout" })
    assert.instanceOf(error, Error)
    assert.strictEqual(error.message, "quorum not met (got 1, need 3, reason timeout)")
  })

  it("changes no tracker that it was given", () => {
    const before = trackerOf({ n: 3, w: 3, acks: ["b"] })
    const copy = structuredClone(before.acked)
    AckTracker.recordAck(before, node("c"))
    AckTracker.recordIdDrift(before, node("c"))
    assert.deepStrictEqual(before.acked, copy)
    assert.deepStrictEqual(before.drifted, [])
  })

  it("is met exactly by the number of distinct nodes, in any order and with repetitions", () => {
    const nodes = FastCheck.array(FastCheck.constantFrom("b", "c", "d", "e", "f", "g"), { maxLength: 20 })
    FastCheck.assert(
      FastCheck.property(nodes, FastCheck.integer({ min: 1, max: 7 }), (acks, w) => {
        const distinct = new Set(acks).size + 1
        const tracker = trackerOf({ n: 7, w, acks })
        assert.strictEqual(AckTracker.isQuorumMet(tracker, begin), distinct >= w)
        const verdict = AckTracker.verdict(tracker, { nowMillis: begin, pending: 0 })
        assert.deepStrictEqual(Either.getOrNull(verdict), distinct >= w ? distinct : null)
      })
    )
  })
})
