import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as KeyRing from "../../src/access/KeyRing.js"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import type { Quarantine } from "../../src/domain/Quarantine.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { hashed } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import * as AuditRows from "../../src/store/AuditLog.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as VoidNews from "../../src/store/VoidNews.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memory } from "./memories.js"

const SECRET_TEXT = "what nobody may read in a log"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-void-news-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const nodeOn = (file: string) =>
  VoidNews.layer.pipe(
    Layer.provideMerge(AuditRows.layer(KeyRing.empty)),
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) })),
    Layer.provideMerge(Sqlite.layer({ file })),
    Layer.provideMerge(Metrics.layer),
    Layer.provide(Layer.succeed(Uuid, { make: () => randomUUID() })),
    Layer.provide(Logger.remove(Logger.defaultLogger)),
    Layer.orDie
  )

const operation = (origin: string, oseq: number, payload: Payload.Payload, covers: ReadonlyArray<string> = []) => {
  const hlc = Stamp.fromMillis(oseq * 1000)
  const stamped = Payload.stampedAt(hlc, payload)
  const entity = Payload.entityOf(stamped)
  return {
    payload: stamped,
    operation: hashed({
      format: 2,
      opId: OpId.make(`${origin.split("/")[0]}-${oseq}`),
      origin: Origin.make(origin),
      oseq,
      hlc,
      kind: stamped.kind,
      entity,
      body: Payload.encode(stamped),
      baseHlc: null,
      covers: covers.map((of) => ({ id: entity, hlc: Stamp.fromMillis(1000), origin: Origin.make(of) })),
      idempotency: null
    })
  }
}

const quarantine: Quarantine = {
  id: "q-1",
  peer: "mallory",
  reason: "stolen key",
  by: "admin",
  at: Stamp.fromMillis(1)
}

const Told = Schema.Array(Schema.Struct({ event_type: Schema.String, agent_id: Schema.String, payload: Schema.String }))
const told = (file: string) => {
  const db = new Database(file, { readonly: true })
  try {
    return Schema.decodeUnknownSync(Told)(
      db.prepare("SELECT * FROM signed_events JOIN signed_event_payloads USING (sequence) ORDER BY sequence").all()
    )
  } finally {
    db.close()
  }
}

describe("void operations", () => {
  it.effect("are told to the audit log once each, whenever the node ends", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      const bad = (oseq: number) =>
        operation("mallory/1", oseq, {
          kind: "store",
          memory: { ...memory(`m-${oseq}`, `bad ${oseq}`, Stamp.fromMillis(1)), content: SECRET_TEXT }
        })
      yield* Effect.gen(function*() {
        const { receive } = yield* MemoryStore.MemoryStore
        yield* receive([bad(1), bad(2), operation("good/1", 1, { kind: "quarantine", quarantine })])
        yield* TestClock.adjust("5 seconds")
        yield* (yield* AuditLog).flush
      }).pipe(Effect.provide(nodeOn(file)))
      const first = told(file)
      assert.deepStrictEqual(
        first.map(({ agent_id, event_type }) => `${event_type} ${agent_id}`),
        Array.from({ length: 2 }, () => "federation.operation_void mallory")
      )
      assert.include(first[0]?.payload, "quarantined by q-1")
      assert.notInclude(JSON.stringify(first), SECRET_TEXT)

      // What was not told before the node ended is told by the next run; what was is not told again.
      yield* Effect.gen(function*() {
        const { receive } = yield* MemoryStore.MemoryStore
        yield* receive([bad(3)])
      }).pipe(Effect.provide(nodeOn(file)))
      assert.lengthOf(told(file), 2)
      yield* TestClock.adjust("5 seconds").pipe(Effect.provide(nodeOn(file)))
      assert.lengthOf(told(file), 3)

      const text = yield* Effect.gen(function*() {
        const { receive } = yield* MemoryStore.MemoryStore
        yield* receive([operation("good/1", 2, { kind: "release", entity: "q-1" }, ["good/1"])])
        yield* TestClock.adjust("5 seconds")
        return yield* (yield* Metrics.Metrics).render
      }).pipe(Effect.provide(nodeOn(file)))
      assert.deepStrictEqual(
        told(file).slice(3).map(({ event_type, payload }) => `${event_type} ${payload.includes("\"why\"")}`),
        Array.from({ length: 3 }, () => "federation.operation_valid false")
      )
      assert.match(text, /audit_events_total\{type="federation.operation_valid"\} 3/)
    }).pipe(Effect.scoped))

  it.effect("stay to be told where the audit log can not be written", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      const spoil = (sql: string) => {
        const db = new Database(file)
        db.exec(sql)
        db.close()
      }
      yield* Effect.gen(function*() {
        spoil("CREATE TRIGGER no_rows BEFORE INSERT ON signed_events BEGIN SELECT RAISE(ABORT, 'no'); END")
        const { receive } = yield* MemoryStore.MemoryStore
        const store = { kind: "store" as const, memory: memory("m-1", "bad", Stamp.fromMillis(1)) }
        yield* receive([
          operation("mallory/1", 1, store),
          operation("good/1", 1, { kind: "quarantine", quarantine })
        ])
        yield* TestClock.adjust("2 seconds")
      }).pipe(Effect.provide(nodeOn(file)))
      assert.lengthOf(told(file), 0)
      spoil("DROP TRIGGER no_rows")
      yield* TestClock.adjust("5 seconds").pipe(Effect.provide(nodeOn(file)))
      assert.lengthOf(told(file), 1)
    }).pipe(Effect.scoped))
})
