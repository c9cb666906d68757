import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { NodeId } from "../../src/domain/ids.js"
import { Federation, QuorumNotMet, type Verdict } from "../../src/federation/Federation.js"
import * as RecentTraces from "../../src/federation/RecentTraces.js"
import { archival } from "../../src/operations/archive/archival.js"
import { listArchive } from "../../src/operations/archive/listArchive.js"
import { ReadFailed } from "../../src/operations/errors.js"
import { bulk } from "../../src/operations/memories/bulk.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { idempotencyOf } from "../../src/operations/writing/caller.js"
import { inChunks, MAX_CHUNK } from "../../src/operations/writing/inChunks.js"
import type { Operation } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import { type Batch, MemoryStore } from "../../src/store/MemoryStore.js"
import { SweepReader } from "../../src/store/read/SweepReader.js"
import * as Node from "./node.js"

const ME = NodeId.make("node")
const PEER_A = NodeId.make("a")
const PEER_B = NodeId.make("b")

const fill = (from: number, count: number) =>
  bulk(Array.from({ length: count }, (_, at) => ({ title: `${from + at}`, content: "c" })), Node.anonymous)

/** Archives everything, and may break off on the way. */
const archiveAll = (options: {
  readonly key?: string
  readonly request?: string
  readonly breakAfter?: number
}) =>
  Effect.gen(function*() {
    const reader = yield* SweepReader
    const all = (upTo: number) => Stream.rechunk(reader.matching({ upTo }), MAX_CHUNK)
    const broken = Stream.fail(new ReadFailed({ cause: "broken" }))
    const { breakAfter, key, request = "all" } = options
    return yield* inChunks({
      idempotency: idempotencyOf(key === undefined ? Node.anonymous : Node.keyed(key), [request]),
      items: ({ position }) =>
        breakAfter === undefined ? all(position) : Stream.concat(Stream.take(all(position), breakAfter), broken),
      write: (batch: Batch, { id }) => {
        const now = batch.now()
        const held = now.byId(id)
        if (held !== null) batch.write(archival(now, held, "r"))
      }
    })
  })

const archivedCount = Effect.map(listArchive({ limit: 1000 }), (found) => found.length)

describe("inChunks", () => {
  it.live("writes any number, in transactions of a bounded size", () =>
    Effect.gen(function*() {
      yield* fill(0, 600)
      const done = yield* archiveAll({})
      assert.deepStrictEqual([done.count, done.acks, done.ackedBy], [600, 1, ["node"]])
      assert.strictEqual(yield* archivedCount, 600)
      assert.strictEqual((yield* archiveAll({})).count, 0)
    }).pipe(Effect.provide(Node.layer())))

  it.live("goes on where an earlier request with the same key broke off, with what was there then", () =>
    Effect.gen(function*() {
      yield* fill(0, 600)
      const broken = yield* Effect.flip(archiveAll({ key: "k", breakAfter: 250 }))
      assert.strictEqual(broken._tag, "ReadFailed")
      assert.strictEqual(yield* archivedCount, 250)
      yield* fill(1000, 3)
      assert.strictEqual((yield* archiveAll({ key: "k" })).count, 600)
      assert.strictEqual(yield* archivedCount, 600)
      const before = (yield* MemoryStore).vector()
      assert.strictEqual((yield* archiveAll({ key: "k" })).count, 600)
      assert.strictEqual((yield* MemoryStore).vector(), before)
      assert.lengthOf(yield* listMemories({ limit: 1000 }), 3)
      const other = yield* Effect.flip(archiveAll({ key: "k", request: "other" }))
      assert.strictEqual(other._tag, "KeyReused")
    }).pipe(Effect.provide(Node.layer())))

  it.live("does not stop at a chunk that misses its quorum, and tells of the first one", () =>
    Effect.gen(function*() {
      yield* fill(0, 600)
      const asked: Array<number> = []
      const missed = (op: Operation) =>
        new QuorumNotMet({ opId: op.opId, got: 1, needed: 2, reason: "timeout", ackedBy: [ME], peers: [] })
      const acknowledged = (op: Operation, peer: NodeId) => ({ opId: op.opId, acks: 2, ackedBy: [ME, peer] })
      const flaky = Layer.mock(Federation, {
        policy: Option.none(),
        links: [],
        catchUp: Effect.void,
        heard: () => Effect.void,
        run: "one",
        start: { isOver: () => true, end: () => {} },
        clockSkew: () => null,
        isDouble: () => false,
        traces: RecentTraces.make(),
        replicateAll: (operations) =>
          Effect.sync(() => {
            asked.push(operations.length)
            return operations.map((op, at): Verdict =>
              asked.length === 2 && at === 3 ? Either.left(missed(op)) : Either.right(acknowledged(op, PEER_A))
            )
          })
      })
      const error = yield* Effect.flip(Effect.provide(archiveAll({}), flaky))
      assert.strictEqual(error._tag, "QuorumNotMet")
      // A transaction holds up everybody else.
      assert.isAtMost(MAX_CHUNK, 50)
      assert.deepStrictEqual(asked, Array.from({ length: 12 }, () => MAX_CHUNK))
      assert.strictEqual(yield* archivedCount, 600)
    }).pipe(Effect.provide(Node.layer())))

  it.live("names the nodes that hold all of it", () =>
    Effect.gen(function*() {
      yield* fill(0, 300)
      let asked = 0
      const changing = Layer.mock(Federation, {
        policy: Option.none(),
        links: [],
        catchUp: Effect.void,
        heard: () => Effect.void,
        run: "one",
        start: { isOver: () => true, end: () => {} },
        clockSkew: () => null,
        isDouble: () => false,
        traces: RecentTraces.make(),
        replicateAll: (operations) =>
          Effect.sync(() => {
            asked += 1
            const peers = asked === 1 ? [PEER_A, PEER_B] : [PEER_B]
            return operations.map(({ opId }): Verdict =>
              Either.right({ opId, acks: 1 + peers.length, ackedBy: [ME, ...peers] })
            )
          })
      })
      const done = yield* Effect.provide(archiveAll({}), changing)
      assert.deepStrictEqual([done.count, done.acks, done.ackedBy], [300, 2, ["node", "b"]])
    }).pipe(Effect.provide(Node.layer())))
})

describe("bulk", () => {
  const rows = [
    { title: "a", content: "a" },
    { title: "b", content: "" },
    { title: "a", content: "beside" },
    { title: "c", content: "c", on_conflict: "error" },
    { title: "d", content: "d", on_conflict: "version" }
  ]

  it.live("comes to the same memories on whichever node it is sent to again", () =>
    Effect.gen(function*() {
      const first = yield* Effect.gen(function*() {
        const store = yield* MemoryStore
        const answer = yield* bulk(rows, Node.keyed("k"))
        const operations = yield* store.operations({ origin: store.origin(), from: 1, to: 100 }, 100)
        return { answer, operations }
      }).pipe(Effect.provide(Node.layer("one")))
      assert.lengthOf(first.answer.ids, 4)
      assert.deepStrictEqual(
        first.answer.renamed.map(({ id, index, title }) => [index, id, title]),
        [[2, first.answer.ids[1], "a (2)"]]
      )
      assert.deepStrictEqual(first.answer.errors, [{ index: 1, error: "content must not be blank" }])

      const alone = yield* bulk(rows, Node.keyed("k")).pipe(Effect.provide(Node.layer("two")))
      assert.deepStrictEqual(alone, first.answer, "also where nothing of it has arrived")

      yield* Effect.gen(function*() {
        const store = yield* MemoryStore
        const receive = (from: number, to: number) =>
          store.receive(
            first.operations.slice(from, to).map((operation) => ({ operation, payload: Payload.ofLog(operation) }))
          )
        yield* receive(0, 2)
        const part = yield* bulk(rows, Node.keyed("k"))
        assert.deepStrictEqual(part.ids, first.answer.ids.slice(0, 2))
        assert.deepStrictEqual(part.errors.map(({ index }) => index), [1, 3, 4])
        assert.match(part.errors[1]?.error ?? "", /not yet known to this node/)
        yield* receive(3, 4)
        yield* receive(2, 3)
        assert.deepStrictEqual(yield* bulk(rows, Node.keyed("k")), first.answer)
        assert.lengthOf(yield* listMemories({}), 4)
      }).pipe(Effect.provide(Node.layer("three")))
    }))
})
