import type Database from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Signer } from "../access/ed25519.js"
import type { KeyRing } from "../access/KeyRing.js"
import type { AuditEvent } from "../domain/AuditEvent.js"
import * as Stamp from "../domain/Stamp.js"
import { Uuid } from "../domain/Uuid.js"
import { AuditLog } from "../telemetry/AuditLog.js"
import { Metrics } from "../telemetry/Metrics.js"
import * as folding from "./audit/folding.js"
import * as rows from "./audit/rows.js"
import { Sqlite } from "./log/Sqlite.js"
import { run } from "./log/statements.js"
import { MemoryStore } from "./MemoryStore.js"

/*
 * The audit log as rows of `signed_events`: each has the hash of the one before, and the signature of this node. `quorate audit`
 * reads them.
 */

const WRITE_EVERY = Duration.seconds(1)
/** Rows that wait for the disk; what comes then is lost, and counted. A row is 5 KiB at most. */
const MAX_WAITING = 2_000
/** Rows in one transaction. */
const MAX_TOGETHER = 100
/** After so many failures in a row, what waits is put aside. */
const MOST_FAILURES = 5

const make = (keys: KeyRing) =>
  Effect.gen(function*() {
    const { nodeId } = yield* MemoryStore
    const metrics = yield* Metrics
    const uuid = yield* Uuid
    const clock = yield* Effect.clock
    const folded = folding.make()
    const signer = () => Option.flatMap(Option.fromNullable(keys.find(nodeId)), ({ signer }) => signer)
    const rowsWaiting = yield* makeWaiting(signer)
    const sealed = (noted: folding.Noted): Waiting => ({
      sealed: rows.seal(noted, {
        id: uuid.make(),
        timestamp: Stamp.fromMillis(noted.atMillis),
        signer: signer()
      })
    })

    const note = (event: AuditEvent) => {
      metrics.auditEvent(event.type)
      folded.add(event, clock.unsafeCurrentTimeMillis())
    }
    const take = (all?: "all") => {
      const fresh = folded.drain(clock.unsafeCurrentTimeMillis(), all)
      const room = MAX_WAITING - rowsWaiting.count()
      if (fresh.length > room) metrics.auditLost(fresh.length - room)
      rowsWaiting.add(fresh.slice(0, room).map(sealed))
    }
    const alone = yield* Effect.makeSemaphore(1)
    const writeAll = (all?: "all") =>
      alone.withPermits(1)(Effect.zipRight(Effect.sync(() => take(all)), rowsWaiting.write))

    yield* Effect.addFinalizer(() => writeAll("all"))
    yield* writeAll().pipe(
      Effect.delay(WRITE_EVERY),
      Effect.forever,
      Effect.tapErrorCause((cause) => Effect.logError("the audit log is not written any more", cause)),
      Effect.forkScoped
    )

    return AuditLog.of({
      note,
      record: (event) => Effect.sync(() => note(event)),
      tell: (events, after) =>
        alone.withPermits(1)(Effect.zipRight(
          Effect.sync(() => {
            events.forEach(note)
            take()
            rowsWaiting.add([{ after }])
          }),
          rowsWaiting.write
        )),
      flush: writeAll()
    })
  })

/** What waits for the disk, and what writes it there. */
const makeWaiting = (signer: () => Option.Option<Signer>) =>
  Effect.gen(function*() {
    const { writer } = yield* Sqlite
    const { local } = yield* MemoryStore
    const metrics = yield* Metrics
    const clock = yield* Effect.clock
    const append = rows.appending(writer)
    const putAside = puttingAside(writer)
    let waiting: ReadonlyArray<Waiting> = []
    let failures = 0

    const batch = Effect.suspend(() => {
      const next = waiting.slice(0, MAX_TOGETHER)
      const together = next.flatMap(({ sealed = [] }) => sealed)
      const thereafter = () => {
        for (const { after } of next) after?.()
      }
      const aside = (why: Error) =>
        Effect.zipRight(
          local(() => {
            putAside(together, why.message, Stamp.fromMillis(clock.unsafeCurrentTimeMillis()))
            thereafter()
          }),
          Effect.logError(
            `${together.length} row(s) have no place in the chain of the audit log and are put aside`,
            why
          )
        )
      return local(() => {
        const sequence = together.length === 0 ? null : append(together, signer())
        thereafter()
        return sequence
      }).pipe(
        Effect.map((sequence) => {
          if (sequence !== null) metrics.auditSequence(sequence)
        }),
        Effect.tapError(() => Effect.sync(() => failures++)),
        Effect.catchAll((error) => failures < MOST_FAILURES ? Effect.fail(error) : aside(error)),
        Effect.map(() => {
          failures = 0
          waiting = waiting.slice(next.length)
        })
      )
    }).pipe(
      Effect.tapError((error) =>
        failures === 1 ? Effect.logWarning("the audit log could not be written: it is tried again", error) : Effect.void
      )
    )

    return {
      count: () => waiting.length,
      add: (more: ReadonlyArray<Waiting>) => {
        waiting = [...waiting, ...more]
      },
      write: Effect.whileLoop({ while: () => waiting.length > 0, body: () => batch, step: () => {} }).pipe(
        Effect.ignore,
        Effect.withTracerEnabled(false)
      )
    }
  })

/** A row that waits for the disk, or what is done once those before it are there. */
interface Waiting {
  readonly sealed?: rows.Sealed
  readonly after?: () => void
}

/** Signs with the key of this node among these, from when on it is there. */
export const layer = (keys: KeyRing): Layer.Layer<AuditLog, never, MemoryStore | Sqlite | Uuid | Metrics> =>
  Layer.scoped(AuditLog, make(keys))

/** Where rows go that have no place in the chain, as in the original. */
const puttingAside = (writer: Database.Database) => {
  const insert = run(
    writer,
    `INSERT INTO signed_events_dlq
      (id, agent_id, event_type, payload_hash, signature, attest_level, timestamp, failure_reason, failed_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  return (all: ReadonlyArray<rows.Sealed>, why: string, now: Stamp.Stamp) => {
    for (const { row } of all) {
      insert(
        row.id,
        row.agentId,
        row.type,
        row.payloadHash,
        row.signature,
        row.attestLevel,
        row.timestamp,
        why,
        now
      )
    }
  }
}
