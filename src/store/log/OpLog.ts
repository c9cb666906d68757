import type Database from "better-sqlite3"
import type * as Clock from "effect/Clock"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Authors } from "../../access/Authors.js"
import * as Hlc from "../../domain/Hlc.js"
import { NodeId, OpId, Origin } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"
import { Kind } from "../../replication/kinds.js"
import { Covers, encodeCovers, Format, type Keyed, NEWEST_FORMAT, type Operation } from "../../replication/Operation.js"
import { formerNames, type Name } from "../../replication/reissue.js"
import type { Stub } from "../../replication/Stub.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { Identity, SELECT_IDENTITY } from "./Identity.js"
import * as Incarnation from "./incarnation.js"
import * as Seals from "./Seals.js"
import { many } from "./statements.js"
import type { Steps } from "./Steps.js"
import * as Stubs from "./Stubs.js"
import type { Tide } from "./TideMark.js"

/**
 * Origins that a node takes operations of, and gaps that it keeps of one. Everything that compares vectors costs as much as
 * they are long, on every node: whoever makes up names must not make all of them slow.
 */
export const MAX_ORIGINS = 2048
export const MAX_GAPS = 256

/** What this node has accepted so far, and the clock that orders what it writes. Saved and restored with the transaction. */
interface LogState {
  readonly own: Own
  readonly vector: VersionVector.VersionVector
  /** How many of these are held by their names alone. */
  readonly withheld: number
  /** What the next stamp is counted from. It begins anew with each run. */
  readonly clock: Hlc.Hlc
  /** The highest stamp that it ever wrote or took. */
  readonly newest: Hlc.Hlc
  readonly sealed: Seals.Sealed
  /** Origins whose row of `version_vector` this transaction must write. */
  readonly dirty: ReadonlyArray<Origin>
  readonly appended: number
  /** What this node wrote in this transaction, the last one first: it is sealed at its end. */
  readonly unsealed: Unsealed | null
  /** What came into the log in this transaction otherwise than from the site, the last one first. */
  readonly brought: Brought | null
  /** What comes in comes from the site. */
  readonly isFollowing: boolean
}

interface Brought {
  readonly item: Shared
  readonly before: Brought | null
}

/** Something of the log that the daemons of a site tell each other. */
export type Shared = { readonly operation: Operation } | { readonly stub: Stub }

interface Unsealed {
  readonly operation: Operation
  readonly before: Unsealed | null
}

/** Under which name this node writes. */
interface Own {
  readonly incarnation: number
  readonly origin: Origin
  readonly isFresh: boolean
}

/** A part of the log: rows after a position, and of what is looked for at most so many. */
export interface From {
  readonly after: number
  readonly limit: number
}

interface OwnAfter {
  readonly found: ReadonlyArray<Operation>
  /** After which position to go on; null when that was all. */
  readonly next: number | null
}

/** The operation log as the committer's jobs see it: synchronous, inside the open transaction. */
export interface OpLog {
  readonly origin: () => Origin
  /** What the next local operation is written in. */
  readonly format: () => Format
  /** From now on that is the newest format for which this is true. */
  readonly agreeOn: (offered: (format: Format) => boolean) => void
  /** Whether nobody else can have written under that, because it was made up in this run. */
  readonly isFresh: () => boolean
  /** Whether it is an origin of this node that a copy of its database may have written under, too. */
  readonly isDoubtful: (origin: Origin) => boolean
  /** How far this node has written under that. */
  readonly tide: () => Tide
  readonly state: () => LogState
  readonly restore: (state: LogState) => void
  /**
   * The stamp of the next local operation, which comes after what it was decided by, unless that is too far ahead to be
   * followed; the clock moves on when the operation is appended.
   */
  readonly nextStamp: (wallMillis: number, seen: Stamp.Stamp | null) => Stamp.Stamp
  readonly holds: (origin: Origin, oseq: number) => boolean
  /** Why there is no room for one more origin, or one more gap; null when there is. Filling a gap needs none. */
  readonly lacksRoom: (origin: Origin, oseq: number) => string | null
  readonly hashAt: (origin: Origin, oseq: number) => string | undefined
  /** Of what is held by its name alone. */
  readonly stubAt: Stubs.Stubs["at"]
  /** The operations that a client's key stands for, in the order they were written. */
  readonly byKey: (keyHash: string) => Steps<ReadonlyArray<Operation>>
  readonly at: (name: Name) => Operation | null
  /** The quarantine that an origin stamped so; the first of several. */
  readonly quarantine: (origin: Origin, hlc: Stamp.Stamp) => Operation | null
  /** The newest stamp that it ever wrote or took. */
  readonly newest: () => Stamp.Stamp
  /** Operations of this node's own, of any run, that are stamped later than that, in the order of the log. */
  readonly ownAfter: (stamp: Stamp.Stamp, from: From) => OwnAfter
  /** How many rows the log ever had up to an operation, or up to now: what comes later is after it, whatever its stamp. */
  readonly position: (name?: Name) => number
  /** What others wrote, with its seal where it has one. */
  readonly append: (operation: Operation) => void
  /** What this node writes: it is sealed with all that its transaction writes. */
  readonly appendOwn: (operation: Operation) => void
  /** An operation that is held came once more, with a seal. */
  readonly keepSeal: (operation: Operation) => void
  /** Seals operations of this node's own, as far as they are still held as they are: answers those. */
  readonly endorse: (operations: ReadonlyArray<Operation>) => ReadonlyArray<Operation>
  /** An operation with the seal that it has by now. */
  readonly sealedForm: (operation: Operation) => Operation
  /** An origin belongs to one key: where this node's is another one's by now, it writes under a new one from now on. */
  readonly keepToKey: () => void
  readonly appendStub: (stub: Stub) => void
  /** Takes an operation out, which was written again under another name. The caller takes out what it came to. */
  readonly remove: (name: Name) => void
  /** Whether the operation was written again under another name, and this one must not come in any more. */
  readonly isReissued: (operation: Pick<Operation, "opId" | "origin" | "oseq">) => boolean
  /** Writes vector and clock, once per transaction; answers how many operations it appended. */
  readonly finish: () => number
  /** What comes into the log by this is known to the site. */
  readonly following: <A>(job: () => A) => A
  /** What the site does not know yet, each with its seal; from now on it is taken for known. */
  readonly takeBrought: () => ReadonlyArray<Shared>
  /** Writes without changing anything. */
  readonly probe: () => void
  /** From now on this node writes under a new origin, because someone else may have used the old one. */
  readonly renewIncarnation: () => void
}

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
  key_turn: Schema.optionalWith(Schema.Int, { default: () => 0 }),
  agent: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null })
})

/** The same with its seal, where it has one. */
export const SealedRow = Schema.Struct({ ...LogRow.fields, seal: Schema.NullOr(Schema.Uint8ArrayFromSelf) })

/** Reads such rows. */
export const SEALED_ROWS = "SELECT oplog.*, seals.seal FROM oplog LEFT JOIN seals USING (origin, oseq)"

/** Of such a row what a version of something is made of. */
export const VersionRow = LogRow.pick("hlc", "origin", "oseq", "hash", "kind", "entity", "body")

export const fromRow = (row: typeof LogRow.Type & { readonly seal?: Uint8Array | null }): Operation => ({
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
    : { keyHash: row.key_hash, requestHash: row.request_hash, turn: row.key_turn },
  ...(row.agent === null ? {} : { agent: row.agent }),
  ...(row.seal === undefined || row.seal === null ? {} : { seal: Buffer.from(row.seal).toString("base64") })
})

const decodeRow = Schema.decodeUnknownSync(LogRow)
const decodeSealed = Schema.decodeUnknownSync(SealedRow)

/** Opens the log of the database behind `writer`; mints the node's identity when the file is new. */
export const make = (writer: Database.Database, options: {
  readonly mint: () => string
  readonly configuredId: Option.Option<NodeId>
  /** The database got a new incarnation when it was opened. */
  readonly isRenewed: boolean
  readonly clock: Clock.Clock
  readonly authors: Authors
  /** There is a site that is to hear what comes in. */
  readonly isShared?: boolean
}): OpLog => {
  const identity = openIdentity(writer, options)
  const nodeId = identity.node_id
  let isOffered: (format: Format) => boolean = () => true
  const stubs = Stubs.make(writer)
  let state = stateOf(identity, readVector(writer), { sealed: Seals.read(writer), withheld: stubs.count() })

  const { writeClock, writeIncarnation, writeVector } = writesOf(writer)
  const reads = readsOf(writer)

  const restore = (saved: LogState) => {
    state = saved
  }
  const renewIncarnation = () => {
    const incarnation = Incarnation.fresh(writer, state.own.incarnation)
    writeIncarnation.run(incarnation)
    state = { ...state, own: ownOf(nodeId, incarnation, true) }
  }
  const log = { state: () => state, restore, hashAt: reads.hashAt, renewIncarnation }
  const { bring, takeBrought, ...site } = broughtOf(log, options.isShared ?? false)
  const { sealWritten, ...changes } = changesOf(writer, log, { ...options, nodeId, stubs, bring })

  return {
    origin: () => state.own.origin,
    isFresh: () => state.own.isFresh,
    isDoubtful: (of) => of === state.own.origin ? !state.own.isFresh : nodeOf(of) === nodeId,
    format: () => isOffered(NEWEST_FORMAT) ? NEWEST_FORMAT : 1,
    agreeOn: (offered) => {
      isOffered = offered
    },
    tide: () => tideOf(state),
    state: log.state,
    restore,
    nextStamp: (wall, seen) => {
      const last = Hlc.base(state.clock, wall)
      const after = seen === null ? last : Hlc.later(last, Hlc.base(Hlc.fromStamp(seen), wall))
      return Hlc.toStamp(Hlc.tick(after, wall))
    },
    holds: (of, oseq) => VersionVector.contains(state.vector, of, oseq),
    ...reads,
    newest: () => Hlc.toStamp(state.newest),
    ownAfter: makeOwnAfter(writer, nodeId, () => state, reads.position),
    lacksRoom: (of, oseq) => lacksRoom(state.vector, of, oseq),
    ...changes,
    ...site,
    takeBrought: () => takeBrought(changes.sealedForm),
    finish: () => {
      sealWritten()
      const { appended, dirty } = state
      for (const of of dirty) writeVector(state, of)
      state = { ...state, dirty: [], appended: 0 }
      return appended
    },
    probe: () => {
      writeClock.run(Hlc.toStamp(state.newest))
    },
    renewIncarnation
  }
}

/** What the changes of the log need to know beside it. */
interface Beside {
  readonly authors: Authors
  readonly clock: Clock.Clock
  readonly nodeId: NodeId
  readonly stubs: Stubs.Stubs
  /** Told of what comes in. */
  readonly bring: (item: Shared) => void
}

/** What comes into the log and goes out of it, with the seals. */
const changesOf = (
  writer: Database.Database,
  { hashAt, renewIncarnation, restore, state }: Pick<OpLog, "state" | "restore" | "hashAt" | "renewIncarnation">,
  { authors, bring, clock, nodeId, stubs }: Beside
) => {
  const insert = makeInsert(writer)
  const former = makeFormer(writer)
  const seals = Seals.make(writer, authors, nodeId)
  const { keepSeal, sealOwn } = sealingOf(seals, { state, restore })
  const add = (operation: Operation) => {
    insert(operation)
    former.note(operation)
    restore(withOperation(state(), operation, clock.unsafeCurrentTimeMillis()))
    bring({ operation })
  }
  const { unveil, ...names } = stubsOf(stubs, { state, restore })
  const keepToKey = () => {
    const { own, sealed } = state()
    const bound = sealed.keys.get(own.origin)
    if (bound !== undefined && bound !== authors.signerOf(nodeId)?.publicKey.hex) renewIncarnation()
  }

  return {
    append: (op: Operation) => {
      unveil(op)
      add(op)
      keepSeal(op)
    },
    stubAt: names.at,
    appendStub: (stub: Stub) => {
      names.put(stub)
      former.note({ opId: stub.opId, covers: stub.ends?.covers ?? [] })
      restore(withOperation(state(), stub, clock.unsafeCurrentTimeMillis()))
      keepSeal(stub)
      bring({ stub })
    },
    appendOwn: (op: Operation) => {
      add(op)
      restore({ ...state(), unsealed: { operation: op, before: state().unsealed } })
    },
    keepSeal: (operation: Operation) => {
      const before = state().sealed
      keepSeal(operation)
      if (state().sealed !== before) bring({ operation })
    },
    sealWritten: () => {
      if (state().unsealed === null) return
      sealOwn(inOrder(state().unsealed))
      restore({ ...state(), unsealed: null })
    },
    endorse: (operations: ReadonlyArray<Operation>) => {
      // What is sealed anew tells no more that the name was the former key's.
      keepToKey()
      const held = operations.filter(({ hash, origin, oseq }) => hashAt(origin, oseq) === hash)
      sealOwn(held)
      // With the new seals, which stand beside the log.
      for (const { seal: _, ...operation } of held) bring({ operation })
      return held
    },
    sealedForm: (operation: Operation) => seals.sealedForm(state().sealed, operation),
    keepToKey,
    remove: (name: Name) => {
      former.remove(name.origin, name.oseq)
      unveil(name)
      restore(withoutOperation(state(), name, seals.remove(state().sealed, name)))
    },
    isReissued: former.isKnown
  }
}

/** The seals, with what the state knows of them. */
const sealingOf = (seals: ReturnType<typeof Seals.make>, { restore, state }: Pick<OpLog, "state" | "restore">) => {
  const set = (sealed: Seals.Sealed, origins: ReadonlyArray<Origin>) => {
    const before = state()
    if (sealed === before.sealed) return
    restore({ ...before, sealed, dirty: origins.reduce((dirty, of) => dirtied({ dirty }, of), before.dirty) })
  }
  return {
    keepSeal: (op: Pick<Operation, "origin" | "oseq" | "seal">) => set(seals.keep(state().sealed, op), [op.origin]),
    sealOwn: (operations: ReadonlyArray<Operation>) => {
      const sealed = operations.length === 0 ? null : seals.sealOwn(state().sealed, operations)
      if (sealed !== null) set(sealed, operations.map(({ origin }) => origin))
    }
  }
}

/** What the site has to hear of, where there is one. */
const broughtOf = ({ restore, state }: Pick<OpLog, "state" | "restore">, isShared: boolean) => ({
  bring: (item: Shared) => {
    if (!isShared || state().isFollowing) return
    restore({ ...state(), brought: { item, before: state().brought } })
  },
  following: <A>(job: () => A): A => {
    restore({ ...state(), isFollowing: true })
    const done = job()
    restore({ ...state(), isFollowing: false })
    return done
  },
  takeBrought: (sealedForm: OpLog["sealedForm"]): ReadonlyArray<Shared> => {
    const brought = broughtInOrder(state().brought)
    if (brought.length > 0) restore({ ...state(), brought: null })
    return brought.map((each) => "stub" in each ? each : { operation: sealedForm(each.operation) })
  }
})

/** What is held by its name alone, with their number in the state. */
const stubsOf = (stubs: Stubs.Stubs, { restore, state }: Pick<OpLog, "state" | "restore">) => {
  const counted = (change: number) => restore({ ...state(), withheld: state().withheld + change })
  return {
    at: (name: Name): Stub | null => state().withheld === 0 ? null : stubs.at(name),
    put: (stub: Stub) => counted(stubs.put(stub)),
    /** It is not any more. */
    unveil: (name: Name) => {
      if (state().withheld > 0) counted(-stubs.remove(name))
    }
  }
}

const without = (last: Unsealed | null, { origin, oseq }: Name): Unsealed | null => {
  let left: Unsealed | null = null
  for (const operation of inOrder(last)) {
    if (operation.origin !== origin || operation.oseq !== oseq) left = { operation, before: left }
  }
  return left
}

/** The first one first. */
const inOrder = (last: Unsealed | null): ReadonlyArray<Operation> => {
  const operations: Array<Operation> = []
  for (let each = last; each !== null; each = each.before) operations.push(each.operation)
  return operations.reverse()
}

const broughtInOrder = (last: Brought | null): ReadonlyArray<Shared> => {
  const items: Array<Shared> = []
  for (let each = last; each !== null; each = each.before) items.push(each.item)
  return items.reverse()
}

const stateOf = (
  { clock, incarnation, isFresh, node_id }: Opened,
  vector: LogState["vector"],
  beside: Pick<LogState, "sealed" | "withheld">
): LogState => ({
  own: ownOf(node_id, incarnation, isFresh),
  vector,
  ...beside,
  clock: Hlc.fromStamp(clock),
  newest: Hlc.fromStamp(clock),
  dirty: [],
  appended: 0,
  unsealed: null,
  brought: null,
  isFollowing: false
})

type Opened = typeof Identity.Type & Pick<Own, "isFresh">

const lacksRoom = (vector: VersionVector.VersionVector, of: Origin, oseq: number): string | null => {
  const held = vector.get(of)
  if (held === undefined && vector.size >= MAX_ORIGINS) return `${MAX_ORIGINS} origins are known already`
  const isApart = held !== undefined && held.beyond.length >= MAX_GAPS && !VersionVector.touches(held, oseq)
  return isApart ? `${MAX_GAPS} gaps of ${of} are to be filled first` : null
}

/** Who this node is: what it is told, else what its file says, which is minted when the file is new. */
const openIdentity = (
  writer: Database.Database,
  { configuredId, isRenewed, mint }: Parameters<typeof make>[1]
): Opened => {
  const insert = writer.prepare(
    "INSERT OR IGNORE INTO node_identity (only_row, node_id, incarnation, clock) VALUES (1, ?, ?, ?)"
  )
  const mintedId = Option.getOrElse(configuredId, () => NodeId.make(mint()))
  const isNew = insert.run(mintedId, Incarnation.fresh(writer, 0), Hlc.toStamp(Hlc.zero)).changes > 0
  const identity = Schema.decodeUnknownSync(Identity)(
    writer.prepare(SELECT_IDENTITY).get()
  )
  const nodeId = Option.getOrElse(configuredId, () => identity.node_id)
  if (nodeId === identity.node_id) return { ...identity, isFresh: isNew || isRenewed }
  // A node of that name may have been at the same incarnation.
  const incarnation = Incarnation.fresh(writer, identity.incarnation)
  writer.prepare("UPDATE node_identity SET node_id = ?, incarnation = ?").run(nodeId, incarnation)
  return { ...identity, node_id: nodeId, incarnation, isFresh: true }
}

const tideOf = ({ own: { incarnation, origin }, vector }: LogState): Tide => ({
  incarnation,
  oseq: VersionVector.upto(vector, origin)
})

const withOperation = (
  state: LogState,
  { hlc, origin, oseq }: Pick<Operation, "hlc" | "origin" | "oseq">,
  wallMillis: number
): LogState => {
  const stamped = Hlc.fromStamp(hlc)
  return {
    ...state,
    vector: VersionVector.add(state.vector, origin, oseq),
    clock: Hlc.follow(state.clock, stamped, wallMillis),
    newest: Hlc.later(state.newest, stamped),
    dirty: dirtied(state, origin),
    appended: state.appended + 1
  }
}

const withoutOperation = (state: LogState, name: Name, sealed: Seals.Sealed): LogState => ({
  ...state,
  vector: VersionVector.remove(state.vector, name.origin, name.oseq),
  dirty: dirtied(state, name.origin),
  sealed,
  unsealed: without(state.unsealed, name)
})

const dirtied = ({ dirty }: Pick<LogState, "dirty">, origin: Origin): LogState["dirty"] =>
  dirty.includes(origin) ? dirty : [...dirty, origin]

const readsOf = (writer: Database.Database): Pick<OpLog, "hashAt" | "at" | "quarantine" | "byKey" | "position"> => {
  const selectHash = writer.prepare(
    `SELECT hash FROM oplog WHERE origin = ? AND oseq = ?
     UNION ALL SELECT hash FROM withheld WHERE origin = ? AND oseq = ?`
  ).pluck()
  const selectAt = writer.prepare("SELECT * FROM oplog WHERE origin = ? AND oseq = ?")
  const selectQuarantine = writer.prepare(
    "SELECT * FROM oplog WHERE kind = 'quarantine' AND origin = ? AND hlc = ? ORDER BY oseq LIMIT 1"
  )
  const selectPosition = writer.prepare("SELECT lsn FROM oplog WHERE origin = ? AND oseq = ?").pluck()
  const selectEnd = writer.prepare("SELECT max(lsn) FROM oplog").pluck()
  const selectByKey = writer.prepare(`${SEALED_ROWS} WHERE key_hash = ? ORDER BY lsn`)
  return {
    hashAt: (origin, oseq) => {
      const hash = selectHash.get(origin, oseq, origin, oseq)
      return typeof hash === "string" ? hash : undefined
    },
    at: ({ origin, oseq }) => {
      const row = selectAt.get(origin, oseq)
      return row === undefined ? null : fromRow(decodeRow(row))
    },
    quarantine: (origin, hlc) => {
      const row = selectQuarantine.get(origin, hlc)
      return row === undefined ? null : fromRow(decodeRow(row))
    },
    position: (name) =>
      Number((name === undefined ? null : selectPosition.get(name.origin, name.oseq)) ?? selectEnd.get() ?? 0),
    *byKey(keyHash) {
      const found: Array<Operation> = []
      for (const row of selectByKey.all(keyHash)) {
        const operation = fromRow(decodeSealed(row))
        found.push(operation)
        yield bytesOf(operation)
      }
      return found
    }
  }
}

/** Rows of the log that are looked at in one transaction: it holds up everybody else for as long as it takes. */
const MAX_LOOKED_AT = 20_000

/** It looks through the log, which takes a while and is seldom done: an index of stamps would be paid for by each write. */
const makeOwnAfter = (
  writer: Database.Database,
  nodeId: NodeId,
  state: () => LogState,
  end: () => number
): OpLog["ownAfter"] => {
  const select = many(
    writer,
    Schema.Struct({ ...LogRow.fields, lsn: Schema.Int }),
    `SELECT * FROM oplog WHERE lsn > ? AND lsn <= ? AND hlc > ?
       AND origin IN (SELECT value FROM json_each(?)) ORDER BY lsn LIMIT ?`
  )
  return (stamp, { after, limit }) => {
    const { newest, vector } = state()
    const last = end()
    if (Hlc.toStamp(newest) <= stamp || after >= last) return { found: [], next: null }
    const own = Array.from(vector.keys()).filter((origin) => nodeOf(origin) === nodeId)
    const upTo = after + MAX_LOOKED_AT
    const found = select(after, upTo, stamp, JSON.stringify(own), limit)
    const lastFound = found.length < limit ? undefined : found.at(-1)?.lsn
    return { found: found.map(fromRow), next: lastFound ?? (upTo < last ? upTo : null) }
  }
}

const writesOf = (writer: Database.Database) => {
  const writeRow = writer.prepare(
    `INSERT INTO marks (origin, entry, sealed, seal_key, newest) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (origin) DO UPDATE SET entry = excluded.entry, sealed = excluded.sealed, seal_key = excluded.seal_key,
       newest = excluded.newest`
  )
  return {
    writeVector: ({ newest, sealed, vector }: LogState, of: Origin) => {
      const key = sealed.keys.get(of) ?? null
      writeRow.run(of, entryText(vector, of), entryText(sealed.held, of), key, Hlc.toStamp(newest))
    },
    writeClock: writer.prepare("UPDATE node_identity SET clock = ?"),
    writeIncarnation: writer.prepare("UPDATE node_identity SET incarnation = ?")
  }
}

/** Operations under names that they have no more. */
const makeFormer = (writer: Database.Database) => {
  const remove = writer.prepare("DELETE FROM oplog WHERE origin = ? AND oseq = ?")
  const insert = writer.prepare("INSERT OR IGNORE INTO reissued (origin, oseq, op_id) VALUES (?, ?, ?)")
  const select = writer.prepare("SELECT 1 FROM reissued WHERE origin = ? AND oseq = ? AND op_id = ?")
  return {
    remove: (origin: Origin, oseq: number) => {
      remove.run(origin, oseq)
    },
    note: (op: Pick<Operation, "opId" | "covers">) => {
      for (const { origin, oseq } of formerNames(op)) insert.run(origin, oseq, op.opId)
    },
    isKnown: ({ opId, origin, oseq }: Pick<Operation, "opId" | "origin" | "oseq">) =>
      select.get(origin, oseq, opId) !== undefined
  }
}

const makeInsert = (writer: Database.Database) => {
  const statement = writer.prepare(
    `INSERT INTO oplog (format, origin, oseq, op_id, hlc, kind, entity, body, base_hlc, covers, hash, key_hash,
       request_hash, key_turn, agent)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
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
      op.idempotency?.turn ?? 0,
      op.agent ?? null
    )
  }
}

const ownOf = (nodeId: NodeId, incarnation: number, isFresh: boolean): Own => ({
  incarnation,
  isFresh,
  origin: Origin.make(`${nodeId}/${incarnation}`)
})

/** The node that owns an origin. */
export const nodeOf = (origin: Origin): NodeId => NodeId.make(Seals.authorOf(origin))

/** What there is to do with an operation. */
export const bytesOf = ({ body, covers }: Operation): number => (body?.length ?? 0) + covers.length * COVER_BYTES

const COVER_BYTES = 64

/** The next operation of this node, complete but for its hash. */
export const nextOperation = (
  log: OpLog,
  parts: Pick<Operation, "format" | "opId" | "hlc" | "kind" | "entity" | "body" | "baseHlc" | "covers" | "agent"> & {
    readonly idempotency: Keyed | null
  }
): Omit<Operation, "hash"> => ({ ...parts, ...nextName(log) })

/** The name of the next operation of this node. */
export const nextName = (log: OpLog): Name => ({
  origin: log.origin(),
  oseq: VersionVector.upto(log.state().vector, log.origin()) + 1
})

/** The entry of an origin of which nothing is held. */
const NOTHING = "0"

const entryText = (vector: VersionVector.VersionVector, origin: Origin): string =>
  JSON.stringify(VersionVector.toJson(new Map([[origin, VersionVector.entry(vector, origin)]]))[origin])

/** The vector as it is kept. */
export const readVector = (writer: Database.Database): VersionVector.VersionVector => {
  const rows = Schema.decodeUnknownSync(Schema.Array(VectorRow))(
    writer.prepare("SELECT origin, entry FROM version_vector").all()
  )
  const wire: Record<string, unknown> = {}
  // Of some all names were given up.
  for (const row of rows) if (row.entry !== NOTHING) wire[row.origin] = JSON.parse(row.entry)
  return Schema.decodeUnknownSync(VersionVector.Stored)(wire)
}
