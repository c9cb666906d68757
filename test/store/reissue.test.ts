import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import { MAX_COVERS, MAX_FORMER_NAMES } from "../../src/domain/limits.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { linkId } from "../../src/replication/kinds.js"
import { Covers, encodeCovers, hashed, type Operation } from "../../src/replication/Operation.js"
import { ofLog } from "../../src/replication/Payload.js"
import { formerNames, formerOf, reissued, withoutNames } from "../../src/replication/reissue.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as governed from "../../src/store/deciding/governed.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memory } from "./memories.js"

type Store = MemoryStore.MemoryStore["Type"]

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-reissue-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const start = (nodeId: string, file: string, lines: Array<string> = []) =>
  Effect.map(
    Layer.build(
      MemoryStore.layer({ nodeId: Option.some(NodeId.make(nodeId)) }).pipe(
        Layer.provide(Sqlite.layer({ file })),
        Layer.provide([Layer.succeed(Uuid, { make: () => randomUUID() }), Metrics.layer]),
        Layer.provide(Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => lines.push(String(message)))))
      )
    ),
    (context) => Context.get(context, MemoryStore.MemoryStore)
  )

/** A node that was started before, so that a copy of its file may have written under its name. */
const startAgain = (lines?: Array<string>) =>
  Effect.gen(function*() {
    const file = join(yield* folder, "node.db")
    yield* Effect.scoped(start("me", file))
    return yield* start("me", file, lines)
  })

const other = Effect.flatMap(folder, (path) => start("other", join(path, "other.db")))

const put = (store: Store, id: string, content: string, key: string | null = null) =>
  store.commit((now) => {
    const held = now.byId(id)
    return Either.right({
      payload: { kind: "store", memory: { ...memory(id, id, now.stamp), content } },
      baseHlc: held?.version.hlc ?? null,
      covers: held === null ? [] : [held.version]
    })
  }, key === null ? null : { keyHash: key.repeat(64), requestHash: key.repeat(64) })

const end = (store: Store, id: string) =>
  store.commit((now) => {
    const held = now.byId(id)
    assert.isNotNull(held)
    return Either.right({
      payload: { kind: "delete", entity: id },
      baseHlc: held.version.hlc,
      covers: [held.version]
    })
  }, null)

const receive = (store: Store, ...operations: ReadonlyArray<Operation>) =>
  Effect.map(
    store.receive(operations.map((operation) => ({ operation, payload: ofLog(operation) }))),
    (receipts) => receipts.map(({ result, why }) => why === undefined ? result : why.split(":")[0] ?? result)
  )

/** What the run before wrote under the same name, as its peers hold it. */
const elsewhere = (operation: Operation, id: string): Operation => {
  const written = memory(id, id, operation.hlc)
  const { hash: _, ...parts } = operation
  return hashed({
    ...parts,
    opId: OpId.make(randomUUID()),
    kind: "store",
    entity: id,
    body: JSON.stringify(written),
    baseHlc: null,
    covers: [],
    idempotency: null
  })
}

const logOf = (store: Store) =>
  Effect.map(
    Effect.forEach(rangesOf(store), (range) => store.operations(range, 1000)),
    (found) => found.flat()
  )
const rangesOf = (store: Store) => VersionVector.missing(store.vector(), VersionVector.empty)

const facts = (store: Store) => ({ vector: VersionVector.toJson(store.vector()), digest: store.digest() })

const shuffled = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.map((item) => ({ item, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ item }) => item)

describe("a name that was used twice", () => {
  it.scopedLive("is given up also by an operation that ends as much as one can, and others take it", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const ended = (at: number) => ({ id: `e${at}`, hlc: Stamp.fromMillis(at), origin: Origin.make("they/1") })
      const { operation: ours } = yield* me.commit(
        () =>
          Either.right({
            payload: { kind: "delete", entity: "a" },
            baseHlc: null,
            covers: Array.from({ length: MAX_COVERS }, (_, at) => ended(at))
          }),
        null
      )
      assert.deepStrictEqual(yield* receive(me, elsewhere(ours, "b")), ["applied"])
      const [again] = yield* me.operations({ origin: me.origin(), from: 1, to: 1 }, 1)
      assert.isDefined(again)
      assert.lengthOf(again.covers, MAX_COVERS + 1)
      assert.deepStrictEqual(yield* receive(yield* other, again), ["applied"])
      const wire = Schema.decodeUnknownSync(Schema.parseJson(PeerApi.WireOperation))(
        `${PeerApi.write(again).text},"ref":"1"}`
      )
      assert.lengthOf(wire.covers, MAX_COVERS + 1)
    }))

  it.scopedLive("gives way to the operation that others hold: this node's is written again, under a new incarnation", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const me = yield* startAgain(lines)
      const { operation: ours } = yield* put(me, "a", "ours", "1")
      const theirs = elsewhere(ours, "b")
      let told = 0
      yield* me.meet({ rewritten: () => void told++ })
      assert.deepStrictEqual(yield* receive(me, theirs), ["applied"])
      const origin = me.origin()
      assert.notStrictEqual(origin, ours.origin)
      assert.deepStrictEqual(VersionVector.toJson(me.vector()), { [ours.origin]: 1, [origin]: 1 })
      const [again] = yield* me.operations({ origin, from: 1, to: 1 }, 1)
      assert.deepInclude(again, { opId: ours.opId, hlc: ours.hlc, body: ours.body, idempotency: ours.idempotency })
      assert.deepStrictEqual(formerNames(again ?? ours), [{ origin: ours.origin, oseq: 1 }])
      const [held] = yield* me.operations({ origin: ours.origin, from: 1, to: 1 }, 1)
      assert.strictEqual(held?.hash, theirs.hash)
      assert.strictEqual(told, 1)
      assert.include(lines.join("\n"), "was used twice")

      const repeated = yield* put(me, "a", "ours", "1")
      assert.deepStrictEqual([repeated.repeated, repeated.operation.opId], [true, ours.opId])
      const fresh = yield* other
      yield* receive(fresh, ...shuffled(yield* logOf(me)))
      assert.deepStrictEqual(facts(fresh), facts(me))
    }))

  it.scopedLive("is given up when a peer says so, and for that very operation only", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const { operation: first } = yield* put(me, "a", "first")
      const { operation: second } = yield* put(me, "b", "second")
      assert.deepStrictEqual(yield* me.reissue([{ ...second, hash: first.hash }]), [])
      assert.strictEqual(me.origin(), first.origin)
      assert.deepStrictEqual(yield* me.reissue([second]), [])
      assert.notStrictEqual(me.origin(), first.origin)
      assert.deepStrictEqual(VersionVector.toJson(me.vector()), { [first.origin]: 1, [me.origin()]: 1 })
      const third = (yield* put(me, "c", "third")).operation
      assert.deepStrictEqual(yield* me.reissue([third]), [third], "nobody else can have used that name")
    }))

  it.scopedLive("brings nothing back that was ended since, also where that was not heard of", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const { operation: written } = yield* put(me, "a", "written")
      const { operation: edited } = yield* put(me, "a", "edited")
      const { operation: doomed } = yield* put(me, "d", "doomed")
      yield* end(me, "d")
      assert.deepStrictEqual(yield* receive(me, elsewhere(doomed, "x"), elsewhere(written, "y")), [
        "applied",
        "applied"
      ])
      const seen = yield* me.commitAll((batch) => {
        const now = batch.now()
        const held = now.byId("a")
        return Either.right([held?.memory.content, held === null ? 0 : now.endable(held).length, now.byId("d")])
      }, null)
      assert.deepStrictEqual(Option.getOrThrow(seen.answer), ["edited", 1, null])
      assert.isTrue(edited.hlc > written.hlc)
      for (let round = 0; round < 5; round++) {
        const fresh = yield* other
        yield* receive(fresh, ...shuffled(yield* logOf(me)))
        assert.deepStrictEqual(facts(fresh), facts(me))
      }
    }))

  it.scopedLive("brings nothing back that somebody ended who knew it under its former name, in whatever order that is heard", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const { operation: ours } = yield* put(me, "a", "ours")
      const { operation: keyed } = yield* put(me, "k", "keyed", "1")
      const ender = yield* other
      yield* receive(ender, ours, keyed)
      const ends = [(yield* end(ender, "a")).operation, (yield* end(ender, "k")).operation]
      // It has not heard of that.
      yield* receive(me, elsewhere(ours, "x"), elsewhere(keyed, "y"))
      const log = yield* logOf(me)
      const again = log.filter(({ origin }) => origin === me.origin())
      assert.strictEqual(again.length, 2)
      const gone = (store: Store) =>
        Effect.map(
          store.commitAll((batch) => Either.right([batch.now().byId("a"), batch.now().byId("k")]), null),
          ({ answer }) => assert.deepStrictEqual(Option.getOrThrow(answer), [null, null])
        )
      yield* receive(ender, ...again, ...log)
      yield* gone(ender)
      yield* receive(me, ...ends)
      yield* gone(me)
      assert.deepStrictEqual(facts(ender), facts(me))
      for (let round = 0; round < 8; round++) {
        const fresh = yield* other
        yield* receive(fresh, ...shuffled([...log, ...ends]))
        yield* gone(fresh)
        assert.deepStrictEqual(facts(fresh), facts(me))
      }
    }))

  it.scopedLive("is let go of by others, too, whichever of the two they hear of first", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const { operation: ours } = yield* put(me, "a", "ours")
      const theirs = elsewhere(ours, "b")
      const [early, late] = [yield* other, yield* other]
      yield* receive(early, ours)
      assert.deepStrictEqual(yield* receive(early, theirs), ["origin_reused"])
      yield* receive(me, theirs)
      const [again] = yield* me.operations({ origin: me.origin(), from: 1, to: 1 }, 1)
      if (again === undefined) return assert.fail("it was not written again")

      assert.deepStrictEqual(yield* receive(early, again, theirs), ["applied", "applied"])
      assert.deepStrictEqual(yield* receive(late, again, ours, theirs), ["applied", "withdrawn", "applied"])
      assert.deepStrictEqual(yield* receive(early, ours), ["withdrawn"])
      assert.deepStrictEqual(yield* receive(me, ours), ["withdrawn"])
      assert.deepStrictEqual(facts(early), facts(me))
      assert.deepStrictEqual(facts(late), facts(me))
    }))

  it.scopedLive("is a link's, a standard's or an action's as well", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const early = yield* other
      const link = { source_id: "a", target_id: "b", relation: "related_to" as const }
      const written = yield* me.commitAll((batch) => {
        const { stamp } = batch.now()
        const write = (payload: MemoryStore.Decision["payload"]) => batch.write({ payload, baseHlc: null, covers: [] })
        write({ kind: "link", link: { ...link, created_at: stamp } })
        const meta = { namespace: "n", standard_id: "a", parent_namespace: null, updated_at: stamp }
        write({ kind: "namespace_meta", meta })
        const asked = memory("m", "m", stamp)
        write({
          kind: "pending",
          action: {
            id: "p",
            action_type: "store",
            memory_id: null,
            namespace: asked.namespace,
            payload: asked,
            requested_by: "me",
            requested_at: stamp,
            status: "pending",
            approvals: []
          }
        })
        const decision = { id: "p", approved: true, decider: "me", decided_at: stamp }
        const stored = { ...asked, id: governed.memoryIdOf("p"), updated_at: batch.now().stamp }
        write({ kind: "decision", decision: { ...decision, memory: stored } })
        return Either.right(null)
      }, null)
      yield* receive(early, ...written.written.map(({ operation }) => operation))
      const ended = yield* me.commitAll((batch) => {
        const covers = batch.now().versions("link", linkId(link)).map(({ ref }) => ref)
        batch.write({ payload: { kind: "unlink", entity: linkId(link) }, baseHlc: null, covers })
        return Either.right(null)
      }, null)
      assert.strictEqual(ended.written.length, 1)
      const collided = written.written.map(({ operation }, index) => elsewhere(operation, `x${index}`))
      assert.deepStrictEqual(yield* receive(me, ...collided), ["applied", "applied", "applied", "applied"])
      const log = yield* logOf(me)
      assert.deepStrictEqual(log.map(({ kind }) => kind).sort(), [
        "decision",
        "link",
        "namespace_meta",
        "pending",
        "store",
        "store",
        "store",
        "store",
        "unlink",
        "unlink"
      ])
      const fresh = yield* other
      yield* receive(fresh, ...shuffled(log))
      yield* receive(early, ...log.filter(({ origin }) => origin === me.origin()), ...log)
      assert.deepStrictEqual(facts(fresh), facts(me))
      assert.deepStrictEqual(facts(early), facts(me))
    }))

  it.scopedLive("tells a node that was put back that it was, also where it holds nothing under it", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const { operation: ours } = yield* put(me, "a", "ours")
      assert.deepStrictEqual(yield* receive(me, elsewhere({ ...ours, oseq: 3 }, "b")), ["applied"])
      assert.notStrictEqual(me.origin(), ours.origin)
      assert.deepStrictEqual(VersionVector.toJson(me.vector()), { [ours.origin]: [1, [3, 3]] })
      const forged = elsewhere({ ...ours, origin: me.origin() }, "c")
      assert.deepStrictEqual(yield* receive(me, forged), ["origin_reused"])
    }))
})

describe("the first write after a start", () => {
  it.scopedLive("waits for the word of the peers, and keeps its name when they all have given it", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      const before = me.origin()
      yield* me.meet({ rewritten: () => {} })
      const writing = yield* Effect.fork(put(me, "a", "first"))
      yield* Effect.sleep("100 millis")
      assert.strictEqual(me.vector().size, 0)
      yield* me.met
      assert.strictEqual((yield* Fiber.join(writing)).operation.origin, before)
    }))

  it.scopedLive("goes under a new incarnation when they do not, after a second, and no later one waits", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const me = yield* startAgain(lines)
      const before = me.origin()
      yield* me.meet({ rewritten: () => {} })
      const [took, first] = yield* Effect.timed(put(me, "a", "first"))
      assert.notStrictEqual(first.operation.origin, before)
      assert.isAtLeast(Duration.toMillis(took), 990)
      const [then, second] = yield* Effect.timed(put(me, "b", "second"))
      assert.strictEqual(second.operation.origin, first.operation.origin)
      assert.isBelow(Duration.toMillis(then), 900)
      assert.include(lines.join("\n"), "not all peers were heard in time")
    }))

  it.scopedLive("of a file that was put back waits for what was written since, when its peers have it", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      yield* me.meet({ rewritten: () => {} })
      assert.isTrue(yield* me.renewWhenBehind(VersionVector.add(VersionVector.empty, me.origin(), 1)))
      yield* me.met
      const writing = yield* Effect.fork(put(me, "a", "first"))
      yield* Effect.sleep("100 millis")
      assert.strictEqual(me.vector().size, 0)
      yield* me.caughtUp
      yield* Fiber.join(writing)
      assert.strictEqual(me.vector().size, 1)
    }))

  it.scopedLive("of such a file does not wait for longer than a second after the start, nor does a later one", () =>
    Effect.gen(function*() {
      const me = yield* startAgain()
      yield* me.meet({ rewritten: () => {} })
      yield* me.renewWhenBehind(VersionVector.add(VersionVector.empty, me.origin(), 1))
      yield* me.met
      const [took] = yield* Effect.timed(put(me, "a", "first"))
      assert.isAtLeast(Duration.toMillis(took), 900)
      assert.isBelow(Duration.toMillis(took), 1500)
      const [then] = yield* Effect.timed(put(me, "b", "second"))
      assert.isBelow(Duration.toMillis(then), 900)
    }))

  it.scopedLive("does not wait where nobody can have used its name", () =>
    Effect.gen(function*() {
      const me = yield* other
      const before = me.origin()
      yield* me.meet({ rewritten: () => {} })
      assert.strictEqual((yield* put(me, "a", "first")).operation.origin, before)
    }))
})

describe("an operation under another name", () => {
  const operation = (oseq: number): Operation =>
    hashed({
      format: 2,
      opId: OpId.make("op"),
      origin: Origin.make("me/1"),
      oseq,
      hlc: "2026-01-01T00:00:00.000000000+00:00" as Operation["hlc"],
      kind: "delete",
      entity: "a",
      body: null,
      baseHlc: null,
      covers: [{
        id: "me/1 7",
        hlc: "2026-01-01T00:00:00.000000000+00:00" as Operation["hlc"],
        origin: Origin.make("me/1")
      }],
      idempotency: null
    })

  it("knows all that it had before, and ends what it ended", () => {
    const first = operation(9_007_199_254_740_991)
    const third = reissued(reissued(first, { origin: Origin.make("me/2"), oseq: 1 }), {
      origin: Origin.make("me/3"),
      oseq: 2
    })
    assert.deepStrictEqual(formerNames(third), [
      { origin: Origin.make("me/2"), oseq: 1 },
      { origin: Origin.make("me/1"), oseq: 9_007_199_254_740_991 }
    ])
    assert.deepStrictEqual(withoutNames(third).covers, first.covers)
    assert.deepStrictEqual(formerNames(first), [])
  })

  it("tells no more of them than peers take, the first among them", () => {
    const [ended] = operation(1).covers
    assert.isDefined(ended)
    let latest: Operation = { ...operation(1), covers: Array.from({ length: MAX_COVERS }, () => ended) }
    for (let oseq = 1; oseq <= 2 * MAX_FORMER_NAMES; oseq++) {
      latest = reissued(latest, { origin: Origin.make("me/2"), oseq })
    }
    assert.lengthOf(
      Schema.decodeUnknownSync(Schema.parseJson(Covers))(encodeCovers(latest.covers)),
      latest.covers.length
    )
    const names = formerNames(latest)
    assert.lengthOf(names, MAX_FORMER_NAMES)
    assert.deepStrictEqual(names[0], { origin: Origin.make("me/2"), oseq: 2 * MAX_FORMER_NAMES - 1 })
    assert.deepStrictEqual(names.at(-1), { origin: Origin.make("me/1"), oseq: 1 })
    assert.strictEqual(
      formerOf(latest)?.key,
      formerOf(reissued(operation(1), { origin: Origin.make("b/1"), oseq: 1 }))?.key
    )
    assert.lengthOf(withoutNames(latest).covers, MAX_COVERS)
  })
})
