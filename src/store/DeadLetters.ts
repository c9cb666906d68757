import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type Database from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import { OpId, Origin, PeerId } from "../domain/ids.js"
import * as Stamp from "../domain/Stamp.js"
import type { Operation } from "../replication/Operation.js"
import * as OperationSet from "../replication/OperationSet.js"
import { Metrics } from "../telemetry/Metrics.js"
import { REASONS } from "./authorship.js"
import { type LocalWriteFailed, type Overloaded, ReadFailed } from "./errors.js"
import * as OpLog from "./log/OpLog.js"
import { Sqlite } from "./log/Sqlite.js"
import { MemoryStore } from "./MemoryStore.js"

/** What is told of an operation that a peer refuses. */
export interface Summary {
  readonly id: number
  /** Who refuses it, by its identity: the node id, or the address of an original node. */
  readonly peerId: PeerId
  readonly opId: OpId
  readonly kind: string
  readonly entity: string
  readonly origin: Origin
  readonly oseq: number
  /** Why, at the latest attempt. */
  readonly reason: string
  /** How often it was tried in vain. */
  readonly attempts: number
  /** When it was refused first. */
  readonly failedAt: Stamp.Stamp
  readonly nextAttemptAt: Stamp.Stamp
  /** Given up by the operator: kept, so that it is never sent to this peer again. */
  readonly discarded: boolean
}

export interface DeadLetter extends Summary {
  readonly operation: Operation
}

export interface Refusal {
  readonly operation: Operation
  readonly reason: string
  /** The peer said when it can take it, in milliseconds since 1970: it is not tried before, but within a day. */
  readonly notBeforeMillis?: number | undefined
}

type WriteFailed = LocalWriteFailed | Overloaded

/**
 * Operations that a peer refuses, with the reason. They are sent to that peer no more with the others, which flow on, but one
 * by one, after growing pauses, until the peer takes them or an operator gives them up.
 */
export class DeadLetters extends Context.Tag("quorate/store/DeadLetters")<DeadLetters, {
  /**
   * Keeps what the peer refused just now, and sets the time of the next attempt; but for what was written again under another
   * name meanwhile. Answers those it had not refused before.
   */
  readonly add: (peerId: PeerId, refusals: ReadonlyArray<Refusal>) => Effect.Effect<ReadonlyArray<Refusal>, WriteFailed>
  /** The peer holds these operations: what is kept of them goes. */
  readonly settle: (peerId: PeerId, held: OperationSet.OperationSet) => Effect.Effect<void, WriteFailed>
  /**
   * The same by the names of the operations alone, as in a vector of the peer. That is no proof of one that it refused
   * because it knows another operation by that name: this one stays.
   */
  readonly settleByName: (peerId: PeerId, held: OperationSet.OperationSet) => Effect.Effect<void, WriteFailed>
  /** These operations have seals now: those that were refused for theirs are due at once. */
  readonly reviveUnsealed: (sealed: OperationSet.OperationSet) => Effect.Effect<void, WriteFailed>
  /** These operations were written again, under other names: what is kept of them for anybody goes. */
  readonly withdraw: (names: OperationSet.OperationSet) => Effect.Effect<void, WriteFailed>
  /** Nobody goes by this identity any more. */
  readonly forget: (peerId: PeerId) => Effect.Effect<void, WriteFailed>
  /** Operations kept for the peer, the discarded ones included: they are not sent with the others. */
  readonly refused: (peerId: PeerId) => OperationSet.OperationSet
  /** Those whose next attempt is due, the longest due first. */
  readonly due: (peerId: PeerId, limit: number) => Effect.Effect<ReadonlyArray<DeadLetter>, ReadFailed>
  /** An attempt got no answer: the next one waits, as if it had been refused. */
  readonly postpone: (id: number) => Effect.Effect<void, WriteFailed>
  /** Makes it due at once, also when it was discarded. Answers whether there is one of this id. */
  readonly revive: (id: number) => Effect.Effect<boolean, WriteFailed>
  /** Gives it up for good. Answers whether there is one of this id. */
  readonly discard: (id: number) => Effect.Effect<boolean, WriteFailed>
  /** The oldest first. */
  readonly list: (page: {
    readonly limit: number
    readonly offset: number
  }) => Effect.Effect<ReadonlyArray<Summary>, ReadFailed>
  readonly get: (id: number) => Effect.Effect<Option.Option<DeadLetter>, ReadFailed>
  /** How many wait for another attempt. */
  readonly depth: () => number
}>() {}

const FIRST_RETRY_MILLIS = 30_000
const MAX_RETRY_MILLIS = 3_600_000
/** A quota is new within a day. */
const MAX_LATER_MILLIS = 25 * 3_600_000
/** Each pause is drawn from this share of its length up to the whole of it. */
const JITTER = 0.2

/** How long the next attempt waits after so many in vain: 30 s · 2ⁿ, at most 1 h; `chance` is uniform in [0, 1). */
export const retryMillis = (attempts: number, chance: number): number =>
  Math.min(MAX_RETRY_MILLIS, FIRST_RETRY_MILLIS * 2 ** Math.min(attempts - 1, 30)) * (1 - JITTER * chance)

const summaryFields = {
  id: Schema.Int,
  peer_id: PeerId,
  op_id: OpId,
  kind: Schema.String,
  entity: Schema.String,
  origin: Origin,
  oseq: Schema.Int,
  reason: Schema.String,
  attempts: Schema.Int,
  failed_at: Stamp.Stamp,
  next_attempt_at: Stamp.Stamp,
  discarded: Schema.Int
}
const SummaryRow = Schema.Struct(summaryFields)
const LetterRow = Schema.Struct({
  ...summaryFields,
  operation: Schema.parseJson(OpLog.LogRow),
  seal: OpLog.SealedRow.fields.seal
})
const summaryColumns = Object.keys(summaryFields).join(", ")
/** The operation with the seal that it has by now. */
const LETTER_COLUMNS = `${summaryColumns}, operation,
  (SELECT seal FROM seals WHERE seals.origin = dead_letter.origin AND seals.oseq = dead_letter.oseq) AS seal`

const make = Effect.gen(function*() {
  const { writer } = yield* Sqlite
  const sql = yield* SqlClient.SqlClient
  const store = yield* MemoryStore
  const index = makeIndex(writer, yield* Metrics)
  const table = makeTable(writer)
  const selectPage = makeSelectPage(sql)
  const selectOne = makeSelectOne(sql)
  const selectDue = makeSelectDue(sql)

  const settling =
    (remove: (peerId: PeerId, held: OperationSet.OperationSet) => Removed): DeadLetters["Type"]["settle"] =>
    (peerId, held) =>
      Effect.suspend(() => {
        const settled = OperationSet.intersection(index.of(peerId), held)
        if (settled.size === 0) return Effect.void
        return Effect.map(
          store.local(() => remove(peerId, settled)),
          ({ removed, waiting }) => index.remove(peerId, removed, waiting)
        )
      })

  const settle = settling(table.removeHeld)

  return DeadLetters.of({
    add: (peerId, refusals) =>
      Effect.gen(function*() {
        const when = yield* schedule
        const { fresh, kept } = yield* store.local(() => {
          const kept = refusals.filter(({ operation }) => !table.isWithdrawn(operation))
          return { kept, fresh: kept.filter((refusal) => table.put(peerId, refusal, when)) }
        })
        index.add(peerId, kept.map(({ operation }) => operation), fresh.length)
        return fresh
      }),
    settle,
    withdraw: (names) =>
      Effect.suspend(() => Effect.forEach(index.peers(), (peerId) => settle(peerId, names), { discard: true })),
    settleByName: settling(table.removeUndisputed),
    reviveUnsealed: (sealed) =>
      Effect.suspend(() =>
        index.depth() === 0
          ? Effect.void
          : Effect.flatMap(schedule, ({ now }) => store.local(() => table.reviveUnsealed(sealed, now)))
      ),
    forget: (peerId) =>
      Effect.map(
        store.local(() => table.removePeer(peerId)),
        (waiting) => index.remove(peerId, index.of(peerId), waiting)
      ),
    refused: index.of,
    due: (peerId, limit) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => selectDue({ peerId, now: Stamp.fromMillis(now), limit })).pipe(
        Effect.map((rows) => rows.map(letterOf)),
        readFailed
      ),
    postpone: (id) => Effect.flatMap(schedule, (when) => store.local(() => table.postpone(id, when))),
    revive: (id) =>
      Effect.flatMap(schedule, ({ now }) => store.local(() => table.revive(id, now))).pipe(Effect.map(index.changed)),
    discard: (id) => Effect.map(store.local(() => table.discard(id)), index.changed),
    list: (page) => selectPage(page).pipe(Effect.map((rows) => rows.map(summaryOf)), readFailed),
    get: (id) => selectOne(id).pipe(Effect.map(Option.map(letterOf)), readFailed),
    depth: index.depth
  })
})

export const layer: Layer.Layer<DeadLetters, never, MemoryStore | Sqlite | SqlClient.SqlClient | Metrics> = Layer
  .effect(
    DeadLetters,
    make
  )

const makeSelectPage = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.Struct({ limit: Schema.Int, offset: Schema.Int }),
    Result: SummaryRow,
    execute: ({ limit, offset }) =>
      sql`SELECT ${sql.literal(summaryColumns)} FROM dead_letter ORDER BY id LIMIT ${limit} OFFSET ${offset}`
  })

const makeSelectOne = (sql: SqlClient.SqlClient) =>
  SqlSchema.findOne({
    Request: Schema.Int,
    Result: LetterRow,
    execute: (id) => sql`SELECT ${sql.literal(LETTER_COLUMNS)} FROM dead_letter WHERE id = ${id}`
  })

const makeSelectDue = (sql: SqlClient.SqlClient) =>
  SqlSchema.findAll({
    Request: Schema.Struct({ peerId: Schema.String, now: Schema.String, limit: Schema.Int }),
    Result: LetterRow,
    execute: ({ limit, now, peerId }) =>
      sql`SELECT ${sql.literal(LETTER_COLUMNS)} FROM dead_letter
          WHERE peer_id = ${peerId} AND discarded = 0 AND next_attempt_at <= ${now}
          ORDER BY next_attempt_at, id LIMIT ${limit}`
  })

const readFailed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (cause) => new ReadFailed({ cause }))

const summaryOf = (row: typeof SummaryRow.Type): Summary => ({
  id: row.id,
  peerId: row.peer_id,
  opId: row.op_id,
  kind: row.kind,
  entity: row.entity,
  origin: row.origin,
  oseq: row.oseq,
  reason: row.reason,
  attempts: row.attempts,
  failedAt: row.failed_at,
  nextAttemptAt: row.next_attempt_at,
  discarded: row.discarded === 1
})

const letterOf = (row: typeof LetterRow.Type): DeadLetter => ({
  ...summaryOf(row),
  operation: OpLog.fromRow({ ...row.operation, seal: row.seal })
})

const encodeOperation = Schema.encodeSync(Schema.parseJson(OpLog.LogRow))

const operationText = (operation: Operation): string =>
  encodeOperation({
    format: operation.format,
    origin: operation.origin,
    oseq: operation.oseq,
    op_id: operation.opId,
    hlc: operation.hlc,
    kind: operation.kind,
    entity: operation.entity,
    body: operation.body,
    base_hlc: operation.baseHlc,
    covers: operation.covers.map(({ hlc, id, origin }) => [id, hlc, origin] as const),
    hash: operation.hash,
    key_hash: operation.idempotency?.keyHash ?? null,
    request_hash: operation.idempotency?.requestHash ?? null,
    key_turn: operation.idempotency?.turn ?? 0,
    agent: operation.agent ?? null
  })

/** The moment, and the time of the attempt after so many in vain. */
interface Schedule {
  readonly now: Stamp.Stamp
  readonly next: (attempts: number, notBeforeMillis?: number) => Stamp.Stamp
}

const schedule: Effect.Effect<Schedule> = Effect.zipWith(Clock.currentTimeMillis, Random.next, (now, chance) => ({
  now: Stamp.fromMillis(now),
  next: (attempts, notBeforeMillis = 0) =>
    Stamp.fromMillis(now + Math.max(retryMillis(attempts, chance), Math.min(notBeforeMillis - now, MAX_LATER_MILLIS)))
}))

/** What a change of one row came to. `waiting`: by how much the number of those that wait has changed. */
interface Change {
  readonly found: boolean
  readonly waiting: number
}

/** The statements, for use inside the committer's transaction. */
const makeTable = (writer: Database.Database) => {
  const Known = Schema.UndefinedOr(Schema.Struct({ id: Schema.Int, attempts: Schema.Int, discarded: Schema.Int }))
  const known = Schema.decodeUnknownSync(Known)
  const selectOfPeer = writer.prepare(
    "SELECT id, attempts, discarded FROM dead_letter WHERE peer_id = ? AND op_id = ?"
  )
  const selectReissued = writer.prepare("SELECT 1 FROM reissued WHERE origin = ? AND oseq = ? AND op_id = ?")
  const selectById = writer.prepare("SELECT id, attempts, discarded FROM dead_letter WHERE id = ?")
  const insert = writer.prepare(
    `INSERT INTO dead_letter (peer_id, op_id, operation, reason, attempts, failed_at, origin, oseq, kind, entity,
       next_attempt_at) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)`
  )
  const repeat = writer.prepare("UPDATE dead_letter SET attempts = ?, reason = ?, next_attempt_at = ? WHERE id = ?")
  const wait = writer.prepare("UPDATE dead_letter SET attempts = ?, next_attempt_at = ? WHERE id = ?")
  const setDue = writer.prepare("UPDATE dead_letter SET next_attempt_at = ?, discarded = 0 WHERE id = ?")
  const setSealed = writer.prepare(
    `UPDATE dead_letter SET next_attempt_at = ? WHERE origin = ? AND oseq BETWEEN ? AND ? AND discarded = 0
     AND (${REASONS.map((reason) => `reason LIKE '${reason}:%'`).join(" OR ")})`
  )
  const setDiscarded = writer.prepare("UPDATE dead_letter SET discarded = 1 WHERE id = ?")

  return {
    isWithdrawn: ({ opId, origin, oseq }: Operation): boolean => selectReissued.get(origin, oseq, opId) !== undefined,
    /** Answers whether it is the first time. */
    put: (peerId: PeerId, { notBeforeMillis, operation, reason }: Refusal, when: Schedule): boolean => {
      const row = known(selectOfPeer.get(peerId, operation.opId))
      if (row !== undefined) {
        repeat.run(row.attempts + 1, reason, when.next(row.attempts + 1, notBeforeMillis), row.id)
        return false
      }
      insert.run(
        peerId,
        operation.opId,
        operationText(operation),
        reason,
        when.now,
        operation.origin,
        operation.oseq,
        operation.kind,
        operation.entity,
        when.next(1, notBeforeMillis)
      )
      return true
    },
    postpone: (id: number, when: Schedule): void => {
      const row = known(selectById.get(id))
      if (row !== undefined) wait.run(row.attempts + 1, when.next(row.attempts + 1), id)
    },
    revive: (id: number, now: Stamp.Stamp): Change => {
      const row = known(selectById.get(id))
      if (row === undefined) return { found: false, waiting: 0 }
      setDue.run(now, id)
      return { found: true, waiting: row.discarded }
    },
    reviveUnsealed: (sealed: OperationSet.OperationSet, now: Stamp.Stamp): void => {
      for (const { from, origin, to } of OperationSet.ranges(sealed)) setSealed.run(now, origin, from, to)
    },
    discard: (id: number): Change => {
      const row = known(selectById.get(id))
      if (row === undefined) return { found: false, waiting: 0 }
      setDiscarded.run(id)
      return { found: true, waiting: row.discarded - 1 }
    },
    ...makeRemovals(writer)
  }
}

/** What went, and how many of the rows waited for another attempt. */
interface Removed {
  readonly removed: OperationSet.OperationSet
  readonly waiting: number
}

/** What a peer says that knows another operation by the same name. */
const DISPUTED = "origin_reused"

/** What goes for good. Each answers how many of the rows waited for another attempt. */
const makeRemovals = (writer: Database.Database) => {
  const decode = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ discarded: Schema.Int })))
  const Gone = Schema.Struct({ origin: Origin, oseq: Schema.Int, discarded: Schema.Int })
  const decodeGone = Schema.decodeUnknownSync(Schema.Array(Gone))
  const range = "DELETE FROM dead_letter WHERE peer_id = ? AND origin = ? AND oseq BETWEEN ? AND ?"
  const deleteRange = writer.prepare(`${range} RETURNING origin, oseq, discarded`)
  const deleteUndisputed = writer.prepare(
    `${range} AND reason NOT LIKE '${DISPUTED}%' RETURNING origin, oseq, discarded`
  )
  const removing = (statement: Database.Statement) => (peerId: PeerId, held: OperationSet.OperationSet): Removed => {
    const gone = OperationSet.ranges(held).flatMap(({ from, origin, to }) =>
      decodeGone(statement.all(peerId, origin, from, to))
    )
    return { removed: OperationSet.of(gone), waiting: gone.filter(({ discarded }) => discarded === 0).length }
  }
  const deletePeer = writer.prepare("DELETE FROM dead_letter WHERE peer_id = ? RETURNING discarded")
  const countWaiting = (rows: ReadonlyArray<unknown>) => decode(rows).filter(({ discarded }) => discarded === 0).length

  return {
    removeHeld: removing(deleteRange),
    removeUndisputed: removing(deleteUndisputed),
    removePeer: (peerId: PeerId): number => countWaiting(deletePeer.all(peerId))
  }
}

/** What the table holds, by peer, kept in memory: asked before each page that is sent. Changed once the table has. */
const makeIndex = (writer: Database.Database, metrics: Metrics["Type"]) => {
  const Row = Schema.Struct({
    peer_id: PeerId,
    origin: Origin,
    oseq: Schema.Int,
    discarded: Schema.Int
  })
  const rows = Schema.decodeUnknownSync(Schema.Array(Row))(
    writer.prepare("SELECT peer_id, origin, oseq, discarded FROM dead_letter WHERE origin IS NOT NULL").all()
  )
  const refused = new Map<PeerId, OperationSet.OperationSet>()
  for (const peerId of new Set(rows.map(({ peer_id }) => peer_id))) {
    refused.set(peerId, OperationSet.of(rows.filter(({ peer_id }) => peer_id === peerId)))
  }
  let depth = rows.filter(({ discarded }) => discarded === 0).length
  const wait = (more: number) => {
    depth += more
    metrics.deadLetterDepth(depth)
  }
  wait(0)
  const of = (peerId: PeerId) => refused.get(peerId) ?? OperationSet.empty

  return {
    of,
    peers: () => Array.from(refused.keys()),
    depth: () => depth,
    add: (peerId: PeerId, operations: ReadonlyArray<Operation>, fresh: number): void => {
      refused.set(peerId, OperationSet.union(of(peerId), OperationSet.of(operations)))
      metrics.quarantined(fresh)
      wait(fresh)
    },
    remove: (peerId: PeerId, settled: OperationSet.OperationSet, waiting: number): void => {
      const left = OperationSet.difference(of(peerId), settled)
      if (left.size === 0) refused.delete(peerId)
      else refused.set(peerId, left)
      wait(-waiting)
    },
    changed: ({ found, waiting }: Change): boolean => {
      wait(waiting)
      return found
    }
  }
}
