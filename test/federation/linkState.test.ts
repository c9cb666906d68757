import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import { NodeId, Origin, PeerUrl } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as LinkState from "../../src/federation/link/LinkState.js"
import { type Identity, PeerFailed } from "../../src/federation/wire/Peer.js"
import * as VersionVector from "../../src/replication/VersionVector.js"

type State = LinkState.LinkState
type Event = LinkState.Event

const vector = (upto: number) => VersionVector.fromEntries([[Origin.make("b/1"), { upto, beyond: [] }]])
const nodeId = NodeId.make("b")
const original: Identity = { kind: "original", peerId: PeerUrl.make("http://old") }
const ours: Identity = {
  kind: "quorate",
  peerId: nodeId,
  hello: {
    protocol: 1,
    node_id: nodeId,
    incarnation: 1,
    version: "0",
    capabilities: [],
    limits: { operations: 1000, bytes: 1024 },
    vector: vector(1),
    wall_clock: Stamp.fromMillis(0)
  }
}

const greeted: Event = { _tag: "greeted", lacks: false }
const cause = new PeerFailed({ peer: "b", reason: "network", detail: "connection refused" })
const failed: Event = { _tag: "failed", cause }
const heard: Event = { _tag: "heard" }
const wanted: Event = { _tag: "wanted" }
const doubted: Event = { _tag: "doubted" }
const broken = (failures: number, inVain = 0) => ({
  _tag: "broken" as const,
  failures,
  heard: false,
  inVain,
  wanted: false,
  cause
})
const after = (...events: ReadonlyArray<Event>): State => events.reduce(LinkState.next, LinkState.initial)
const phaseAfter = (...events: ReadonlyArray<Event>) => after(...events).phase

describe("the state of a link", () => {
  it("goes from unknown to connected or broken, and between the two", () => {
    assert.deepStrictEqual(phaseAfter(), { _tag: "unknown" })
    assert.deepStrictEqual(phaseAfter(greeted), { _tag: "connected" })
    assert.deepStrictEqual(phaseAfter(failed), broken(1))
    assert.deepStrictEqual(phaseAfter(failed, failed), broken(2))
    assert.deepStrictEqual(phaseAfter(failed, failed, greeted), { _tag: "connected" })
    assert.deepStrictEqual(phaseAfter(failed, failed, greeted, failed), broken(1))
  })

  it("is heard only while it is broken, until it fails once more", () => {
    for (const before of [[], [greeted]]) {
      assert.deepStrictEqual(after(...before, heard), after(...before))
    }
    assert.isTrue(LinkState.wasHeard(after(failed, heard)))
    assert.isFalse(LinkState.wasHeard(after(failed, heard, failed)))
    assert.isFalse(LinkState.wasHeard(after(failed, heard, greeted)))
  })

  it("counts how often it was heard in vain, and no failure of a greeting that a write brought about", () => {
    assert.deepStrictEqual(phaseAfter(failed, heard, failed, heard, failed), broken(3, 2))
    assert.deepStrictEqual(phaseAfter(failed, heard, failed, greeted, failed), broken(1))
    assert.isTrue(LinkState.isWanted(after(failed, wanted)))
    assert.deepStrictEqual(phaseAfter(failed, wanted, failed), broken(1))
    assert.deepStrictEqual(after(greeted, wanted), after(greeted))
  })

  it("is greeted anew when another peer answers under its identity", () => {
    assert.deepStrictEqual(phaseAfter(greeted, doubted), { _tag: "unknown" })
    assert.deepStrictEqual(phaseAfter(failed, doubted), broken(1))
    assert.isFalse(after(greeted, doubted, greeted).returned)
  })

  it("has come back when it was broken, until somebody takes notice", () => {
    assert.isFalse(after(greeted).returned, "the first greeting is no return")
    assert.isFalse(after(greeted, greeted).returned)
    const back = [failed, greeted]
    assert.isTrue(after(...back).returned)
    assert.isTrue(after(...back, greeted).returned, "another greeting does not hide it")
    assert.isFalse(after(...back, { _tag: "noticed" }).returned)
  })

  it("has something to look for when a greeting or the log says so, until the backfill looks", () => {
    const [lacking, stirred, looking]: ReadonlyArray<Event> = [
      { _tag: "greeted", lacks: true },
      { _tag: "stirred" },
      { _tag: "looking" }
    ]
    assert.isDefined(lacking)
    assert.isDefined(stirred)
    assert.isDefined(looking)
    for (const event of [lacking, stirred]) {
      assert.isTrue(after(event).lacks)
      assert.isTrue(after(event, greeted).lacks, "a greeting that finds nothing new takes nothing back")
      assert.isFalse(after(event, looking).lacks)
      assert.isTrue(after(event, looking, event).lacks)
    }
  })

  it("knows whom it talks to also while that one is away", () => {
    const state = after({ _tag: "met", identity: ours }, greeted, failed)
    assert.strictEqual(state.identity, ours)
    assert.strictEqual(after({ _tag: "met", identity: original }, { _tag: "met", identity: ours }).identity, ours)
  })

  it("adds up what a peer acks, and believes what it says of itself", () => {
    const acked = after({ _tag: "acked", vector: vector(5) }, { _tag: "acked", vector: vector(3) })
    assert.deepStrictEqual(acked.vector, vector(5))
    const learned = LinkState.next(acked, { _tag: "learned", vector: vector(2) })
    assert.deepStrictEqual(learned.vector, vector(2), "it may have been put back to an older state")
  })

  it("counts what an original node took, and nothing for a node of ours, which tells it itself", () => {
    const took: Event = { _tag: "took", operations: vector(4) }
    const theirs = after({ _tag: "met", identity: original }, took)
    assert.deepStrictEqual(theirs.vector, vector(4))
    assert.isTrue(theirs.untold)
    assert.isFalse(LinkState.next(theirs, { _tag: "noting" }).untold)
    for (const before of [after(), after({ _tag: "met", identity: ours })]) {
      assert.strictEqual(LinkState.next(before, took), before)
    }
  })

  it("changes only the phase by what only changes the phase, whatever came before", () => {
    const event = FastCheck.constantFrom<Event>(
      greeted,
      { _tag: "greeted", lacks: true },
      failed,
      heard,
      { _tag: "met", identity: ours },
      { _tag: "met", identity: original },
      { _tag: "timed", seenClock: { wallMillis: 7, monotonicMillis: 0 }, isOff: false },
      { _tag: "learned", vector: vector(1) },
      { _tag: "acked", vector: vector(9) },
      { _tag: "took", operations: vector(2) },
      { _tag: "stirred" },
      { _tag: "looking" },
      { _tag: "noting" },
      { _tag: "noticed" }
    )
    FastCheck.assert(FastCheck.property(FastCheck.array(event, { maxLength: 30 }), (events) => {
      const state = after(...events)
      const { phase: _, ...kept } = state
      const { phase, ...others } = LinkState.next(state, failed)
      assert.deepStrictEqual(others, kept)
      assert.strictEqual(phase._tag, "broken")
      // It is open after a failure, closed otherwise; and the pause that grows with the failures has an end.
      const { failures } = LinkState.breakerOf(state)
      assert.strictEqual(failures > 0, LinkState.isBroken(state))
      assert.isAtMost(failures, 30)
      assert.strictEqual(LinkState.isConnected(state), state.phase._tag === "connected")
    }))
  })
})

describe("who waits for a state of a link", () => {
  it.effect("goes on at the event that makes it so, once, and never when it gave up", () =>
    Effect.gen(function*() {
      const machine = LinkState.make()
      const first = yield* Effect.fork(machine.until(LinkState.isConnected))
      const second = yield* Effect.fork(machine.until(LinkState.isConnected))
      const other = yield* Effect.fork(machine.until(LinkState.isBroken))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(second)
      machine.tell(greeted)
      yield* Fiber.join(first)
      assert.isNull(other.unsafePoll())
      machine.tell(failed)
      yield* Fiber.join(other)
      yield* machine.until(LinkState.isBroken)
    }))
})
