import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { hash, randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { signerOf, verify } from "../../src/access/ed25519.js"
import * as KeyRing from "../../src/access/KeyRing.js"
import type { AuditEvent } from "../../src/domain/AuditEvent.js"
import { NodeId } from "../../src/domain/ids.js"
import { sortedJson } from "../../src/domain/sortedJson.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as folding from "../../src/store/audit/folding.js"
import * as rows from "../../src/store/audit/rows.js"
import * as AuditRows from "../../src/store/AuditLog.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import * as Metrics from "../../src/telemetry/Metrics.js"

const Fixtures = Schema.Struct({
  keys: Schema.Struct({ subject: Schema.Struct({ seed_hex: Schema.String }) }),
  governance: Schema.Struct({ refusal_canonical: Schema.String, refusal_payload_hash_hex: Schema.String }),
  signed_event: Schema.Struct({
    row: Schema.Struct({
      id: Schema.String,
      agent_id: Schema.String,
      event_type: Schema.String,
      payload_hash: Schema.String,
      attest_level: Schema.String,
      timestamp: Schema.String,
      sequence: Schema.Int,
      signature: Schema.String,
      prev_hash: Schema.String
    }),
    chain_bytes_07_hex: Schema.String,
    next_prev_hash_07_hex: Schema.String
  })
})
const fixtures = Schema.decodeUnknownSync(Schema.parseJson(Fixtures))(
  readFileSync(new URL("../fixtures/identity.json", import.meta.url), "utf8")
)
const signer = Option.getOrThrow(signerOf(Buffer.from(fixtures.keys.subject.seed_hex, "hex")))
const ring: KeyRing.KeyRing = {
  find: (id) => id === "me" ? { id, publicKey: signer.publicKey, signer: Option.some(signer) } : undefined,
  isEnrolled: (id) => id === "me"
}

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-audit-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const nodeOn = (file: string, keys: KeyRing.KeyRing = ring) =>
  AuditRows.layer(keys).pipe(
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) })),
    Layer.provideMerge(Sqlite.layer({ file })),
    Layer.provideMerge(Metrics.layer),
    Layer.provide(Layer.succeed(Uuid, { make: () => randomUUID() })),
    Layer.provide(Logger.remove(Logger.defaultLogger)),
    Layer.orDie
  )

const Stored = Schema.Struct({ ...rows.StoredRow.fields, payload: Schema.String })
const stored = (file: string) => {
  const db = new Database(file, { readonly: true })
  try {
    return Schema.decodeUnknownSync(Schema.Array(Stored))(
      db.prepare("SELECT * FROM signed_events JOIN signed_event_payloads USING (sequence) ORDER BY sequence").all()
    )
  } finally {
    db.close()
  }
}

const refused = (peer: string, more: object = {}): AuditEvent => ({
  type: "federation.signature_refused",
  agentId: peer,
  payload: { reason: "x_memory_sig_missing", ...more }
})

describe("the rows of the audit log", () => {
  it("are those of the original, byte for byte", () => {
    const { chain_bytes_07_hex, next_prev_hash_07_hex, row } = fixtures.signed_event
    const payload: unknown = JSON.parse(fixtures.governance.refusal_canonical)
    assert.strictEqual(sortedJson(payload), fixtures.governance.refusal_canonical)
    const sealed = rows.seal(
      {
        type: "governance.refusal",
        agentId: row.agent_id,
        payload: Schema.decodeUnknownSync(Schema.Record({ key: Schema.String, value: Schema.Unknown }))(payload)
      },
      { id: row.id, timestamp: row.timestamp, signer: Option.some(signer) }
    )
    assert.strictEqual(sealed.row.payloadHash.toString("hex"), fixtures.governance.refusal_payload_hash_hex)
    assert.strictEqual(sealed.row.signature?.toString("hex"), row.signature)
    assert.strictEqual(sealed.row.attestLevel, row.attest_level)
    const whole = { ...sealed.row, sequence: row.sequence }
    assert.strictEqual(rows.chainBytes(whole).toString("hex"), chain_bytes_07_hex)
    assert.strictEqual(rows.hashOf(whole).toString("hex"), next_prev_hash_07_hex)
  })

  it.scoped("are chained, signed by the key of the node, and go on after a restart", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      const record = (...peers: ReadonlyArray<string>) =>
        Effect.flatMap(AuditLog, (log) => Effect.forEach(peers, (peer) => log.record(refused(peer))))
      // What is not written yet is, when a node ends.
      yield* record("a", "b").pipe(Effect.provide(nodeOn(file)))
      yield* record("c\u001fd").pipe(Effect.provide(nodeOn(file, KeyRing.empty)))
      const found = stored(file)
      assert.deepStrictEqual(found.map(({ agent_id, sequence }) => [sequence, agent_id]), [[1, "a"], [2, "b"], [
        3,
        "c?d"
      ]])
      let previous = rows.NO_ROW
      for (const row of found) {
        assert.strictEqual(row.prev_hash.toString("hex"), previous.toString("hex"))
        assert.strictEqual(row.payload_hash.toString("hex"), hash("sha256", row.payload))
        assert.match(row.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
        assert.isTrue(Option.isSome(Stamp.parse(row.timestamp)) && row.timestamp.endsWith("+00:00"))
        previous = rows.hashOf(rows.rowOf(row))
      }
      assert.deepStrictEqual(found.map(({ attest_level }) => attest_level), [
        "daemon_signed",
        "daemon_signed",
        "unsigned"
      ])
      assert.isTrue(
        found.slice(0, 2).every(({ payload_hash, signature }) =>
          verify(signer.publicKey, payload_hash, signature ?? Buffer.alloc(0))
        )
      )
      assert.isNull(found[2]?.signature)
    }))

  it.scoped("are written within a second, and never changed", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      yield* Effect.gen(function*() {
        const log = yield* AuditLog
        yield* log.record(refused("a"))
        yield* TestClock.adjust("1 second")
        yield* log.flush
        assert.lengthOf(stored(file), 1)
        const { writer } = yield* Sqlite.Sqlite
        assert.throws(() => writer.exec("UPDATE signed_events SET agent_id = 'b'"), /only grows/)
        assert.throws(() => writer.exec("DELETE FROM signed_events"), /only grows/)
        assert.include(yield* (yield* Metrics.Metrics).render, "audit_sequence 1")
      }).pipe(Effect.provide(nodeOn(file)))
    }))

  it.scoped("count who knocks 10,000 times, under one name or under many", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      yield* Effect.gen(function*() {
        const { flush, record } = yield* AuditLog
        for (let count = 0; count < 10_000; count++) yield* record(refused("same", { timestamp: count }))
        yield* flush
        assert.lengthOf(stored(file), 1)
        for (let count = 0; count < 10_000; count++) yield* record(refused(`other-${count}`))
        yield* record({ type: "governance.rule_changed", agentId: "me", payload: {} })
        yield* TestClock.adjust("61 seconds")
        yield* flush
        const found = stored(file)
        assert.isBelow(found.length, 110)
        assert.isTrue(found.some(({ event_type }) => event_type === "governance.rule_changed"))
        const Counts = Schema.Struct({ repeated: Schema.optional(Schema.Int), others: Schema.optional(Schema.Int) })
        const counts = found.map(({ payload }) => Schema.decodeUnknownSync(Schema.parseJson(Counts))(payload))
        const counted = counts.reduce((sum, { others, repeated }) => sum + (others ?? repeated ?? 1), 0)
        assert.strictEqual(counted, 20_001)
        const { render } = yield* Metrics.Metrics
        assert.include(yield* render, "audit_events_total{type=\"federation.signature_refused\"} 20000")
      }).pipe(Effect.provide(nodeOn(file)))
    }))

  it("come ever more seldom of what goes on for ever", () => {
    const folded = folding.make()
    let written = 0
    for (let second = 0; second < 86_400; second++) {
      for (const peer of ["a", "b"]) folded.add(refused(peer), second * 1_000)
      written += folded.drain(second * 1_000).length
    }
    assert.isBelow(written, 2 * 32)
    assert.isAbove(written, 2 * 24)
    // And one that comes once in a while is a row each time.
    const seldom = folding.make()
    const times = [0, 200_000, 400_000].map((at) => {
      seldom.add(refused("a"), at)
      return [...seldom.drain(at), ...seldom.drain(at + 61_000)].length
    })
    assert.deepStrictEqual(times, [1, 1, 1])
  })

  it("tell of a stranger beside one who knocks for ever", () => {
    const folded = folding.make()
    const came: Array<string> = []
    for (let second = 0; second < 3_600; second++) {
      for (let name = 0; name < 20; name++) {
        folded.add(refused(`${second} ${name}`, { from: "198.51.100.7" }), second * 1_000)
      }
      if (second % 600 === 599) {
        folded.add(refused(`stranger ${second}`, { from: `203.0.113.${second % 7}` }), second * 1_000)
      }
      came.push(...folded.drain(second * 1_000).map(({ agentId }) => agentId))
    }
    assert.lengthOf(came.filter((agentId) => agentId.startsWith("stranger")), 6)
    assert.isBelow(came.length, 200)
  })

  it("are bounded, whatever they are about", () => {
    const { payload, row } = rows.seal(refused("x".repeat(5_000), { long: "y".repeat(100_000) }), {
      id: "id",
      timestamp: "t",
      signer: Option.none()
    })
    assert.isAtMost(row.agentId.length, 128)
    assert.isBelow(payload.length, 4_097)
    assert.strictEqual(row.payloadHash.toString("hex"), hash("sha256", payload))
  })

  it.scoped("wait while they can not be written, and are put aside when they have no place in the chain", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      yield* Effect.gen(function*() {
        const { flush, record } = yield* AuditLog
        const { writer } = yield* Sqlite.Sqlite
        writer.exec("CREATE TRIGGER full BEFORE INSERT ON signed_events BEGIN SELECT RAISE(ABORT, 'no place'); END")
        yield* record(refused("a"))
        for (let attempt = 0; attempt < 3; attempt++) yield* flush
        assert.strictEqual(writer.prepare("SELECT count(*) FROM signed_events_dlq").pluck().get(), 0)
        writer.exec("DROP TRIGGER full")
        yield* flush
        assert.lengthOf(stored(file), 1)
        writer.exec("CREATE TRIGGER full BEFORE INSERT ON signed_events BEGIN SELECT RAISE(ABORT, 'no place'); END")
        yield* record(refused("b"))
        for (let attempt = 0; attempt < 5; attempt++) yield* flush
        assert.lengthOf(stored(file), 1)
        assert.match(
          String(writer.prepare("SELECT agent_id || ' ' || failure_reason FROM signed_events_dlq").pluck().get()),
          /^b .*no place/
        )
      }).pipe(Effect.provide(nodeOn(file)))
    }))
})
