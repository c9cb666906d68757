import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { NodeId, PeerUrl } from "../../src/domain/ids.js"
import { decideAll, type GroupTally } from "../../src/federation/verdict.js"
import * as Outcome from "../../src/federation/wire/Outcome.js"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import * as AckTracker from "../../src/replication/AckTracker.js"
import * as QuorumPolicy from "../../src/replication/QuorumPolicy.js"
import { operation } from "../store/letters.js"

const node = (name: string) => NodeId.make(name)
const peerOf = (name: string) => ({ peer: { name, url: PeerUrl.make(`http://${name}`) } })
const lost = Outcome.failed(new PeerFailed({ peer: "x", reason: "timeout", detail: "no answer" }))

/** What each peer did with each operation; nothing for one that has not answered. */
type Answers = Readonly<Record<string, ReadonlyArray<Outcome.Outcome> | null>>

const tallyOf = (answers: Answers, needed: number): GroupTally => {
  const all = Object.entries(answers)
  const isAck = (outcomes: ReadonlyArray<Outcome.Outcome>) => outcomes.some(Outcome.isHeld)
  return {
    needed,
    acks: all.flatMap(([name, outcomes]) =>
      outcomes !== null && isAck(outcomes) ? [{ target: peerOf(name), ack: outcomes }] : []
    ),
    failures: all.flatMap(([name, outcomes]) =>
      outcomes === null || isAck(outcomes) ? [] : [{ target: peerOf(name), cause: Cause.fail(outcomes) }]
    ),
    pending: all.flatMap(([name, outcomes]) => outcomes === null ? [peerOf(name)] : [])
  }
}

const policyOf = (n: number, w: number) =>
  Either.getOrThrow(QuorumPolicy.make({ n, w, ackTimeout: Duration.millis(500) }))

const judged = (
  answers: Answers,
  { isLast = false, n, nowMillis = 100, w }: {
    readonly n: number
    readonly w: number
    readonly nowMillis?: number
    readonly isLast?: boolean
  }
) => {
  const operations = [1, 2].map((oseq) => operation(oseq))
  const judge = { nodeId: node("a"), policy: policyOf(n, w), beginMillis: 0, nowMillis, isLast, held: () => undefined }
  return decideAll(judge, operations, tallyOf(answers, w - 1)).map(({ isOpen, verdict }) =>
    Either.match(verdict, {
      onLeft: ({ ackedBy, got, needed, reason }) => isOpen ? "open" : { got, needed, reason, ackedBy },
      onRight: ({ ackedBy, acks }) => ({ acks, ackedBy })
    })
  )
}

const missed = (
  got: number,
  needed: number,
  reason: AckTracker.MissedReason,
  ...ackedBy: ReadonlyArray<string>
) => ({ got, needed, reason, ackedBy: ackedBy.map(node) })

const held = (by: string) => [Outcome.held(node(by)), Outcome.held(node(by))]

describe("the verdict on the operations of one fan-out", () => {
  it("is the same for all when every peer that answered holds all of them", () => {
    const met = { acks: 2, ackedBy: [node("a"), node("b")] }
    assert.deepStrictEqual(judged({ b: held("b"), c: null }, { n: 3, w: 2 }), [met, met])
  })

  it("is of each by itself: one that a peer refuses is open while another peer can decide it", () => {
    const answers = { b: [Outcome.held(node("b")), Outcome.refused("invalid")], c: null }
    assert.deepStrictEqual(judged(answers, { n: 3, w: 2 }), [{ acks: 2, ackedBy: [node("a"), node("b")] }, "open"])
  })

  it("waits for nobody who can not make a difference, nor beyond the deadline, nor in the last round", () => {
    const none = missed(1, 2, "refused", "a")
    const refusing = [Outcome.held(node("b")), Outcome.refused("invalid")]
    const [, both] = judged({ b: refusing, c: [Outcome.held(node("c")), Outcome.refused("invalid")] }, { n: 3, w: 2 })
    assert.deepStrictEqual(both, none)
    const [, late] = judged({ b: refusing, c: null }, { n: 3, w: 2, nowMillis: 501 })
    assert.deepStrictEqual(late, none)
    const [, last] = judged({ b: refusing, c: null }, { n: 3, w: 2, isLast: true })
    assert.deepStrictEqual(last, none)
  })

  it("is missed when the fan-out came to its deadline, whoever is still being tried", () => {
    const none = missed(1, 3, "unreachable", "a")
    assert.deepStrictEqual(judged({ b: null, c: null }, { n: 3, w: 3, nowMillis: 500 }), [none, none])
    const some = missed(2, 3, "timeout", "a", "b")
    assert.deepStrictEqual(judged({ b: held("b"), c: null }, { n: 3, w: 3, nowMillis: 500 }), [some, some])
  })

  it("says so when ids that disagree made the difference", () => {
    const drift = Outcome.refused("acked another id", "id_drift")
    assert.deepStrictEqual(judged({ b: [drift, drift] }, { n: 2, w: 2 }), [
      missed(1, 2, "id_drift", "a"),
      missed(1, 2, "id_drift", "a")
    ])
  })

  it("counts a node once, under however many addresses it answers, and nothing but acks", () => {
    const twice = missed(2, 3, "timeout", "a", "b")
    assert.deepStrictEqual(judged({ b: held("b"), b2: held("b") }, { n: 3, w: 3 }), [twice, twice])
    const settled = Outcome.settled("not_carried", "no word")
    assert.deepStrictEqual(judged({ b: [settled, lost] }, { n: 2, w: 2 }), [
      missed(1, 2, "refused", "a"),
      missed(1, 2, "unreachable", "a")
    ])
  })

  it("says what most peers said that answered, and what each of them did", () => {
    const overloaded = Outcome.failed(new PeerFailed({ peer: "x", reason: "overloaded", detail: "http 503" }))
    const clock = Outcome.refused("clock_future: ahead", "clock")
    const of = (...outcomes: ReadonlyArray<Outcome.Outcome>) =>
      Object.fromEntries(outcomes.map((outcome, index) => [`p${index}`, [outcome, outcome]]))
    const reasonOf = (...outcomes: ReadonlyArray<Outcome.Outcome>) => {
      const [first] = judged(of(...outcomes), { n: outcomes.length + 1, w: outcomes.length + 1 })
      return first !== undefined && typeof first !== "string" && "reason" in first ? first.reason : first
    }
    assert.strictEqual(reasonOf(lost, lost, overloaded), "overloaded")
    assert.strictEqual(reasonOf(overloaded, clock, clock, lost), "clock")
    assert.strictEqual(reasonOf(Outcome.held(node("b")), Outcome.refused("no"), lost, lost), "refused")
    assert.strictEqual(reasonOf(Outcome.held(node("b")), lost), "timeout")
    assert.strictEqual(reasonOf(Outcome.settled("parked", "no memory"), lost), "unreachable")

    const tally = tallyOf({ ...of(Outcome.held(node("b")), overloaded, clock, lost), d: null }, 4)
    const judge = {
      nodeId: node("a"),
      policy: policyOf(6, 5),
      beginMillis: 0,
      nowMillis: 500,
      isLast: false,
      held: () => undefined
    }
    const [decided] = decideAll(judge, [operation(1)], tally)
    assert.isDefined(decided)
    assert.deepStrictEqual(Either.isLeft(decided.verdict) ? decided.verdict.left.peers : [], [
      { peer: "http://p0", outcome: "acked", detail: "b" },
      { peer: "http://p1", outcome: "overloaded", detail: "overloaded: http 503" },
      { peer: "http://p2", outcome: "clock", detail: "clock: clock_future: ahead" },
      { peer: "http://p3", outcome: "timeout", detail: "timeout: no answer" },
      { peer: "http://d", outcome: "pending", detail: "no answer yet" }
    ])
  })

  it("takes a send that broke for no answer", () => {
    const tally = { ...tallyOf({ c: null }, 1), failures: [{ target: peerOf("b"), cause: Cause.die("broken") }] }
    const judge = {
      nodeId: node("a"),
      policy: policyOf(3, 2),
      beginMillis: 0,
      nowMillis: 500,
      isLast: false,
      held: () => undefined
    }
    const [decided] = decideAll(judge, [operation(1)], tally)
    assert.deepStrictEqual(decided?.answers, [{ peer: peerOf("b").peer, outcome: null }])
    assert.isTrue(decided !== undefined && Either.isLeft(decided.verdict))
  })

  it("is what a tracker says that hears of that one operation alone", () => {
    const outcome = FastCheck.constantFrom<Outcome.Outcome | "held">(
      "held",
      Outcome.refused("no"),
      Outcome.refused("another id", "id_drift"),
      Outcome.refused("ahead", "clock"),
      Outcome.settled("parked", "parked"),
      lost
    )
    const answer = FastCheck.option(FastCheck.tuple(outcome, outcome), { nil: null })
    const names = ["b", "c", "d", "e"]
    FastCheck.assert(FastCheck.property(
      FastCheck.tuple(answer, answer, answer, answer),
      FastCheck.integer({ min: 1, max: 5 }),
      FastCheck.integer({ min: 0, max: 600 }),
      (given, w, nowMillis) => {
        const answers: Record<string, ReadonlyArray<Outcome.Outcome> | null> = {}
        names.forEach((name, index) => {
          const outcomes = given[index]
          answers[name] = outcomes?.map((one) => one === "held" ? Outcome.held(node(name)) : one) ?? null
        })
        const tally = tallyOf(answers, w - 1)
        const pending = tally.acks.length < w - 1 ? 0 : tally.pending.length
        judged(answers, { n: 5, w, nowMillis }).forEach((found, index) => {
          let tracker = AckTracker.recordLocal(AckTracker.make(policyOf(5, w), 0))
          for (const name of names) {
            const one = answers[name]?.[index]
            if (one?._tag === "held") tracker = AckTracker.recordAck(tracker, node(name))
            if (one?._tag === "refused" && one.reason === "id_drift") {
              tracker = AckTracker.recordIdDrift(tracker, node(name))
            } else if (one?._tag === "refused" && AckTracker.isRefusal(one.reason)) {
              tracker = AckTracker.recordRefusal(tracker, node(name), one.reason)
            }
          }
          const expected = Either.match(AckTracker.verdict(tracker, { nowMillis, pending }), {
            onRight: (acks) => acks,
            onLeft: ({ reason }) => reason === "in_flight" ? "open" : reason
          })
          assert.strictEqual(
            typeof found === "string" ? found : "acks" in found ? found.acks : found.reason,
            expected
          )
        })
      }
    ))
  })
})
