import type Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Hlc from "../../domain/Hlc.js"
import { NodeId, OpId, Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { Kind } from "../../replication/kinds.js"
import { Covers, encodeCovers, Format, type Keyed, NEWEST_FORMAT, type Operation } from "../../replication/Operation.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { ClockBehind } from "../errors.js"
import * as Incarnation from "./incarnation.js"
import type { Tide } from "./TideMark.js"

/** A stamp further ahead of the local clock than this is refused, and a clock further behind its own stamps writes nothing. */
export const MAX_DRIFT_MILLIS = 60_000

/** What this node has accepted so far, and the clock that orders it. Saved and restored with the transaction. */
interface LogState {
  readonly own: Own
  readonly vector: VersionVector.VersionVector
  readonly clock: Hlc.Hlc
  /** Origins whose row of `version_vector` this transaction must write. */
  readonly dirty: ReadonlyArray<Origin>
  readonly appended: number
}

/** Under which name this node writes. */
interface Own {
  readonly incarnation: number
  readonly origin: Origin
}

/** The operation log as the committer's jobs see it: synchronous, inside the open transaction. */
export interface OpLog {
  readonly origin: () => Origin
  /** What the next local operation is written in. */
  readonly format: () => Format
  /** From now on that is the newest format for which this is true. */
  readonly agreeOn: (offered: (format: Format) => boolean) => void
  /** How far this node has written under that. */
  readonly tide: () => Tide
  readonly state: () => LogState
  readonly restore: (state: LogState) => void
  /** The stamp of the next local operation; the clock moves on when the operation is appended. */
  readonly nextStamp: (wallMillis: number) => Either.Either<Stamp.Stamp, ClockBehind>
  readonly holds: (origin: Origin, oseq: number) => boolean
  readonly hashAt: (origin: Origin, oseq: number) => string | undefined
  /** The operations that a client's key stands for, in the order they were written. */
  readonly byKey: (keyHash: string) => ReadonlyArray<Operation>
  readonly append: (operation: Operation) => void
  /** Writes vector and clock, once per transaction; answers how many operations it appended. */
  readonly finish: () => number
  /** Writes without changing anything. */
  readonly probe: () => void
  /** From now on this node writes under a new origin, because someone else may have used the old one. */
  readonly renewIncarnation: () => void
}

const Identity = Schema.Struct({ node_id: NodeId, incarnation: Schema.Int, clock: Stamp.Stamp })
const VectorRow = Schema.Struct({ origin: Origin, entry: Schema.String })

/** A row of `oplog` as it comes from SQLite. */
export const LogRow = Schema.Struct({
  // A dead letter of version 0.2.0 does not say.
  format: Schema.optionalWith(Format, { default: () => 1 }),
  origin: Origin,
  oseq: Schema.Int,
  op_id: OpId,
  hlc: Stamp.Stamp,
  kind: Kind,
  entity: Schema.String,
  body: Schema.NullOr(Schema.String),
  base_hlc: Schema.NullOr(Stamp.Stamp),
  covers: Schema.parseJson(Covers),
  hash: Schema.String,
  key_hash: Schema.NullOr(Schema.String),
  request_hash: Schema.NullOr(Schema.String),
  key_turn: Schema.optionalWith(Schema.Int, { default: () => 0 })
})

export const fromRow = (row: typeof LogRow.Type): Operation => ({
  format: row.format,
  opId: row.op_id,
  origin: row.origin,
  oseq: row.oseq,
  hlc: row.hlc,
  kind: row.kind,
  entity: row.entity,
  body: row.body,
  baseHlc: row.base_hlc,
  covers: row.covers.map(([id, hlc, origin]) => ({ id, hlc, origin })),
  hash: row.hash,
  idempotency: row.key_hash === null || row.request_hash === null
    ? null
    : { keyHash: row.key_hash, requestHash: row.request_hash, turn: row.key_turn }
})

const decodeRow = Schema.decodeUnknownSync(LogRow)

/** Opens the log of the database behind `writer`; mints the node's identity when the file is new. */
export const make = (writer: Database.Database, mint: () => string, configuredId: Option.Option<NodeId>): OpLog => {
  const identity = openIdentity(writer, mint, configuredId)
  const nodeId = identity.node_id
  let isOffered: (format: Format) => boolean = () => true
  let state = stateOf(identity, readVector(writer))

  const insert = makeInsert(writer)
  const selectHash = writer.prepare("SELECT hash FROM oplog WHERE origin = ? AND oseq = ?").pluck()
  const selectByKey = writer.prepare("SELECT * FROM oplog WHERE key_hash = ? ORDER BY lsn")
  const { writeClock, writeIncarnation, writeVector } = writesOf(writer)

  return {
    origin: () => state.own.origin,
    format: () => isOffered(NEWEST_FORMAT) ? NEWEST_FORMAT : 1,
    agreeOn: (offered) => {
      isOffered = offered
    },
    tide: () => ({
      incarnation: state.own.incarnation,
      oseq: VersionVector.upto(state.vector, state.own.origin)
    }),
    state: () => state,
    restore: (saved) => {
      state = saved
    },
    nextStamp: (wallMillis) => {
      const behindMillis = state.clock.millis - wallMillis
      return behindMillis > MAX_DRIFT_MILLIS
        ? Either.left(new ClockBehind({ behindMillis }))
        : Either.right(Hlc.toStamp(Hlc.tick(state.clock, wallMillis)))
    },
    holds: (of, oseq) => VersionVector.contains(state.vector, of, oseq),
    hashAt: (of, oseq) => {
      const hash = selectHash.get(of, oseq)
      return typeof hash === "string" ? hash : undefined
    },
    byKey: (keyHash) => selectByKey.all(keyHash).map((row) => fromRow(decodeRow(row))),
    append: (op) => {
      insert(op)
      const stamped = Hlc.fromStamp(op.hlc)
      state = {
        own: state.own,
        vector: VersionVector.add(state.vector, op.origin, op.oseq),
        clock: Hlc.compare(stamped, state.clock) > 0 ? stamped : state.clock,
        dirty: state.dirty.includes(op.origin) ? state.dirty : [...state.dirty, op.origin],
        appended: state.appended + 1
      }
    },
    finish: () => {
      const { appended, clock, dirty, own, vector } = state
      if (appended === 0) return 0
      for (const of of dirty) writeVector.run(of, entryText(vector, of))
      writeClock.run(Hlc.toStamp(clock))
      state = { own, vector, clock, dirty: [], appended: 0 }
      return appended
    },
    probe: () => {
      writeClock.run(Hlc.toStamp(state.clock))
    },
    renewIncarnation: () => {
      const incarnation = Incarnation.fresh(writer, state.own.incarnation)
      writeIncarnation.run(incarnation)
      state = { ...state, own: ownOf(nodeId, incarnation) }
    }
  }
}

const stateOf = ({ clock, incarnation, node_id }: typeof Identity.Type, vector: LogState["vector"]): LogState => ({
  own: ownOf(node_id, incarnation),
  vector,
  clock: Hlc.fromStamp(clock),
  dirty: [],
  appended: 0
})

/** Who this node is: what it is told, else what its file says, which is minted when the file is new. */
const openIdentity = (
  writer: Database.Database,
  mint: () => string,
  configuredId: Option.Option<NodeId>
): typeof Identity.Type => {
  const insert = writer.prepare(
    "INSERT OR IGNORE INTO node_identity (only_row, node_id, incarnation, clock) VALUES (1, ?, ?, ?)"
  )
  const mintedId = Option.getOrElse(configuredId, () => NodeId.make(mint()))
  insert.run(mintedId, Incarnation.fresh(writer, 0), Hlc.toStamp(Hlc.zero))
  const identity = Schema.decodeUnknownSync(Identity)(
    writer.prepare("SELECT node_id, incarnation, clock FROM node_identity").get()
  )
  const nodeId = Option.getOrElse(configuredId, () => identity.node_id)
  if (nodeId === identity.node_id) return identity
  // A node of that name may have been at the same incarnation.
  const incarnation = Incarnation.fresh(writer, identity.incarnation)
  writer.prepare("UPDATE node_identity SET node_id = ?, incarnation = ?").run(nodeId, incarnation)
  return { ...identity, node_id: nodeId, incarnation }
}

const writesOf = (writer: Database.Database) => ({
  writeVector: writer.prepare(
    "INSERT INTO version_vector (origin, entry) VALUES (?, ?) ON CONFLICT (origin) DO UPDATE SET entry = excluded.entry"
  ),
  writeClock: writer.prepare("UPDATE node_identity SET clock = ?"),
  writeIncarnation: writer.prepare("UPDATE node_identity SET incarnation = ?")
})

const makeInsert = (writer: Database.Database) => {
  const statement = writer.prepare(
    `INSERT INTO oplog (format, origin, oseq, op_id, hlc, kind, entity, body, base_hlc, covers, hash, key_hash,
       request_hash, key_turn)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  return (op: Operation): void => {
    statement.run(
      op.format,
      op.origin,
      op.oseq,
      op.opId,
      op.hlc,
      op.kind,
      op.entity,
      op.body,
      op.baseHlc,
      encodeCovers(op.covers),
      op.hash,
      op.idempotency?.keyHash ?? null,
      op.idempotency?.requestHash ?? null,
      op.idempotency?.turn ?? 0
    )
  }
}

const ownOf = (nodeId: NodeId, incarnation: number): Own => ({
  incarnation,
  origin: Origin.make(`${nodeId}/${incarnation}`)
})

/** The node that owns an origin. */
export const nodeOf = (origin: Origin): NodeId => NodeId.make(origin.slice(0, origin.lastIndexOf("/")))

/** The next operation of this node, complete but for its hash. */
export const nextOperation = (
  log: OpLog,
  parts: Pick<Operation, "format" | "opId" | "hlc" | "kind" | "entity" | "body" | "baseHlc" | "covers"> & {
    readonly idempotency: Keyed | null
  }
): Omit<Operation, "hash"> => ({
  ...parts,
  origin: log.origin(),
  oseq: VersionVector.upto(log.state().vector, log.origin()) + 1
})

const entryText = (vector: VersionVector.VersionVector, origin: Origin): string =>
  JSON.stringify(VersionVector.toJson(new Map([[origin, VersionVector.entry(vector, origin)]]))[origin])

const readVector = (writer: Database.Database): VersionVector.VersionVector => {
  const rows = Schema.decodeUnknownSync(Schema.Array(VectorRow))(
    writer.prepare("SELECT origin, entry FROM version_vector").all()
  )
  const wire: Record<string, unknown> = {}
  for (const row of rows) wire[row.origin] = JSON.parse(row.entry)
  return Schema.decodeUnknownSync(VersionVector.Stored)(wire)
}
