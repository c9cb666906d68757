import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { type Operation, seal } from "../../src/replication/Operation.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MAX_QUEUED } from "../../src/store/Committer.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Sqlite from "../../src/store/Sqlite.js"

let minted = 0
const uuid = Layer.succeed(Uuid, { make: () => `uuid-${++minted}` })

const storeIn = (file: string, nodeId = "me") =>
  Layer.provideMerge(
    MemoryStore.layer({ nodeId: Option.some(nodeId) }),
    Layer.merge(Sqlite.layer({ file }), uuid)
  )

const memory = (id: string, title: string, stamp: Stamp.Stamp): Memory => ({
  id,
  tier: "long",
  namespace: "n",
  title,
  content: `content of ${title}`,
  tags: ["tag"],
  priority: 5,
  confidence: 0.5,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: { agent_id: "tester" }
})

const storing = (title: string) => (now: MemoryStore.Transaction) =>
  Either.right({ id: title, memory: memory(title, title, now.stamp), baseHlc: null, covers: [] })

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
      writer.exec("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)")
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
      assert.strictEqual(refused.length, 10)
      assert.include(String(refused[0]), "Overloaded")
      assert.strictEqual(yield* count("memories"), MAX_QUEUED)
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

  const foreign = (oseq: number, changes: Partial<Operation> = {}): MemoryStore.Incoming => {
    const hlc = Stamp.fromMillis(1_700_000_000_000 + oseq)
    const stored = memory(`id-${oseq}`, `title-${oseq}`, hlc)
    const { hash: _, ...operation } = {
      opId: `op-${oseq}`,
      origin: "other/1",
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
    return { operation: seal(operation), memory: stored }
  }

  it.live("receives each operation once, whatever comes beside it", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      const receive = (...incoming: ReadonlyArray<MemoryStore.Incoming>) =>
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
      const receive = (incoming: MemoryStore.Incoming) => Effect.map(store.receive([incoming]), ([receipt]) => receipt)
      yield* receive(foreign(1))
      assert.include((yield* receive(foreign(1, { opId: "another" })))?.why, "origin_reused")
      assert.include((yield* receive(foreign(2, { origin: store.origin() })))?.why, "origin_reused")
      const future = Stamp.fromMillis((yield* Effect.clock).unsafeCurrentTimeMillis() + 120_000)
      assert.include((yield* receive(foreign(2, { hlc: future })))?.why, "clock_future")
      assert.strictEqual(yield* count("oplog"), 1)
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("goes on under a new incarnation when others hold more of it than it wrote", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      assert.strictEqual(store.origin(), "me/1")
      yield* store.commit(storing("one"), null)
      assert.isFalse(yield* store.renewWhenBehind(VersionVector.add(VersionVector.empty, "me/1", 1)))
      const ahead = VersionVector.fromEntries([["me/1", { upto: 9, beyond: [] }]])
      assert.isTrue(yield* store.renewWhenBehind(ahead))
      assert.isFalse(yield* store.renewWhenBehind(ahead))
      const { operation } = yield* store.commit(storing("two"), null)
      assert.deepStrictEqual([operation.origin, operation.oseq], ["me/2", 1])
    }).pipe(Effect.provide(storeIn(":memory:"))))

  it.live("refuses to write with a clock far behind its own stamps", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const clock = yield* Effect.clock
      const near = Stamp.fromMillis(clock.unsafeCurrentTimeMillis() + 59_000)
      yield* store.receive([foreign(1, { hlc: near })])
      assert.isTrue((yield* store.commit(storing("still"), null)).operation.hlc > near)
      assert.isAbove(yield* store.clockBehindMillis, 50_000)
    }).pipe(Effect.provide(storeIn(":memory:"))))
})
