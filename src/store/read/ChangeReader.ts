import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { Change, Wanted } from "../../domain/Change.js"
import { allows, type Namespaces } from "../../domain/namespaces.js"
import { EXPIRES_AFTER } from "../../domain/PendingAction.js"
import * as Stamp from "../../domain/Stamp.js"
import { changeOf, expiryOf, TOLD } from "../../replication/changes.js"
import type { Operation } from "../../replication/Operation.js"
import { ofLog, type Payload } from "../../replication/Payload.js"
import * as VersionVector from "../../replication/VersionVector.js"
import * as touching from "../deciding/touching.js"
import { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { bytesOf, fromRow, LogRow } from "../log/OpLog.js"
import { Sqlite } from "../log/Sqlite.js"
import { many, one } from "../log/statements.js"
import * as Versions from "../log/versions.js"
import * as Scope from "../Scope.js"

/** What somebody has heard of, on whichever node. */
export interface Position {
  /** The operations whose changes were told, or looked at and passed over. */
  readonly held: VersionVector.VersionVector
  /** Of what was asked for up to then it was told that nobody decided in time. */
  readonly expired: Stamp.Stamp
}

/** What this node has, and when. */
interface Now {
  readonly vector: VersionVector.VersionVector
  readonly millis: number
}

export interface Page {
  /** Of each origin in its order. */
  readonly changes: ReadonlyArray<Change>
  readonly next: Position
  /** There is more here already. */
  readonly more: boolean
}

/**
 * Reads the log as changes, in the order of each origin, within the namespaces of whoever asks. What has no effect is no change; what
 * becomes so later, or is heard of for a second time, was told.
 */
export class ChangeReader extends Context.Tag("quorate/store/ChangeReader")<ChangeReader, {
  readonly after: (
    since: Position,
    now: Now,
    asked: { readonly wanted: Wanted; readonly limit: number }
  ) => Effect.Effect<Page, ReadFailed>
  /** One change again, by its name; null where it is here no more. */
  readonly again: (name: Pick<Change, "origin" | "seq" | "event">) => Effect.Effect<Change | null, ReadFailed>
}>() {}

/** Rows of one origin that are read in one go. */
const ROWS_PER_STEP = 64
/** Rows of the log that are looked at for one page, and what they hold. */
const MAX_ROWS = 4_096
const MAX_BYTES = 8 * 1024 * 1024

/**
 * What follows on a gap waits for the gap to be closed, as catch-up does it within seconds; so much older than that, it is told before
 * what lacks, which is told when it comes.
 */
const GAP_PATIENCE = Duration.minutes(10)

const make = Effect.gen(function*() {
  const { file } = yield* Sqlite
  let opened: Reads | null = null
  let db: Database.Database | null = null
  yield* Effect.addFinalizer(() => Effect.sync(() => db?.close()))
  const reads = () => {
    if (opened === null) {
      db = new Database(file, { readonly: true, fileMustExist: true })
      opened = readsOf(db)
    }
    return opened
  }
  const attempt = <A>(read: (from: Reads) => A) =>
    Effect.try({ try: () => read(reads()), catch: (cause) => new ReadFailed({ cause }) })

  return ChangeReader.of({
    again: ({ event, origin, seq }) =>
      attempt(({ at, changesOf }) => {
        const row = at(origin, seq)
        return row === null ? null : changesOf(row, null).find((change) => change.event === event) ?? null
      }),
    after: (since, now, asked) =>
      Effect.gen(function*() {
        const reach = yield* FiberRef.get(Scope.current)
        const page = pageOf({ since, now, ...asked, reach })
        for (;;) {
          if (!(yield* attempt(page.step))) break
          yield* eventLoopTurn
        }
        return yield* attempt(page.end)
      })
  })
})

export const layer: Layer.Layer<ChangeReader, never, Sqlite> = Layer.scoped(ChangeReader, make)

interface Asked {
  readonly since: Position
  readonly now: Now
  readonly wanted: Wanted
  readonly limit: number
  readonly reach: Namespaces | null
}

type Range = VersionVector.OriginRange

/** A page that is made step by step: each reads some rows of every origin that has more, so that none has to wait for another. */
const pageOf = ({ limit, now, reach, since, wanted }: Asked) => {
  const changes: Array<Change> = []
  let held = since.held
  let rows = 0
  let bytes = 0
  let left: ReadonlyArray<Range> | null = null
  const isFull = () => changes.length >= limit || rows >= MAX_ROWS || bytes >= MAX_BYTES
  const take = (all: ReadonlyArray<Change>) => changes.push(...all.filter(wantedBy(wanted)))

  /** Answers what is left of the range. */
  const read = (from: Reads, range: Range, most: number): Range | null => {
    const found = from.rows(range.origin, range.from, range.to, most)
    let upTo = found.length < most ? range.to : range.from - 1
    for (const row of found) {
      if (isFull()) {
        upTo = row.oseq - 1
        break
      }
      rows += 1
      bytes += bytesOf(row.operation)
      if (row.isEffective) take(from.changesOf(row, { reach, expired: since.expired }))
      if (upTo < range.to) upTo = row.oseq
    }
    if (upTo >= range.from) held = VersionVector.merge(held, through({ ...range, to: upTo }))
    return upTo < range.to ? { ...range, from: upTo + 1 } : null
  }

  return {
    /** Whether there is more to be read for this page. */
    step: (from: Reads): boolean => {
      left ??= VersionVector.missing(now.vector, since.held).filter(isDue(from, since.held, now.millis))
      const most = Math.min(Math.max(Math.ceil(limit / Math.max(left.length, 1)), 1), ROWS_PER_STEP)
      const rest: Array<Range> = []
      for (const range of left) {
        const isBehind = isFull() || rest.some(({ origin }) => origin === range.origin)
        const remains = isBehind ? range : read(from, range, most)
        if (remains !== null) rest.push(remains)
      }
      left = rest
      return rest.length > 0 && !isFull()
    },
    end: (from: Reads): Page => {
      const more = left !== null && left.length > 0
      const next = { held, expired: since.expired }
      if (more || isFull()) return { changes, next, more: true }
      const room = limit - changes.length
      const asked = from.expired(since.expired, cutoff(now.millis), room + 1)
      const taken = asked.slice(0, room)
      take(taken.flatMap((row) => seenBy(from, row, reach) ? [expiryOf(row.operation, row.payload)] : []))
      const isWhole = asked.length <= room
      const expired = isWhole ? later(since.expired, cutoff(now.millis)) : taken.at(-1)?.requestedAt ?? since.expired
      return { changes, next: { held, expired }, more: !isWhole }
    }
  }
}

const later = (a: Stamp.Stamp, b: Stamp.Stamp): Stamp.Stamp => a > b ? a : b

/** What was asked for up to then has expired. */
export const cutoff = (millis: number): Stamp.Stamp => Stamp.fromMillis(millis - Duration.toMillis(EXPIRES_AFTER))

const through = ({ from, origin, to }: Range): VersionVector.VersionVector =>
  VersionVector.fromEntries([[origin, { upto: 0, beyond: [[from, to]] }]])

/** Whether nothing lacks before a range, or it was waited for long enough. */
const isDue = (from: Reads, held: VersionVector.VersionVector, millis: number) => (range: Range): boolean => {
  if (range.from === 1 || VersionVector.contains(held, range.origin, range.from - 1)) return true
  const first = from.at(range.origin, range.from)
  return first === null || Stamp.toMillis(first.operation.hlc) < millis - Duration.toMillis(GAP_PATIENCE)
}

const wantedBy = ({ agentId, events, namespace }: Wanted) => (change: Change): boolean =>
  (namespace === undefined || allows([namespace], change.namespace)) &&
  (agentId === undefined || agentId === change.agentId) &&
  (events === undefined || events.has(change.event))

const Row = Schema.Struct({ ...LogRow.fields, isVoid: Schema.NullOr(Schema.Int) })

interface Written<P extends Payload = Payload> {
  readonly operation: Operation
  readonly payload: P
}

interface Found extends Written {
  readonly oseq: number
  /** It is not held without effect. */
  readonly isEffective: boolean
}

interface Expired extends Written<Payload<"pending">> {
  readonly requestedAt: Stamp.Stamp
}

type Reads = ReturnType<typeof readsOf>

const seenBy = ({ touched }: Reads, { operation, payload }: Written, reach: Namespaces | null): boolean =>
  reach === null || touching.shown(touched(operation, payload), reach) === "whole"

const readsOf = (db: Database.Database) => {
  const rowsOf = `SELECT o.*, v.whole AS isVoid FROM oplog o LEFT JOIN voids v USING (origin, oseq)`
  const kinds = TOLD.map((kind) => `'${kind}'`).join(", ")
  const selectRange = many(
    db,
    Row,
    `${rowsOf} WHERE o.origin = ? AND o.oseq BETWEEN ? AND ? AND o.kind IN (${kinds}) ORDER BY o.oseq LIMIT ?`
  )
  const selectOne = one(db, Row, `${rowsOf} WHERE o.origin = ? AND o.oseq = ?`)
  const touched = touching.make(db)
  const versions = Versions.make(db)
  const before = {
    memory: (ref: Parameters<typeof versions.ofMemory>[0]) => versions.ofMemory(ref)?.memory ?? null,
    given: versions.given,
    namespaceOf: touching.placesOf(db)
  }
  const { expired, isUndecided } = expiryReads(db)
  return {
    touched,
    expired,
    rows: (origin: string, from: number, to: number, most: number) => selectRange(origin, from, to, most).map(foundOf),
    at: (origin: string, oseq: number) => {
      const row = selectOne(origin, oseq)
      return row === null ? null : foundOf(row)
    },
    /** What is told of one operation to whoever has heard of what expired up to then, or all that could be. */
    changesOf: (
      { operation, payload }: Written,
      to: { readonly reach: Namespaces | null; readonly expired: Stamp.Stamp } | null
    ): ReadonlyArray<Change> => {
      const change = changeOf(operation, payload, before)
      const reach = to?.reach ?? null
      if (change === null) return []
      if (reach !== null && touching.shown(touched(operation, payload), reach) !== "whole") return []
      if (payload.kind !== "pending") return [change]
      const isLate = to === null || (payload.action.requested_at <= to.expired && isUndecided(payload.action.id))
      return isLate ? [change, expiryOf(operation, payload)] : [change]
    }
  }
}

const foundOf = ({ isVoid, ...row }: typeof Row.Type): Found => {
  const operation = fromRow(row)
  return { oseq: row.oseq, operation, payload: ofLog(operation), isEffective: isVoid !== 1 }
}

/** An action is stamped when it is asked for, give or take; what an original node brought may be older. */
const SLACK = Duration.days(1)

const expiryReads = (db: Database.Database) => {
  const select = many(
    db,
    Row,
    `SELECT o.*, NULL AS isVoid FROM objects p CROSS JOIN oplog o ON o.origin = p.origin AND o.oseq = p.oseq
     WHERE p.type = 'pending' AND p.current = 1 AND p.hlc > ?
       AND json_extract(p.body, '$.requested_at') > ? AND json_extract(p.body, '$.requested_at') <= ?
       AND NOT EXISTS (SELECT 1 FROM objects d WHERE d.type = 'decision' AND d.key = p.key)
     ORDER BY json_extract(p.body, '$.requested_at'), p.key LIMIT ?`
  )
  const decided = one(
    db,
    Schema.Struct({ found: Schema.Int }),
    "SELECT 1 AS found FROM objects WHERE type = 'decision' AND key = ? LIMIT 1"
  )
  return {
    isUndecided: (id: string) => decided(id) === null,
    /** What was asked for after the one stamp up to the other, and nobody decided, the oldest first. */
    expired: (after: Stamp.Stamp, upTo: Stamp.Stamp, limit: number): ReadonlyArray<Expired> =>
      upTo <= after
        ? []
        : select(Stamp.fromMillis(Stamp.toMillis(after) - Duration.toMillis(SLACK)), after, upTo, limit).flatMap(
          (row) => {
            const { operation, payload } = foundOf(row)
            const requestedAt = payload.kind === "pending" ? Stamp.parse(payload.action.requested_at) : null
            return payload.kind === "pending" && requestedAt !== null && requestedAt._tag === "Some"
              ? [{ operation, payload, requestedAt: requestedAt.value }]
              : []
          }
        )
  }
}
