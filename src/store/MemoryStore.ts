import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Hlc from "../domain/Hlc.js"
import * as Stamp from "../domain/Stamp.js"
import { Uuid } from "../domain/Uuid.js"
import {
  type Idempotency,
  MAX_COVERS,
  type Operation,
  type Origin,
  seal,
  type VersionRef
} from "../replication/Operation.js"
import * as Payload from "../replication/Payload.js"
import * as VersionVector from "../replication/VersionVector.js"
import { hotSpan } from "../telemetry/hotSpan.js"
import * as Transaction from "./deciding/Transaction.js"
import type { Metrics } from "../telemetry/Metrics.js"
import { type ClockBehind, KeyReused, type LocalWriteFailed, type Overloaded, ReadFailed } from "./errors.js"
import * as Committer from "./log/Committer.js"
import * as Digest from "./log/Digest.js"
import * as OpLog from "./log/OpLog.js"
import { Sqlite } from "./log/Sqlite.js"
import { makeAlias } from "./state/save.js"
import type { Outcome } from "./state/Slice.js"
import * as State from "./state/State.js"

/** What a local write comes to. `covers` are the versions it ends, `baseHlc` the version it replaces. */
export interface Decision {
  readonly payload: Payload.Payload
  readonly baseHlc: Stamp.Stamp | null
  readonly covers: ReadonlyArray<VersionRef>
  /** The id was minted at random for this very decision, so that nothing can be known of it. */
  readonly isNewId?: boolean
  /** The stamp of a version that was made elsewhere; otherwise the transaction's. */
  readonly hlc?: Stamp.Stamp
}

/** An operation with its payload, decoded and checked. */
export interface Entry {
  readonly operation: Operation
  readonly payload: Payload.Payload
}

/** A write that is durable in this node's file. `repeated`: its idempotency key named it, and nothing new was written. */
export interface Committed extends Entry {
  readonly repeated: boolean
}

/** Several writes in one transaction. */
export interface Batch {
  /** The state as of now, with all that this batch has written. */
  readonly now: () => Transaction.Transaction
  readonly write: (decision: Decision) => Entry
  /** From now on an id that came from elsewhere stands for another one on this node. */
  readonly alias: (id: string, target: string, stamp: Stamp.Stamp) => void
}

/** What several writes came to. */
export interface Batched<A> {
  readonly written: ReadonlyArray<Entry>
  /** What the job answered; none when its idempotency key named earlier writes, and it was not run. */
  readonly answer: Option.Option<A>
}

/** What became of a received operation; all but `parked` and `rejected` mean that this node holds it durably. */
export interface Receipt {
  readonly opId: string
  readonly result: Outcome | "duplicate" | "parked" | "rejected"
  readonly why?: string
}

/** The last word of a peer, by its identity and not by its place in a list. */
export interface PeerState {
  readonly nodeId: string
  readonly url: string
  readonly protocol: number
  readonly vector: VersionVector.VersionVector
  readonly skewMillis: number
}

export type { Reinforced, Transaction } from "./deciding/Transaction.js"

export class MemoryStore extends Context.Tag("quorate/store/MemoryStore")<MemoryStore, {
  readonly nodeId: string
  /**
   * Decides and writes one local operation: log row, effect, vector and idempotency key in one transaction, fsynced when
   * this returns. The same key with the same request answers the operation of the first time.
   */
  readonly commit: <E>(
    decide: (transaction: Transaction.Transaction) => Either.Either<Decision, E>,
    idempotency: Idempotency | null
  ) => Effect.Effect<Committed, E | KeyReused | ClockBehind | LocalWriteFailed | Overloaded>
  /**
   * Decides and writes any number of local operations in one transaction. The job writes nothing before it answers `Left`.
   * The key is that of all its operations.
   */
  readonly commitAll: <A, E>(
    job: (batch: Batch) => Either.Either<A, E>,
    idempotency: Idempotency | null
  ) => Effect.Effect<Batched<A>, E | KeyReused | ClockBehind | LocalWriteFailed | Overloaded>
  /** Applies operations of others, each in a savepoint of its own; the same operation again changes nothing. */
  readonly receive: (
    incoming: ReadonlyArray<Entry>
  ) => Effect.Effect<ReadonlyArray<Receipt>, LocalWriteFailed | Overloaded>
  /**
   * Marks memories as recalled: counts and extends on this node alone. Answers those that earned more than that, which is a
   * write like any other and left to the caller.
   */
  readonly touch: (
    ids: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Transaction.Reinforced>, LocalWriteFailed | Overloaded>
  /** Everything this node holds durably. */
  readonly vector: () => VersionVector.VersionVector
  /** The sum over all rows that follow from the operations held: equal on nodes with equal vectors. */
  readonly digest: () => number
  readonly origin: () => Origin
  /** Operations of one origin in ascending order, at most `limit`. */
  readonly operations: (
    range: { readonly origin: Origin; readonly from: number; readonly to: number },
    limit: number
  ) => Effect.Effect<ReadonlyArray<Operation>, ReadFailed>
  /**
   * Compares what another node holds of this node's own origin. When that is more than this node ever wrote, the file is an
   * old backup or a clone: from now on it writes under a new incarnation. Answers whether it had to.
   */
  readonly renewWhenBehind: (
    theirs: VersionVector.VersionVector
  ) => Effect.Effect<boolean, LocalWriteFailed | Overloaded>
  /** Keeps what a peer said of itself, for the time when it does not answer. */
  readonly notePeer: (peer: PeerState) => Effect.Effect<void, LocalWriteFailed | Overloaded>
  /** Changes tables that belong to this node alone, in the next transaction. The job may be run twice, undone in between. */
  readonly local: <A>(job: () => A) => Effect.Effect<A, LocalWriteFailed | Overloaded>
  /** Writes and fsyncs a row: fails when the database cannot be written. */
  readonly probe: Effect.Effect<void, LocalWriteFailed | Overloaded>
  /** How far the wall clock is behind the newest stamp known here, in milliseconds; negative when it is ahead. */
  readonly clockBehindMillis: Effect.Effect<number>
  /** Fails once a commit failed and only a new start can tell the state of the file. */
  readonly fatal: Effect.Effect<never, Committer.CommitFailed>
}>() {}

const make = (configuredId: Option.Option<string>) =>
  Effect.gen(function*() {
    const { writer } = yield* Sqlite
    const sql = yield* SqlClient.SqlClient
    const clock = yield* Effect.clock
    const uuid = yield* Uuid
    const log = OpLog.make(writer, uuid.make, configuredId)
    const digest = Digest.make(writer)
    const state = State.make(writer, digest)
    const view = Transaction.make(writer, state.load)
    const setAlias = makeAlias(writer)
    const committer = yield* Committer.make(writer, {
      save: () => ({ log: log.state(), fresh: state.fresh(), digest: digest.state() }),
      restore: (saved) => {
        log.restore(saved.log)
        state.restore(saved.fresh)
        digest.restore(saved.digest)
      },
      finish: () => {
        state.finish()
        digest.finish()
        return log.finish()
      }
    })
    const writePeer = writer.prepare(
      `INSERT INTO peer_state (node_id, url, protocol, vector, skew_millis, last_success_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (node_id) DO UPDATE SET url = excluded.url, protocol = excluded.protocol, vector = excluded.vector,
         skew_millis = excluded.skew_millis, last_success_at = excluded.last_success_at`
    )
    const receiveOne = makeReceiveOne(log, state)

    const write = (stamp: Stamp.Stamp, decision: Decision, idempotency: Idempotency | null): Entry => {
      const { payload } = decision
      const operation = seal(OpLog.nextOperation(log, {
        opId: uuid.make(),
        hlc: decision.hlc ?? stamp,
        kind: payload.kind,
        entity: Payload.entityOf(payload),
        body: Payload.encode(payload),
        baseHlc: decision.baseHlc,
        // The version it replaces stands first; siblings beyond the bound stay listed for the next write.
        covers: decision.covers.slice(0, MAX_COVERS),
        idempotency
      }))
      if (decision.isNewId === true) state.applyNew(operation, payload)
      else state.apply(operation, payload)
      log.append(operation)
      return { operation, payload }
    }

    const decideAndWrite = <E>(
      decide: (transaction: Transaction.Transaction) => Either.Either<Decision, E>,
      idempotency: Idempotency | null
    ): Either.Either<Committed, E | KeyReused | ClockBehind> => {
      const [earlier] = idempotency === null ? [] : log.byKey(idempotency.keyHash)
      if (earlier !== undefined) return repeat(earlier, idempotency)
      const wallMillis = clock.unsafeCurrentTimeMillis()
      return Either.flatMap(log.nextStamp(wallMillis), (stamp) =>
        Either.map(decide({ ...view, wallMillis, stamp }), (decision) => ({
          ...write(stamp, decision, idempotency),
          repeated: false
        })))
    }

    const writeAll = <A, E>(
      job: (batch: Batch) => Either.Either<A, E>,
      idempotency: Idempotency | null
    ): Either.Either<Batched<A>, E | KeyReused | ClockBehind> => {
      const earlier = idempotency === null ? [] : log.byKey(idempotency.keyHash)
      if (earlier.length > 0) {
        return Either.map(
          Either.all(earlier.map((one) =>
            repeat(one, idempotency)
          )),
          (written) => ({
            written,
            answer: Option.none()
          })
        )
      }
      const wallMillis = clock.unsafeCurrentTimeMillis()
      return Either.flatMap(log.nextStamp(wallMillis), () => {
        const written: Array<Entry> = []
        const stamp = () => Hlc.toStamp(Hlc.tick(log.state().clock, wallMillis))
        const answer = job({
          now: () => ({ ...view, wallMillis, stamp: stamp() }),
          write: (decision) => {
            const entry = write(stamp(), decision, idempotency)
            written.push(entry)
            return entry
          },
          alias: (id, target, hlc) => setAlias({ id, target, by: { hlc, origin: "" } })
        })
        // Undone whole, as by any defect: half of a job must never stand, least of all under an answer that says it failed.
        if (Either.isLeft(answer) && written.length > 0) {
          throw new Error("a job that answers Left must not write before")
        }
        return Either.map(answer, (value) => ({ written, answer: Option.some(value) }))
      })
    }

    const selectOperations = SqlSchema.findAll({
      Request: Schema.Struct({ origin: Schema.String, from: Schema.Int, to: Schema.Int, limit: Schema.Int }),
      Result: OpLog.LogRow,
      execute: ({ from, limit, origin, to }) =>
        sql`SELECT * FROM oplog WHERE origin = ${origin} AND oseq BETWEEN ${from} AND ${to} ORDER BY oseq LIMIT ${limit}`
    })

    return MemoryStore.of({
      nodeId: OpLog.nodeOf(log.origin()),
      origin: log.origin,
      vector: () => log.state().vector,
      digest: () => digest.state().total,
      fatal: committer.fatal,
      notePeer: (peer) =>
        committer.submit(() => {
          writePeer.run(
            peer.nodeId,
            peer.url,
            peer.protocol,
            JSON.stringify(VersionVector.toJson(peer.vector)),
            Math.round(peer.skewMillis),
            Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
          )
          return Either.void
        }),
      local: (job) => committer.submit(() => Either.right(job())),
      probe: committer.submit(() => Either.right(log.probe())),
      clockBehindMillis: Effect.sync(() => log.state().clock.millis - clock.unsafeCurrentTimeMillis()),
      commit: (decide, idempotency) =>
        committer.submit(() => decideAndWrite(decide, idempotency)).pipe(hotSpan("MemoryStore.commit")),
      commitAll: (job, idempotency) =>
        committer.submit(() => writeAll(job, idempotency)).pipe(hotSpan("MemoryStore.commit")),
      receive: (incoming) =>
        committer.submit((isolate) => {
          const latestMillis = clock.unsafeCurrentTimeMillis() + OpLog.MAX_DRIFT_MILLIS
          return Either.right(incoming.map((one) => receiveOne(one, { latestMillis, isolate })))
        }).pipe(hotSpan("MemoryStore.commit")),
      touch: (ids) =>
        committer.submit(() => {
          const now = Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
          return Either.right(ids.flatMap((id) => view.touch(id, now) ?? []))
        }),
      operations: (range, limit) =>
        selectOperations({ ...range, limit }).pipe(
          Effect.map((rows) => rows.map(OpLog.fromRow)),
          Effect.mapError((cause) => new ReadFailed({ cause }))
        ),
      renewWhenBehind: (theirs) =>
        committer.submit(() => {
          const own = log.origin()
          if (VersionVector.upto(theirs, own) <= VersionVector.upto(log.state().vector, own)) return Either.right(false)
          log.renewIncarnation(clock.unsafeCurrentTimeMillis())
          return Either.right(true)
        })
    })
  })

export const layer = (options: {
  readonly nodeId: Option.Option<string>
}): Layer.Layer<MemoryStore, never, Sqlite | SqlClient.SqlClient | Uuid | Metrics> =>
  Layer.scoped(MemoryStore, make(options.nodeId))

/** The write that an idempotency key named before, or the refusal when it stood for another request. */
const repeat = (earlier: Operation, idempotency: Idempotency | null): Either.Either<Committed, KeyReused> =>
  earlier.idempotency?.requestHash !== idempotency?.requestHash
    ? Either.left(new KeyReused())
    : Either.right({
      operation: earlier,
      payload: Payload.ofLog(earlier),
      repeated: true
    })

/** One received operation: known already, refused with the reason, or applied and logged. */
const makeReceiveOne = (log: OpLog.OpLog, state: State.State) =>
(
  { operation, payload }: Entry,
  { isolate, latestMillis }: { readonly latestMillis: number; readonly isolate: Committer.Isolate }
): Receipt => {
  const { hash, hlc, opId, origin, oseq } = operation
  if (log.holds(origin, oseq)) {
    return log.hashAt(origin, oseq) === hash
      ? { opId, result: "duplicate" }
      : { opId, result: "rejected", why: `origin_reused: another operation is known as ${origin} ${oseq}` }
  }
  if (origin === log.origin()) {
    return { opId, result: "rejected", why: `origin_reused: ${origin} is this node, and it did not write ${oseq}` }
  }
  if (Hlc.fromStamp(hlc).millis > latestMillis) {
    return { opId, result: "rejected", why: `clock_future: stamped more than ${OpLog.MAX_DRIFT_MILLIS / 1000} s ahead` }
  }
  return isolate<Receipt>(
    () => {
      const result = state.apply(operation, payload)
      log.append(operation)
      return { opId, result }
    },
    (cause) => ({ opId, result: "rejected", why: `not_applicable: ${String(cause)}` })
  )
}
