import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { linkId } from "../../src/replication/kinds.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MAX_QUEUED } from "../../src/store/log/Committer.js"
import * as Digest from "../../src/store/log/Digest.js"
import { migrations } from "../../src/store/log/migrations.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { engine } from "../http/engine.js"
import { historyOf, type Step } from "./histories.js"
import * as index from "./index.js"
import { memory } from "./memories.js"
import { model } from "./model.js"
import * as Node from "./node.js"
import * as SiteLog from "./siteLog.js"

let minted = 0
const uuid = Layer.succeed(Uuid, { make: () => `uuid-${++minted}` })

const storeIn = (file: string, nodeId = "me") =>
  Layer.provideMerge(
    MemoryStore.layer({ nodeId: Option.some(NodeId.make(nodeId)) }),
    Layer.mergeAll(Sqlite.layer({ file }), uuid, Metrics.layer, SiteLog.layer(file, nodeId))
  )

const storing = (title: string) => (now: MemoryStore.Transaction) =>
  Either.right<MemoryStore.Decision>({
    payload: { kind: "store", memory: memory(title, title, now.stamp) },
    baseHlc: null,
    covers: []
  })

const count = (table: string) =>
  Effect.map(Sqlite.Sqlite, ({ writer }) => Number(writer.prepare(`SELECT count(*) FROM ${table}`).pluck().get()))

/** A folder that goes with the scope. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-store-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

describe("Sqlite", () => {
  it.scoped("is durable: FULL is set after WAL and read back", () =>
    Effect.gen(function*() {
      const { writer } = yield* Sqlite.Sqlite
      assert.strictEqual(writer.pragma("synchronous", { simple: true }), 2)
      assert.strictEqual(writer.pragma("journal_mode", { simple: true }), "wal")
      assert.strictEqual(writer.pragma("foreign_keys", { simple: true }), 1)
    }).pipe(Effect.provide(Sqlite.layer({ file: ":memory:" }))))

  const refusal = (file: string) =>
    Effect.scoped(Layer.build(Sqlite.layer({ file }))).pipe(Effect.flip, Effect.map((error) => error.message))

  it.scoped("refuses what is no database, another program's, and a newer version's, and changes none of them", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const text = join(path, "text.db")
      writeFileSync(text, "this is not a database, only a long enough text to look at".repeat(100))
      assert.include(yield* refusal(text), "cannot be read as a SQLite database")

      const foreign = join(path, "foreign.db")
      new Database(foreign).exec("CREATE TABLE theirs (x)").close()
      assert.include(yield* refusal(foreign), "not one of Quorate's")
      const tables = new Database(foreign).prepare("SELECT name FROM sqlite_schema").pluck().all()
      assert.deepStrictEqual(tables, ["theirs"])

      const newer = join(path, "newer.db")
      yield* Effect.scoped(Layer.build(Sqlite.layer({ file: newer })))
      new Database(newer).exec("INSERT INTO effect_sql_migrations (migration_id, name) VALUES (9999, 'future')").close()
      assert.include(yield* refusal(newer), "newer version (schema 9999")
    }))

  it.scoped("says of a file that can not be used what is wrong with it, and blames no other daemon", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const garbled = join(path, "garbled.db")
      writeFileSync(`${garbled}-lock`, "this is no lock".repeat(100))
      const told = yield* refusal(garbled)
      assert.include(told, `${garbled}-lock: this file beside the database holds the lock on it`)
      assert.notInclude(told, "another daemon")
      assert.include(yield* refusal(path), "it is a folder")
      assert.include(yield* refusal(join(path, "no", "such.db")), `its folder ${join(path, "no")} does not exist`)
      assert.notInclude(yield* refusal("/sys/quorate.db"), "another daemon")

      const held = join(path, "held.db")
      yield* Effect.scoped(Layer.build(Sqlite.layer({ file: held })))
      const other = new Database(held)
      other.pragma("locking_mode = EXCLUSIVE")
      other.exec("BEGIN EXCLUSIVE")
      assert.include(yield* refusal(held), "another program holds it locked")
      other.close()
    }))

  it.scoped("lets one node use a file, and the next one when it has ended", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "shared.db")
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Layer.build(Sqlite.layer({ file }))
        assert.include(yield* refusal(file), "another daemon is using it")
      }))
      yield* Effect.scoped(Layer.build(Sqlite.layer({ file })))
    }))
})

describe("MemoryStore", () => {
  it.live("commits what waits together, each write in a savepoint of its own", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const results = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => index),
        (index) =>
          Effect.exit(store.commit<string>(index === 7 ? () => Either.left("no") : storing(`m${index}`), null)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(results.filter(Exit.isSuccess).length, 19)
      assert.deepStrictEqual(results[7], Exit.fail("no"))
      assert.strictEqual(yield* count("memories"), 19)
      assert.strictEqual(yield* count("oplog"), 19)
      assert.strictEqual(VersionVector.upto(store.vector(), store.origin()), 19)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("fails the one write that breaks a constraint, or a decision that throws, and no other", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      writer.exec(`CREATE TRIGGER bad BEFORE INSERT ON memories WHEN new.title = 'bad'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
      const commits = ["good", "bad", "throws", "better"].map((title) =>
        Effect.exit(store.commit(title === "throws" ? () => assert.fail("a bug") : storing(title), null))
      )
      const [good, bad, thrown, better] = yield* Effect.all(commits, { concurrency: "unbounded" })
      assert.deepStrictEqual([good?._tag, better?._tag], ["Success", "Success"])
      assert.include(String(bad), "LocalWriteFailed")
      assert.include(String(thrown), "a bug")
      assert.strictEqual(yield* count("oplog"), 2)
      assert.strictEqual(VersionVector.upto(store.vector(), store.origin()), 2, "dense: a failed write took no number")
      index.check(writer)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("refuses more waiting writes than its bound, before anything is written", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const exits = yield* Effect.forEach(
        Array.from({ length: MAX_QUEUED + 10 }, (_, index) => index),
        (index) => Effect.exit(store.commit(storing(`m${index}`), null)),
        { concurrency: "unbounded" }
      )
      const refused = exits.filter(Exit.isFailure)
      // One that asks a store waits no more.
      const underWay = engine === "sqlite" ? 0 : 1
      assert.strictEqual(refused.length, 10 - underWay)
      assert.include(String(refused[0]), "Overloaded")
      assert.strictEqual(yield* count("memories"), MAX_QUEUED + underWay)
    }).pipe(Effect.provide(storeIn(":memory:"))), 60_000)

  it.scoped("keeps identity, clock, vector and keys over a restart", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const key = { keyHash: "a".repeat(64), requestHash: "b".repeat(64) }
      const run = <A, E>(body: (store: MemoryStore.MemoryStore["Type"]) => Effect.Effect<A, E>) =>
        Effect.flatMap(MemoryStore.MemoryStore, body).pipe(Effect.provide(storeIn(file)))
      const first = yield* run((store) => store.commit(storing("kept"), key))
      const again = yield* run((store) => store.commit(storing("other"), key))
      assert.isTrue(again.repeated)
      assert.deepStrictEqual(again.operation, first.operation)
      const reused = yield* run((store) =>
        Effect.flip(store.commit(storing("x"), { ...key, requestHash: "c".repeat(64) }))
      )
      assert.strictEqual(reused._tag, "KeyReused")
      const next = yield* run((store) => store.commit(storing("next"), null))
      assert.strictEqual(next.operation.oseq, 2)
      assert.isTrue(next.operation.hlc > first.operation.hlc)
    }))

  const foreign = (oseq: number, changes: Partial<Operation> = {}): MemoryStore.Entry => {
    const hlc = Stamp.fromMillis(1_700_000_000_000 + oseq)
    const stored = memory(`id-${oseq}`, `title-${oseq}`, hlc)
    const { hash: _, ...operation } = {
      format: 2 as const,
      opId: OpId.make(`op-${oseq}`),
      origin: Origin.make("other/1"),
      oseq,
      hlc,
      kind: "store" as const,
      entity: stored.id,
      body: JSON.stringify(stored),
      baseHlc: null,
      covers: [],
      hash: "",
      idempotency: null,
      ...changes
    }
    return { operation: hashed(operation), payload: { kind: "store", memory: stored } }
  }

  it.live("receives each operation once, whatever comes beside it", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      const receive = (...incoming: ReadonlyArray<MemoryStore.Entry>) =>
        Effect.map(store.receive(incoming), (receipts) => receipts.map(({ result }) => result))
      writer.exec(`CREATE TRIGGER poison BEFORE INSERT ON memories WHEN new.title = 'title-3'
        BEGIN SELECT RAISE(ABORT, 'poison'); END`)
      assert.deepStrictEqual(yield* receive(foreign(1), foreign(3), foreign(4)), ["applied", "rejected", "applied"])
      assert.deepStrictEqual(VersionVector.toJson(store.vector()), { "other/1": [1, [4, 4]] })
      assert.deepStrictEqual(yield* receive(foreign(1), foreign(4)), ["duplicate", "duplicate"])
      writer.exec("DROP TRIGGER poison")
      assert.deepStrictEqual(yield* receive(foreign(3), foreign(2), foreign(2)), ["applied", "applied", "duplicate"])
      assert.deepStrictEqual(VersionVector.toJson(store.vector()), { "other/1": 4 })
      assert.strictEqual(yield* count("memories"), 4)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("refuses a number used twice, a number of its own, and a stamp from the future", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const receive = (incoming: MemoryStore.Entry) => Effect.map(store.receive([incoming]), ([receipt]) => receipt)
      yield* receive(foreign(1))
      assert.include((yield* receive(foreign(1, { opId: OpId.make("another") })))?.why, "origin_reused")
      assert.include((yield* receive(foreign(2, { origin: store.origin() })))?.why, "origin_reused")
      const future = Stamp.fromMillis((yield* Effect.clock).unsafeCurrentTimeMillis() + 120_000)
      assert.include((yield* receive(foreign(2, { hlc: future })))?.why, "clock_future")
      assert.strictEqual(yield* count("oplog"), 1)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("goes on under a new incarnation when others hold more of it than it wrote", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const own = store.origin()
      yield* store.commit(storing("one"), null)
      assert.isFalse(yield* store.renewWhenBehind(VersionVector.add(VersionVector.empty, own, 1)))
      const ahead = VersionVector.fromEntries([[own, { upto: 9, beyond: [] }]])
      assert.isTrue(yield* store.renewWhenBehind(ahead))
      assert.isFalse(yield* store.renewWhenBehind(ahead))
      const { operation } = yield* store.commit(storing("two"), null)
      assert.deepStrictEqual([operation.origin, operation.oseq], [store.origin(), 1])
      assert.match(store.origin(), /^me\/[1-9][0-9]*$/)
      assert.isAbove(Number(store.origin().slice(3)), Number(own.slice(3)))
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("goes on under a new incarnation when others hold what it never wrote beyond a gap, too", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const own = store.origin()
      for (const title of ["one", "two", "three"]) yield* store.commit(storing(title), null)
      const gap = (last: number) => VersionVector.fromEntries([[own, { upto: 1, beyond: [[3, last]] }]])
      assert.isFalse(yield* store.renewWhenBehind(gap(3)))
      assert.isTrue(yield* store.renewWhenBehind(gap(4)))
      assert.notStrictEqual(store.origin(), own)
    }).pipe(Effect.provide(storeIn(":memory:"))))
})

describe("commitAll", () => {
  const key = { keyHash: "a".repeat(64), requestHash: "b".repeat(64) }

  const decision = (payload: Payload.Payload): MemoryStore.Decision => ({ payload, baseHlc: null, covers: [] })

  const storeEach = (...titles: ReadonlyArray<string>) => (batch: MemoryStore.Batch) => {
    for (const title of titles) {
      batch.write(decision({ kind: "store", memory: memory(title, title, batch.now().stamp) }))
    }
    return Either.right(titles.length)
  }

  /** What a node holds, as far as other nodes can tell. */
  const facts = Effect.gen(function*() {
    const store = yield* MemoryStore.MemoryStore
    return {
      digest: store.digest(),
      vector: VersionVector.toJson(store.vector()),
      operations: yield* count("oplog"),
      memories: yield* count("memories")
    }
  })

  it.live("writes several operations of any kind in one transaction, each seeing those before it", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      // The clock is written once for each transaction.
      writer.exec(`CREATE TEMP TABLE seen (clock TEXT);
        CREATE TEMP TRIGGER first AFTER INSERT ON main.marks WHEN new.origin <> '' BEGIN INSERT INTO seen VALUES (new.newest); END;
        CREATE TEMP TRIGGER again AFTER UPDATE ON main.marks WHEN new.origin <> '' BEGIN INSERT INTO seen VALUES (new.newest); END;
        CREATE TEMP TRIGGER beside AFTER UPDATE ON main.node_identity BEGIN INSERT INTO seen VALUES (new.clock); END`)
      const { answer, written } = yield* store.commitAll((batch) => {
        const first = batch.write(decision({ kind: "store", memory: memory("a", "slot", batch.now().stamp) }))
        const held = batch.now().holder("n", "slot")
        const link = { source_id: "a", target_id: "b", relation: "related_to", created_at: batch.now().stamp }
        batch.write(decision({ kind: "link", link }))
        batch.write({ ...decision({ kind: "delete", entity: "a" }), covers: batch.now().claims("n", "slot") })
        return Either.right({
          seen: held?.version.hlc === first.operation.hlc,
          gone: batch.now().byId("a") === null,
          linked: batch.now().current("link", linkId(link))?.body === Payload.encode({ kind: "link", link })
        })
      }, null)
      assert.deepStrictEqual(answer, Option.some({ seen: true, gone: true, linked: true }))
      assert.deepStrictEqual(written.map(({ operation }) => operation.kind), ["store", "link", "delete"])
      assert.deepStrictEqual(written.map(({ operation }) => operation.oseq), [1, 2, 3])
      const stamps = written.map(({ operation }) => operation.hlc)
      assert.deepStrictEqual(stamps, [...new Set(stamps)].sort())
      assert.deepStrictEqual(written[2]?.operation.covers.map(({ hlc }) => hlc), [stamps[0]])
      assert.deepStrictEqual(writer.prepare("SELECT clock FROM seen").pluck().all(), stamps.slice(-1))
      const log = yield* store.operations({ origin: store.origin(), from: 1, to: 9 }, 9)
      assert.deepStrictEqual(log, written.map(({ operation }) => operation))
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("writes all or none: what throws in the middle leaves nothing behind, and takes nothing with it", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      writer.exec(`CREATE TRIGGER bad BEFORE INSERT ON memories WHEN new.title = 'bad'
        BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
      yield* store.commitAll(storeEach("before"), null)
      const exits = yield* Effect.all([
        Effect.exit(store.commitAll(storeEach("a", "b"), null)),
        Effect.exit(store.commitAll(storeEach("c", "d", "bad"), key)),
        Effect.exit(store.commitAll((batch) => {
          storeEach("e", "f")(batch)
          return assert.fail("a bug")
        }, null)),
        Effect.exit(store.commitAll(storeEach("g"), null))
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag), ["Success", "Failure", "Failure", "Success"])
      assert.include(String(exits[1]), "LocalWriteFailed")
      assert.include(String(exits[2]), "a bug")
      const titles = writer.prepare("SELECT title FROM memories ORDER BY title").pluck().all()
      assert.deepStrictEqual(titles, ["a", "b", "before", "g"])
      const { digest, operations, vector } = yield* facts
      assert.deepStrictEqual({ operations, vector }, { operations: 4, vector: { [store.origin()]: 4 } })
      assert.strictEqual(digest, sumOf(writer))
      assert.strictEqual(digest, sumOf(writer, "anew"))
      index.check(writer)
      // The key of the one that failed stands for nothing.
      writer.exec("DROP TRIGGER bad")
      const again = yield* store.commitAll(storeEach("c", "d", "bad"), key)
      assert.deepStrictEqual(again.written.map(({ operation }) => operation.oseq), [5, 6, 7])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("writes nothing where the job says Left", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      yield* store.commitAll(storeEach("a"), null)
      const before = yield* facts
      assert.strictEqual(yield* Effect.flip(store.commitAll(() => Either.left("no"), key)), "no")
      assert.deepStrictEqual(yield* facts, before)
      const [beside, late] = yield* Effect.all([
        Effect.exit(store.commitAll(() => Either.left("no"), null)),
        Effect.exit(
          store.commitAll((batch) => Either.flatMap(storeEach("x", "y")(batch), () => Either.left("no")), key)
        )
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(beside, Exit.fail("no"))
      assert.include(Exit.isFailure(late) ? Cause.pretty(late.cause) : "", "must not write before")
      assert.deepStrictEqual(yield* facts, before)
      const { written } = yield* store.commitAll(storeEach("b"), key)
      assert.strictEqual(written.length, 1, "the key of a refusal stands for nothing")
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.scoped("answers a repeated key with all that was written under it, in order, after a restart, too", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const run = <A, E>(body: (store: MemoryStore.MemoryStore["Type"]) => Effect.Effect<A, E>) =>
        Effect.flatMap(MemoryStore.MemoryStore, body).pipe(Effect.provide(storeIn(file)))
      const first = yield* run((store) => store.commitAll(storeEach("a", "b", "c"), key))
      const never = () => assert.fail("must not run again")
      const after = yield* run((store) =>
        Effect.gen(function*() {
          const again = yield* store.commitAll<never, never>(never, key)
          const one = yield* store.commit<never>(never, key)
          const other = { ...key, requestHash: "c".repeat(64) }
          const refused = yield* Effect.flip(store.commitAll<never, never>(never, other))
          return { again, one, refused: refused._tag, upto: VersionVector.upto(store.vector(), store.origin()) }
        })
      )
      assert.deepStrictEqual(after.again.answer, Option.none())
      assert.deepStrictEqual(
        after.again.written.map(({ operation, payload }) => ({ operation, payload })),
        first.written.map(({ operation, payload }) => ({ operation, payload }))
      )
      assert.isTrue(after.one.repeated)
      assert.deepStrictEqual(after.one.operation, first.written[0]?.operation)
      assert.deepStrictEqual({ refused: after.refused, upto: after.upto }, { refused: "KeyReused", upto: 3 })
    }))
})

/** The sum over all buckets as they are kept, or as they are when they are built anew. */
const sumOf = (db: Database.Database, how: "kept" | "anew" = "kept"): number => {
  const sum = () =>
    db.prepare<[], number>("SELECT sum FROM digests").pluck().all()
      .reduce((total, amount) => (total + amount) % 2 ** 48, 0)
  if (how === "kept") return sum()
  db.exec("BEGIN; DELETE FROM digest_sums; COMMIT")
  Digest.make(db)
  return sum()
}

describe("the digest", () => {
  it.scoped("is the same after a restart, and as when it is built anew", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const facts = (body: (store: MemoryStore.MemoryStore["Type"]) => Effect.Effect<unknown, unknown>) =>
        Effect.gen(function*() {
          const store = yield* MemoryStore.MemoryStore
          const { writer } = yield* Sqlite.Sqlite
          yield* body(store)
          return { digest: store.digest(), kept: sumOf(writer), anew: sumOf(writer, "anew") }
        }).pipe(Effect.provide(storeIn(file)))
      const empty = yield* facts(() => Effect.void)
      assert.deepStrictEqual(empty, { digest: 0, kept: 0, anew: 0 })
      const written = yield* facts((store) => Effect.forEach(["a", "b"], (title) => store.commit(storing(title), null)))
      assert.isAbove(written.digest, 0)
      assert.deepStrictEqual(written, { digest: written.digest, kept: written.digest, anew: written.digest })
      assert.deepStrictEqual(yield* facts(() => Effect.void), written)
      const more = yield* facts((store) => store.commit(storing("c"), null))
      assert.notStrictEqual(more.digest, written.digest)
      assert.deepStrictEqual(more, { digest: more.digest, kept: more.digest, anew: more.digest })
    }))

  it.scoped("is right while changes of some buckets wait, and once they were many", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const after = (titles: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          const store = yield* MemoryStore.MemoryStore
          const { writer } = yield* Sqlite.Sqlite
          yield* Effect.forEach(titles, (title) => store.commit(storing(title), null))
          const number = (sql: string) => Number(writer.prepare(sql).pluck().get())
          const waiting = number("SELECT json_array_length(entry) FROM marks WHERE origin = ''")
          const written = number("SELECT count(*) FROM digest_sums WHERE sum <> 0")
          assert.strictEqual(sumOf(writer), store.digest())
          return { waiting, written, digest: store.digest() }
        }).pipe(Effect.provide(storeIn(file)))
      const few = yield* after(["a", "b"])
      assert.deepStrictEqual(few, { waiting: 2, written: 0, digest: few.digest })
      // What waited when the node ended is known to the next one.
      assert.deepStrictEqual(yield* after([]), few)
      const many = yield* after(Array.from({ length: 60 }, (_, at) => `title ${at}`))
      assert.isAtLeast(many.written, 40)
      assert.isAtMost(many.waiting, 40)
      yield* Effect.provide(
        Effect.gen(function*() {
          const { writer } = yield* Sqlite.Sqlite
          const digest = (yield* MemoryStore.MemoryStore).digest()
          assert.strictEqual(digest, many.digest)
          assert.strictEqual(sumOf(writer, "anew"), digest)
        }),
        storeIn(file)
      )
    }))

  it.scopedLive("of a file that is older than digests is right, and stays so", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "old.db")
      const steps = OLD_STEPS.map((step) => ({ ...step, millis: 0, title: 0, verdict: 0, isAstray: false, client: 0 }))
      const history = historyOf(steps)
      const [visible, conflict, shadow, ending] = history
      assert.isDefined(ending)
      if (visible === undefined || conflict === undefined || shadow === undefined || ending === undefined) return
      yield* makeFoundation(file)
      fillFoundation(file, { visible, conflict, shadow })
      yield* Effect.gen(function*() {
        const store = yield* MemoryStore.MemoryStore
        const { writer } = yield* Sqlite.Sqlite
        assert.strictEqual(store.digest(), model([visible, conflict, shadow]).digest)
        assert.strictEqual(sumOf(writer), store.digest())
        assert.deepStrictEqual(yield* store.receive([ending]), [{ opId: ending.operation.opId, result: "applied" }])
        assert.strictEqual(store.digest(), model(history).digest)
        const node = Node.make(writer)
        assert.deepStrictEqual(node.state(), model(history))
        yield* Effect.repeat(store.reindex, { until: ({ isDone }) => isDone })
        node.checkIndex()
      }).pipe(Effect.provide(storeIn(file)))
    }))
})

/** A memory, a version of it that lost, and another memory behind it; then an operation that ends the first. */
const OLD_STEPS: ReadonlyArray<Pick<Step, "kind" | "node" | "seen" | "key">> = [
  { kind: "store", node: 2, key: 0, seen: 0 },
  { kind: "store", node: 1, key: 0, seen: 0 },
  { kind: "store", node: 0, key: 1, seen: 0 },
  { kind: "delete", node: 0, key: 0, seen: 1 }
]

/** A file as the first version of the tables left it. */
const makeFoundation = (file: string) =>
  Effect.gen(function*() {
    const client = yield* SqliteClient.make({ filename: file })
    const foundation = Object.entries(migrations).filter(([name]) => name === "0001_foundation")
    assert.lengthOf(foundation, 1)
    yield* Migrator.make({})({ loader: Migrator.fromRecord(Object.fromEntries(foundation)) }).pipe(
      Effect.provideService(SqlClient.SqlClient, client)
    )
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

const fillFoundation = (
  file: string,
  { conflict, shadow, visible }: Record<"visible" | "conflict" | "shadow", MemoryStore.Entry>
) => {
  const db = new Database(file)
  const row = db.prepare(
    `INSERT INTO memories (id, tier, namespace, title, content, tags, priority, confidence, source, access_count,
       created_at, updated_at, expires_at, metadata, origin, oseq, hash, visible)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const log = db.prepare(
    `INSERT INTO oplog (origin, oseq, op_id, hlc, kind, entity, body, base_hlc, covers, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, NULL, '[]', ?)`
  )
  const vector = db.prepare("INSERT INTO version_vector (origin, entry) VALUES (?, '1')")
  for (const { operation: op } of [visible, conflict, shadow]) {
    log.run(op.origin, op.oseq, op.opId, op.hlc, op.kind, op.entity, op.body, op.hash)
    vector.run(op.origin)
  }
  for (const [place, { operation: op, payload }] of [[1, visible], [0, shadow]] as const) {
    const m = Payload.versionOf(payload)
    if (m === undefined) continue
    row.run(
      m.id,
      m.tier,
      m.namespace,
      m.title,
      m.content,
      JSON.stringify(m.tags),
      m.priority,
      m.confidence,
      m.source,
      m.created_at,
      m.updated_at,
      m.expires_at ?? null,
      JSON.stringify(m.metadata),
      op.origin,
      op.oseq,
      op.hash,
      place
    )
  }
  const { entity, hash, hlc, origin, oseq } = conflict.operation
  db.prepare("INSERT INTO conflicts (memory_id, hlc, origin, oseq, hash) VALUES (?, ?, ?, ?, ?)")
    .run(entity, hlc, origin, oseq, hash)
  db.exec("INSERT INTO memories_fts (memories_fts) VALUES ('rebuild')")
  db.close()
}
