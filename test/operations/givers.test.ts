import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { NodeId, PeerUrl } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import type { PeerLink } from "../../src/federation/Federation.js"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import type * as vectors from "../../src/federation/wire/vectors.js"
import { elapsedMillis } from "../../src/operations/recall/elapsedMillis.js"
import * as Givers from "../../src/operations/recall/Givers.js"
import * as VersionVector from "../../src/replication/VersionVector.js"

const SPACE = { id: "model@2", dimensions: 2 }
const FITTING: vectors.Answer = { embedder: SPACE.id, dimensions: 2, looked: 1, memories: [] }
const node = (name: string) => NodeId.make(name)

/** A peer that is as it is told to be. */
const peer = (name: string) => {
  let phase: "unknown" | "connected" | "broken" = "connected"
  let capabilities: ReadonlyArray<string> = ["vectors"]
  let run = "1"
  let answer: Effect.Effect<vectors.Answer, PeerFailed> = Effect.succeed(FITTING)
  let asked = 0
  const unused = () => Effect.dieMessage("nobody does that")
  const hello = () => ({
    ...{ protocol: 2, node_id: node(name), incarnation: 1, version: "1", vector: VersionVector.empty, run },
    ...{ capabilities, limits: { operations: 1, bytes: 1 }, wall_clock: Stamp.fromMillis(0) }
  })
  const about = { url: PeerUrl.make(`http://${name}`), name }
  const link: PeerLink = {
    peer: about,
    client: {
      ...{
        peer: about,
        hello: unused(),
        push: unused,
        restate: unused,
        since: unused,
        rows: unused,
        digests: unused(),
        revocations: unused
      },
      vectors: () =>
        Effect.suspend(() => {
          asked += 1
          return answer
        })
    },
    ...{ send: unused, holds: () => false, redeliver: unused, heard: () => {}, doubt: () => {}, took: () => {} },
    ...{ restate: unused, catchUp: () => {}, refresh: Effect.void, returned: Effect.void, skewMillis: () => null },
    takeApart: () => false,
    status: () => ({
      ...{ phase, protocol: 2, breaker: { failures: 0 }, cause: undefined, vector: VersionVector.empty, queued: 0 },
      identity: { kind: "quorate", peerId: node(name), hello: hello() }
    })
  }
  return {
    link,
    asked: () => asked,
    isIn: (next: typeof phase) => {
      phase = next
    },
    says: (next: ReadonlyArray<string>) => {
      capabilities = next
    },
    isAnew: () => {
      run += "1"
    },
    answers: (next: typeof answer) => {
      answer = next
    }
  }
}

const failing = (reason: PeerFailed["reason"]) => Effect.fail(new PeerFailed({ peer: "a", reason, detail: "d" }))

describe("who goes first in making vectors", () => {
  const mesh = () => {
    const [a, b, d] = [peer("a"), peer("b"), peer("d")]
    return { a, b, d, givers: Givers.make(node("c"), [a.link, b.link, d.link]) }
  }

  it("is who wrote it, then all others by their ids, and nobody waits for more than two", () => {
    const { a, d, givers } = mesh()
    assert.deepStrictEqual([givers.place(node("d")), givers.place(node("a"))], [2, 2])
    a.isIn("broken")
    assert.deepStrictEqual([givers.place(node("d")), givers.place(node("a"))], [2, 2])
    d.isIn("broken")
    assert.strictEqual(givers.place(node("b")), 1)
    assert.strictEqual(givers.place(node("elsewhere")), 2, "behind it and b")
  })

  it("is not who has none, or those of another model", () => {
    const { a, b, givers } = mesh()
    a.says([])
    assert.strictEqual(givers.place(node("a")), 1, "behind b")
    b.says([])
    assert.strictEqual(givers.place(node("a")), 0)
    assert.strictEqual(givers.place(node("d")), 1)
  })
})

describe("whom a node asks for vectors", () => {
  const namesOf = (givers: ReadonlyArray<Givers.Giver>) => givers.map(({ name }) => name)
  const mesh = () => {
    const [a, b] = [peer("a"), peer("b")]
    return { a, b, givers: Givers.make(node("c"), [a.link, b.link]) }
  }

  it("is who wrote it, and all who may have some where that one gives none", () => {
    const { a, b, givers } = mesh()
    assert.deepStrictEqual(namesOf(givers.of(node("a"), false, 0)), ["a"])
    assert.deepStrictEqual(namesOf(givers.of(node("a"), true, 0)), ["a", "b"])
    assert.deepStrictEqual(namesOf(givers.of(node("elsewhere"), false, 0)), ["a", "b"])
    a.isIn("broken")
    assert.deepStrictEqual(namesOf(givers.of(node("a"), false, 0)), ["b"])
    b.says(["store"])
    assert.deepStrictEqual(namesOf(givers.of(node("a"), false, 0)), [])
  })

  const useless: ReadonlyArray<readonly [what: string, answer: Effect.Effect<vectors.Answer, PeerFailed>]> = [
    ["another model", Effect.succeed({ ...FITTING, embedder: "other@2" })],
    ["other dimensions", Effect.succeed({ ...FITTING, dimensions: 3 })],
    ["that it has none", Effect.succeed({ ...FITTING, embedder: "", dimensions: 0 })],
    ["garbage", failing("malformed")],
    ["that the question is wrong", failing("refused")],
    ["that there is no such route", failing("status")]
  ]
  it.effect.each(useless)(
    "is not for a minute who answers %s, unless it is started anew",
    ([, answer]) =>
      Effect.gen(function*() {
        const { a, givers } = mesh()
        const asked = () => Effect.map(elapsedMillis, (now) => namesOf(givers.of(node("a"), false, now)))
        a.answers(answer)
        const [giver] = givers.of(node("a"), false, 0)
        assert.deepStrictEqual(yield* giver?.ask(SPACE, ["m"]) ?? Effect.succeed(null), { looked: 0, memories: [] })
        assert.deepStrictEqual(yield* asked(), ["b"])
        assert.strictEqual(givers.place(node("a")), 1, "behind b alone")
        yield* TestClock.adjust("59 seconds")
        assert.deepStrictEqual(yield* asked(), ["b"])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* asked(), ["a", "b"], "and b, as a may be as before")
        a.answers(Effect.succeed(FITTING))
        yield* giver?.ask(SPACE, ["m"]) ?? Effect.void
        assert.deepStrictEqual(yield* asked(), ["a"])
        a.answers(answer)
        yield* giver?.ask(SPACE, ["m"]) ?? Effect.void
        a.isAnew()
        assert.deepStrictEqual(yield* asked(), ["a"])
      })
  )

  it.effect("is still who does not answer, or can not now", () =>
    Effect.gen(function*() {
      const { a, givers } = mesh()
      for (const reason of ["timeout", "network", "overloaded"] as const) {
        a.answers(failing(reason))
        const [giver] = givers.of(node("a"), false, 0)
        assert.deepStrictEqual(yield* giver?.ask(SPACE, ["m"]) ?? Effect.succeed(null), { looked: 0, memories: [] })
        assert.deepStrictEqual(namesOf(givers.of(node("a"), false, 0)), ["a"])
      }
      assert.strictEqual(a.asked(), 3)
    }))
})
