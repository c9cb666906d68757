import { assert, describe, it } from "@effect/vitest"
import { NodeId, OpId } from "../../src/domain/ids.js"
import * as Outcome from "../../src/federation/wire/Outcome.js"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"

const b = NodeId.make("b")

const result = (result: PeerApi.PushResult["result"], why?: string) =>
  Outcome.ofResult({ op_id: OpId.make("op"), result, ...(why === undefined ? {} : { why }) }, b)

describe("what a peer did with an operation", () => {
  it("is an ack when the peer holds it, whatever it came to there", () => {
    for (const held of ["applied", "duplicate", "superseded", "shadowed"] as const) {
      assert.deepStrictEqual(result(held), { _tag: "held", by: b })
      assert.isTrue(Outcome.isHeld(result(held)))
    }
  })

  it("is settled without an ack when the peer has it and can not apply it yet", () => {
    assert.deepStrictEqual(result("parked"), { _tag: "settled", reason: "parked", detail: "parked" })
    assert.deepStrictEqual(result("parked", "no memory"), { _tag: "settled", reason: "parked", detail: "no memory" })
    assert.isFalse(Outcome.isHeld(result("parked")))
  })

  it("is a refusal when the peer rejects it, with the peer's own words", () => {
    assert.deepStrictEqual(result("rejected", "invalid: title"), {
      _tag: "refused",
      reason: "refused",
      detail: "invalid: title"
    })
    assert.deepStrictEqual(result("rejected"), { _tag: "refused", reason: "refused", detail: "rejected" })
  })

  it("has a class for every result of the contract", () => {
    for (const word of PeerApi.PushResult.fields.result.literals) assert.isDefined(result(word)._tag)
  })

  it("tells a peer that was not asked from one that did not answer", () => {
    const failed = (reason: PeerFailed["reason"]) =>
      Outcome.failed(new PeerFailed({ peer: "b", reason, detail: "why" }))
    assert.isTrue(Outcome.isUnavailable(failed("unavailable")))
    const said = ["unavailable", "overloaded", "queue_full"] as const
    for (const reason of said) assert.isTrue(Outcome.isSaid(failed(reason)))
    assert.isFalse(Outcome.isSaid(failed("timeout")))
    assert.isFalse(Outcome.isSaid(Outcome.refused("not this one", "overloaded")))
    for (const other of [failed("timeout"), failed("queue_full"), Outcome.held(b), Outcome.refused("no")]) {
      assert.isFalse(Outcome.isUnavailable(other))
    }
  })

  it("is said in words that name its reason", () => {
    const words = (outcome: Outcome.Outcome) => Outcome.isHeld(outcome) ? "" : Outcome.messageOf(outcome)
    const failure = new PeerFailed({ peer: "b", reason: "timeout", detail: "no answer" })
    assert.strictEqual(words(Outcome.failed(failure)), "timeout: no answer")
    assert.strictEqual(words(Outcome.refused("http 413")), "refused: http 413")
    assert.strictEqual(words(Outcome.refused("acked another id", "id_drift")), "id_drift: acked another id")
    assert.strictEqual(words(Outcome.settled("not_carried", "no word")), "not_carried: no word")
  })
})
