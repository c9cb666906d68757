import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type Database from "better-sqlite3"
import * as Arr from "effect/Array"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Authors from "../access/Authors.js"
import { type Durability, OF_FILE } from "../domain/Durability.js"
import { type NodeId, Origin, type PeerId } from "../domain/ids.js"
import type { Namespaces } from "../domain/namespaces.js"
import * as Stamp from "../domain/Stamp.js"
import { Uuid } from "../domain/Uuid.js"
import type { Format, Idempotency, Operation } from "../replication/Operation.js"
import * as OperationSet from "../replication/OperationSet.js"
import { MAX_LEAVES } from "../replication/seals.js"
import type { Stub } from "../replication/Stub.js"
import * as VersionVector from "../replication/VersionVector.js"
import { hotSpan } from "../telemetry/hotSpan.js"
import { Metrics } from "../telemetry/Metrics.js"
import * as Agent from "./Agent.js"
import * as authorship from "./authorship.js"
import type { Batch, Decision, Entry } from "./deciding/Decision.js"
import * as touching from "./deciding/touching.js"
import * as Transaction from "./deciding/Transaction.js"
import {
  type ClockSkewed,
  type KeyReused,
  LocalWriteFailed,
  NotReady,
  type NotWritten,
  type Overloaded,
  ReadFailed
} from "./errors.js"
import * as Judge from "./judging/Judge.js"
import { Languages } from "./Languages.js"
import { Lifetimes } from "./Lifetimes.js"
import * as localWrites from "./localWrites.js"
import type { Batched } from "./localWrites.js"
import { knownStart, startName } from "./log/checkMarks.js"
import * as Committer from "./log/Committer.js"
import * as Digest from "./log/Digest.js"
import { FileHealth, layer as layerHealth } from "./log/FileHealth.js"
import { inTurns } from "./log/inTurns.js"
import * as OpLog from "./log/OpLog.js"
import * as Seals from "./log/Seals.js"
import { Sqlite } from "./log/Sqlite.js"
import { run } from "./log/statements.js"
import { atOnce, type Steps } from "./log/Steps.js"
import * as ownName from "./ownName.js"
import type { OwnName } from "./ownName.js"
import * as receiving from "./receiving.js"
import type { Receipt } from "./receiving.js"
import * as reissuing from "./reissuing.js"
import * as Scope from "./Scope.js"
import * as following from "./site/following.js"
import * as Places from "./site/Places.js"
import * as sharing from "./site/sharing.js"
import { SiteLog } from "./site/SiteLog.js"
import { makeAlias } from "./state/save.js"
import * as State from "./state/State.js"
import type { Reindexed } from "./state/words.js"
import * as wordsBehind from "./wordsBehind.js"

export type { Batch, Decision, Entry } from "./deciding/Decision.js"
export type { Reinforced, Transaction } from "./deciding/Transaction.js"
export type { Batched } from "./localWrites.js"
export type { Receipt } from "./receiving.js"

/** A write that is durable in this node's file. `repeated`: its idempotency key named it, and nothing new was written. */
interface Committed extends Entry {
  readonly repeated: boolean
}

/** The other members of the mesh, as far as a write depends on them. */
interface Members {
  /** Whether all of them have offered to take this format of operations. A node that is alone writes the newest. */
  readonly offered: (format: Format) => boolean
  /** How the clock of this node is off, by the word of most of them; null while it is not known to be. */
  readonly clockSkew: () => ClockSkewed | null
}

/** The last word of a peer, by its identity and not by its place in a list. */
interface PeerState {
  readonly peerId: PeerId
  readonly url: string
  readonly protocol: number
  readonly vector: VersionVector.VersionVector
  readonly skewMillis: number
}

/** What else comes from a peer, and what it may touch. */
interface From {
  /** Operations of which this node is told no more than their names. They come after the others. */
  readonly stubs?: ReadonlyArray<Stub>
  /** The namespaces that the peer may touch; all where none are given. */
  readonly limit?: Namespaces | null
}

/** One of several writes that come at once, and who asks for it. */
export interface Job<A, E> {
  readonly job: (batch: Batch) => Either.Either<A, E>
  readonly idempotency: Idempotency | null
  /** The agent that asks, where it says which. */
  readonly agent: string | null
}

/** The ways in which a local write can fail to be written. */
type WriteFailed = KeyReused | ClockSkewed | NotWritten

export class MemoryStore extends Context.Tag("quorate/store/MemoryStore")<
  MemoryStore,
  OwnName & {
    readonly nodeId: NodeId
    /** What this start on the file is called: who can read that finds the same name there. */
    readonly startName: Effect.Effect<string>
    /**
     * Decides and writes one local operation: log row, effect, vector and idempotency key in one transaction, fsynced when
     * this returns. The same key with the same request answers the operation of the first time.
     */
    readonly commit: <E>(
      decide: (transaction: Transaction.Transaction) => Either.Either<Decision, E>,
      idempotency: Idempotency | null
    ) => Effect.Effect<Committed, E | WriteFailed>
    /**
     * Decides and writes any number of local operations in one transaction. The job writes nothing before it answers `Left`.
     * The key is that of all its operations.
     */
    readonly commitAll: <A, E>(
      job: (batch: Batch) => Either.Either<A, E>,
      idempotency: Idempotency | null
    ) => Effect.Effect<Batched<A>, E | WriteFailed>
    /** The same for jobs that come at once: each stands or falls alone, as if it had come by itself. */
    readonly commitEach: <A, E>(
      jobs: ReadonlyArray<Job<A, E>>
    ) => Effect.Effect<ReadonlyArray<Exit.Exit<Batched<A>, E | WriteFailed>>, WriteFailed>
    /**
     * The same for a job of many parts, in a transaction of its own. Between them others have their turns, and read what was
     * there before; no other write comes in between.
     */
    readonly commitSteps: <A, E>(
      job: (batch: Batch) => Steps<Either.Either<A, E>>,
      idempotency: Idempotency | null
    ) => Effect.Effect<Batched<A>, E | WriteFailed>
    /** Decides as `commitSteps` does, and undoes it whole: what it would have come to. */
    readonly rehearse: <A, E>(job: (batch: Batch) => Steps<Either.Either<A, E>>) => Effect.Effect<A, E | WriteFailed>
    /**
     * Applies operations of others, each in a savepoint of its own; the same operation again changes nothing. What is not by its
     * seal its author's is refused: see `authorship`. Many are applied in several transactions: where one of them fails, those
     * before it stand.
     */
    readonly receive: (
      incoming: ReadonlyArray<Entry>,
      from?: From
    ) => Effect.Effect<ReadonlyArray<Receipt>, NotWritten>
    /** How many operations this node holds by their names alone. */
    readonly withheld: () => number
    /**
     * Marks memories as recalled: counts and extends on this node alone. Answers those that earned more than that, which is a
     * write like any other and left to the caller.
     */
    readonly touch: (
      ids: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<Transaction.Reinforced>, LocalWriteFailed | Overloaded>
    /** An operation with the seal that it has by now: whoever made or read it before its commit was over has it without. */
    readonly sealedForm: (operation: Operation) => Operation
    /** What has a seal here, by a key that counts for its author now. */
    readonly sealed: () => OperationSet.OperationSet
    /**
     * Seals the next operations of this node's own that are to be, at most 256 and of one origin: answers which. None where it has
     * no key, or seals are not looked at.
     */
    readonly endorse: Effect.Effect<OperationSet.OperationSet, ReadFailed | LocalWriteFailed | Overloaded>
    /** Everything this node holds durably. */
    readonly vector: () => VersionVector.VersionVector
    /** The sum over all rows that follow from the operations held: equal on nodes with equal vectors. */
    readonly digest: () => number
    readonly origin: () => Origin
    /** Who knows the members of the mesh says what they agree on. Until it does, this node is alone. */
    readonly agreeWith: (members: Members) => Effect.Effect<void>
    /** Operations of one origin in ascending order, at most `limit`. */
    readonly operations: (
      range: { readonly origin: Origin; readonly from: number; readonly to: number },
      limit: number
    ) => Effect.Effect<ReadonlyArray<Operation>, ReadFailed>
    /** Keeps what a peer said of itself, for the time when it does not answer. */
    readonly notePeer: (peer: PeerState) => Effect.Effect<void, LocalWriteFailed | Overloaded>
    /** Changes tables that belong to this node alone, in the next transaction. The job may be run twice, undone in between. */
    readonly local: <A>(job: () => A) => Effect.Effect<A, LocalWriteFailed | Overloaded>
    /** Brings some rows over to the index of words, in a transaction of its own; nothing where all are there. */
    readonly reindex: Effect.Effect<Reindexed, LocalWriteFailed | Overloaded>
    /** The index of words, which stands behind what was committed. */
    readonly words: wordsBehind.Words
    /** Writes and fsyncs a row: fails when the database can not be written, or the latest write found no room and this does not. */
    readonly probe: Effect.Effect<void, LocalWriteFailed | Overloaded>
    /** What the other daemons of its site have answered. None for a node by itself. */
    readonly others: Option.Option<Others>
    /** What holds a commit, when it is done. */
    readonly durability: () => Durability
    /** Fails once a commit failed and only a new start can tell the state of the file. */
    readonly fatal: Effect.Effect<never, Committer.CommitFailed>
  }
>() {}

/** Each waits until what the other daemons of a site have answered is held here, too. */
export interface Others {
  /** All of it. */
  readonly fresh: Effect.Effect<void, NotWritten>
  /** As much of it as is enough for who only reads: what the standby has, where one is asked for that. */
  readonly lately: Effect.Effect<void, NotWritten>
}

/** Operations of others in one transaction at most: it holds up everybody else for as long as it takes. */
export const MAX_TOGETHER = 128

const make = ({ authors = Authors.none, nodeId: configuredId }: Options) =>
  Effect.gen(function*() {
    const { isRenewed = false, noteTide, writer } = yield* Sqlite
    const health = yield* FileHealth
    const sql = yield* SqlClient.SqlClient
    const clock = yield* Effect.clock
    const uuid = yield* Uuid
    const site = Option.getOrNull(yield* Effect.serviceOption(SiteLog))
    const isShared = site !== null
    const log = OpLog.make(writer, { mint: uuid.make, configuredId, isRenewed, clock, authors, isShared })
    const { digest, judge, state } = stateOf({ writer, log, clock, languages: yield* Languages })
    const parts = { log, state, judge, clock, uuid }
    const view = Transaction.make(writer, { load: state.load, lifetimes: yield* Lifetimes, judge })
    const behind = Effect.unsafeMakeLatch(true)
    const places = Places.make(writer)
    const { publish, told } = publishing({ log, digest, places, words: state.words }, noting(log, noteTide), behind)
    const share = site === null ? () => null : sharing.make({ log, places, site })
    const alone = yield* Committer.make(writer, ledgerOf({ log, state, digest, places }, publish, share), health)
    const held = { places, held: () => told().places, own: log.origin, follow: receiving.makeFollowing(parts) }
    const { committer, fresh, lately } = yield* ofSite(site, alone, held)
    const touched = touching.make(writer)
    const writeAll = localWrites.make({ ...parts, view, alias: makeAlias(writer), touched })
    const again = reissuing.make(parts)
    const receiveAll = receiving.make({ ...parts, reissue: again.reissue, touched })
    const { alarm, firstWrite, ...own } = yield* ownName.make({ log, committer, reissuing: again, clock, isRenewed })
    const notePeer = makeNotePeer(writer, clock)
    const operations = makeOperations(sql, health.failed)

    const refused = refusing(health)
    const { titles } = state.words
    let clockSkew: Members["clockSkew"] = () => null
    const isRight = Effect.suspend(() => clockSkew() ?? Effect.void)
    // What a daemon of a site has written under its name, the site knows better than any peer.
    const mayWrite = Effect.zipRight(site === null ? firstWrite : fresh, isRight)

    return MemoryStore.of({
      nodeId: OpLog.nodeOf(log.origin()),
      startName: Effect.succeed(startName(knownStart(writer))),
      origin: () => told().log.own.origin,
      agreeWith: (members) =>
        Effect.sync(() => {
          log.agreeOn(members.offered)
          clockSkew = members.clockSkew
        }),
      vector: () => told().log.vector,
      digest: () => told().digest.total,
      fatal: committer.fatal,
      notePeer: (peer) => committer.submit(() => Either.right(notePeer(peer))),
      local: (job) => committer.submit(() => Either.right(job())),
      reindex: committer.submit(() => Either.right(state.words.reindex())),
      words: wordsBehind.make({ behind, titles, catchUp: committer.catchUp, standing: () => told().words }),
      probe: Effect.zipRight(fresh, makeProbe(writer, { probe: log.probe, health, submit: committer.submit })),
      ...hearing(site, { fresh, lately }, refused),
      ...commits(committer, writeAll, committing(mayWrite, refused)),
      withheld: () => told().log.withheld,
      receive: judging(
        authorship.make({ authors, sealed: () => log.state().sealed }),
        yield* Metrics,
        received(committer, receiveAll, { alarm, fresh, refused })
      ),
      sealedForm: log.sealedForm,
      sealed: () => Seals.standing(authors, told().log.sealed),
      endorse: endorsing({ authors, committer, log, operations }),
      touch: (ids) => committer.submit(() => Either.right(usedNow(view, ids, clock.unsafeCurrentTimeMillis()))),
      operations,
      ...own,
      restamp: Effect.suspend(() => clockSkew() === null ? own.restamp : Effect.succeed([]))
    })
  })

/** How a daemon of a site commits, and hears of what the others did; a node by itself has nobody to hear of. */
const ofSite = (
  site: SiteLog["Type"] | null,
  alone: Effect.Effect.Success<ReturnType<typeof Committer.make>>,
  parts: Pick<Parameters<typeof following.make>[0], "places" | "held" | "own" | "follow">
) =>
  site === null
    ? Effect.succeed({ committer: alone, fresh: Effect.void, lately: Effect.void })
    : Effect.map(following.make({ ...parts, ...alone, site }), ({ fresh, lately }) => ({
      committer: { ...alone, ...sharing.again(alone, fresh) },
      fresh,
      lately
    }))

/** What a node tells of its site. */
const hearing = (
  site: SiteLog["Type"] | null,
  { fresh, lately }: Effect.Effect.Success<ReturnType<typeof following.make>>,
  refused: ReturnType<typeof refusing>
): Pick<MemoryStore["Type"], "durability" | "others"> =>
  site === null
    ? { others: Option.none(), durability: () => OF_FILE }
    : {
      others: Option.some({ fresh: Effect.mapError(fresh, refused), lately: Effect.mapError(lately, refused) }),
      durability: site.durability
    }

/** A write that failed says why, where that is known: this node can not write, or the store of its site does not take it. */
const refusing = (health: FileHealth["Type"]) => <E>(error: E) =>
  error instanceof LocalWriteFailed
    ? error.site === undefined ? notReadyOr(health.refusal(), error) : new NotReady(error)
    : error

/** How jobs of callers are committed: not while this node may not write, and what fails says whether it can at all. */
interface Committing {
  readonly one: <A, E>(
    commit: Effect.Effect<A, E | LocalWriteFailed | Overloaded>
  ) => Effect.Effect<A, E | ClockSkewed | NotWritten>
  readonly each: <A, E>(
    commits: Effect.Effect<ReadonlyArray<Exit.Exit<A, E | LocalWriteFailed | Overloaded>>>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<A, E | ClockSkewed | NotWritten>>, ClockSkewed | NotWritten>
}

const committing = (
  mayWrite: Effect.Effect<unknown, ClockSkewed | NotWritten>,
  refused: <E>(error: E) => E | NotReady
): Committing => ({
  one: (commit) => Effect.zipRight(mayWrite, commit).pipe(Effect.mapError(refused), hotSpan("MemoryStore.commit")),
  each: (commits) =>
    Effect.zipRight(mayWrite, commits).pipe(
      Effect.map((exits) => exits.map(Exit.mapError(refused))),
      Effect.mapError(refused),
      hotSpan("MemoryStore.commit")
    )
})

/** Jobs of callers, within the namespaces in which they read and write. */
const commits = (
  { submit, submitEach, submitSteps }: Effect.Effect.Success<ReturnType<typeof Committer.make>>,
  writeAll: ReturnType<typeof localWrites.make>,
  committing: Committing
): Pick<MemoryStore["Type"], "commit" | "commitAll" | "commitEach" | "commitSteps" | "rehearse"> => {
  const commitAll = <A, E>(job: (batch: Batch) => Either.Either<A, E>, idempotency: Idempotency | null) =>
    Effect.flatMap(
      asker,
      (asker) => committing.one(submit(() => atOnce(writeAll(inOneStep(job), idempotency, asker))))
    )
  return {
    commit: (decide, idempotency) =>
      Effect.flatMap(commitAll((batch) => Either.map(decide(batch.now()), batch.write), idempotency), committedOne),
    commitAll,
    commitEach: (jobs) =>
      Effect.flatMap(FiberRef.get(Scope.current), (reach) =>
        committing.each(submitEach(
          jobs.map(({ agent, idempotency, job }) => () =>
            atOnce(writeAll(inOneStep(job), idempotency, { reach, agent }))
          )
        ))),
    commitSteps: (job, idempotency) =>
      Effect.flatMap(asker, (asker) => committing.one(submitSteps(() => writeAll(job, idempotency, asker)))),
    rehearse: (job) =>
      Effect.flatMap(asker, (asker) => committing.one(rehearsal(submitSteps, () => writeAll(job, null, asker))))
  }
}

/** A transaction that ends by this is undone, as by any defect. */
class Rehearsed extends Error {}

const rehearsal = <A, E>(
  submitSteps: Effect.Effect.Success<ReturnType<typeof Committer.make>>["submitSteps"],
  job: () => Steps<Either.Either<Batched<A>, E>>
): Effect.Effect<A, E | LocalWriteFailed | Overloaded> =>
  Effect.suspend(() => {
    let answer: Option.Option<A> = Option.none()
    const undone = submitSteps(function*() {
      const done = yield* job()
      if (Either.isLeft(done)) return Either.left(done.left)
      answer = done.right.answer
      throw new Rehearsed()
    })
    return Effect.catchSomeDefect(undone, (defect) =>
      defect instanceof Rehearsed ? Option.map(answer, Effect.succeed) : Option.none())
  })

const asker = Effect.zipWith(
  FiberRef.get(Scope.current),
  FiberRef.get(Agent.current),
  (reach, agent) => ({ reach, agent })
)

interface Options {
  readonly nodeId: Option.Option<NodeId>
  /** Whose operations are whose; unless given, nobody has a key. */
  readonly authors?: Authors.Authors
}

export const layer = (
  options: Options
): Layer.Layer<MemoryStore | FileHealth, never, Sqlite | SqlClient.SqlClient | Uuid | Metrics> =>
  Layer.provideMerge(Layer.scoped(MemoryStore, make(options)), layerHealth)

const committedOne = ({ answer, written: [entry] }: Batched<unknown>): Effect.Effect<Committed> =>
  entry === undefined
    ? Effect.dieMessage("a decision wrote nothing")
    : Effect.succeed({ ...entry, repeated: Option.isNone(answer) })

/** The state of the node, who judges what changes it, and the sums over it. */
const stateOf = ({ clock, languages, log, writer }: {
  readonly writer: Database.Database
  readonly log: OpLog.OpLog
  readonly clock: Clock.Clock
  readonly languages: Languages["Type"]
}) => {
  const digest = Digest.make(writer)
  const state = State.make(writer, digest, languages)
  return { digest, state, judge: Judge.make({ writer, log, state, clock }) }
}

const usedNow = (view: ReturnType<typeof Transaction.make>, ids: ReadonlyArray<string>, nowMillis: number) => {
  const now = Stamp.fromMillis(nowMillis)
  return ids.flatMap((id) => view.touch(id, now) ?? [])
}

/** A job that is done in one go. */
const inOneStep = <A>(job: (batch: Batch) => A): (batch: Batch) => Steps<A> =>
  function*(batch) {
    const answer = job(batch)
    yield 0
    return answer
  }

type Receive = (brought: receiving.Incoming) => ReturnType<MemoryStore["Type"]["receive"]>

/** Seals are looked at before the transaction, which holds up others. */
const judging = (
  judge: ReturnType<typeof authorship.make>,
  metrics: Metrics["Type"],
  receive: Receive
): MemoryStore["Type"]["receive"] =>
(incoming, { limit = null, stubs = [] } = {}) =>
  Effect.all([inTurns(incoming, judge.entry), inTurns(stubs, judge.stub)]).pipe(
    Effect.flatMap(([entries, names]) => inParts(receive)({ incoming: entries, stubs: names, limit })),
    Effect.tap((receipts) => counting(metrics, receipts))
  )

/**
 * What may take long is done in steps, between which others read. There nothing is undone alone: where that is to be, all of it is
 * done at once.
 */
const received = (
  { submit, submitSteps }: Effect.Effect.Success<ReturnType<typeof Committer.make>>,
  receiveAll: ReturnType<typeof receiving.make>,
  { alarm, fresh, refused }: {
    readonly alarm: Effect.Effect.Success<ReturnType<typeof ownName.make>>["alarm"]
    /** Where its store does not answer, the others do not wait for what a peer brings. */
    readonly fresh: Effect.Effect<void, LocalWriteFailed | Overloaded>
    readonly refused: ReturnType<typeof refusing>
  }
): Receive =>
(brought) => {
  const atOnceEach = submit((isolate) => Either.right(atOnce(receiveAll(brought, isolate))))
  const taken = receiving.isLong(brought.incoming)
    ? Effect.catchAllCause(
      submitSteps(function*() {
        return Either.right(yield* receiveAll(brought, (part) => part()))
      }),
      () => atOnceEach
    )
    : atOnceEach
  return Effect.zipRight(fresh, taken).pipe(
    Effect.tap(({ collisions }) => alarm(collisions)),
    Effect.map(({ receipts }) => receipts),
    Effect.mapError(refused),
    hotSpan("MemoryStore.commit")
  )
}

/** Counts what was refused for its seal. */
const counting = (metrics: Metrics["Type"], receipts: ReadonlyArray<Receipt>) =>
  Effect.sync(() => {
    for (const { why } of receipts) {
      const reason = authorship.REASONS.find((each) => why?.startsWith(`${each}:`) === true)
      if (reason !== undefined) metrics.unauthored(reason)
    }
  })

const inParts = (receive: Receive): Receive => (brought) => {
  const { incoming, limit, stubs } = brought
  if (incoming.length + stubs.length <= MAX_TOGETHER) return receive(brought)
  const parts = [
    ...Arr.chunksOf(incoming, MAX_TOGETHER).map((part) => receive({ incoming: part, stubs: [], limit })),
    ...Arr.chunksOf(stubs, MAX_TOGETHER).map((part) => receive({ incoming: [], stubs: part, limit }))
  ]
  return Effect.map(Effect.all(parts), (all) => all.flat())
}

const notReadyOr = <E>(refusal: string | null, error: E): E | NotReady =>
  refusal === null ? error : new NotReady({ detail: refusal })

/**
 * Where the latest write found no room, as much is taken as a write may need, and given back: each in a transaction of its own.
 * A row that is only written over may need none.
 */
const makeProbe = (writer: Database.Database, { health, probe, submit }: {
  readonly health: FileHealth["Type"]
  readonly probe: () => void
  readonly submit: Effect.Effect.Success<ReturnType<typeof Committer.make>>["submit"]
}): MemoryStore["Type"]["probe"] => {
  const fill = run(writer, "INSERT OR REPLACE INTO room (only_row, filler) VALUES (1, zeroblob(65536))")
  const empty = run(writer, "DELETE FROM room")
  const took = Effect.forEach([fill, empty], (job) => submit(() => Either.right(job())), { discard: true })
  return Effect.suspend(() =>
    health.isFull()
      ? Effect.zipRight(took, Effect.sync(health.wrote))
      : submit(() => Either.right(probe()))
  )
}

/** What others are told is as of the last commit: between the steps of a job they look in. */
const publishing = (
  { digest, log, places, words }: {
    readonly log: OpLog.OpLog
    readonly digest: Digest.Digest
    readonly places: Places.Places
    readonly words: State.State["words"]
  },
  noted: () => void,
  behind: Effect.Latch
) => {
  const now = () => ({
    log: log.state(),
    digest: digest.state(),
    places: places.state(),
    words: words.standing()
  })
  let told = now()
  return {
    told: () => told,
    publish: () => {
      told = now()
      if (told.words.isBehind) behind.unsafeOpen()
      else behind.unsafeClose()
      noted()
    }
  }
}

/** What is kept in memory beside the tables, and must go back with them when a transaction does. */
const ledgerOf = (
  { digest, log, places, state }: {
    readonly log: OpLog.OpLog
    readonly state: State.State
    readonly digest: Digest.Digest
    readonly places: Places.Places
  },
  committed: () => void,
  share: ReturnType<typeof sharing.make>
) => ({
  save: () => ({
    log: log.state(),
    words: state.words.state(),
    digest: digest.state(),
    places: places.state()
  }),
  restore: (saved: {
    readonly log: ReturnType<OpLog.OpLog["state"]>
    readonly words: ReturnType<State.State["words"]["state"]>
    readonly digest: ReturnType<Digest.Digest["state"]>
    readonly places: ReturnType<Places.Places["state"]>
  }) => {
    log.restore(saved.log)
    places.restore(saved.places)
    state.words.restore(saved.words)
    digest.restore(saved.digest)
  },
  rest: state.finish,
  finish: () => {
    state.finish()
    digest.finish()
    return log.finish()
  },
  share,
  isBehind: () => state.words.standing().isBehind,
  catchUp: state.words.catchUp,
  committed
})

/** Tells how far this node has written of its own: now, and after each commit that has moved it. */
const noting = (log: OpLog.OpLog, note: Context.Tag.Service<Sqlite>["noteTide"]) => {
  if (note === undefined) return () => {}
  let noted = log.tide()
  note(noted)
  return () => {
    const tide = log.tide()
    if (tide.oseq === noted.oseq && tide.incarnation === noted.incarnation) return
    noted = tide
    note(tide)
  }
}

/** The first of this node's own that have no seal by its key. They are read before the transaction. */
const endorsing = ({ authors, committer, log, operations }: {
  readonly authors: Authors.Authors
  readonly committer: Effect.Effect.Success<ReturnType<typeof Committer.make>>
  readonly log: OpLog.OpLog
  readonly operations: MemoryStore["Type"]["operations"]
}): MemoryStore["Type"]["endorse"] =>
  Effect.gen(function*() {
    const { own, sealed, vector } = log.state()
    const nodeId = OpLog.nodeOf(own.origin)
    const key = authors.level === "off" ? undefined : authors.signerOf(nodeId)?.publicKey.hex
    const mine = [...vector].filter(([origin]) => OpLog.nodeOf(origin) === nodeId)
    const done = [...sealed.held].filter(([origin]) => sealed.keys.get(origin) === key)
    const [range] = key === undefined ? [] : VersionVector.missing(new Map(mine), new Map(done))
    if (range === undefined) return OperationSet.empty
    const found = yield* operations(range, MAX_LEAVES)
    return yield* committer.submit(() => Either.right(OperationSet.of(log.endorse(found))))
  })

/** The operations of a range of one origin, from the log. */
const makeOperations = (
  sql: SqlClient.SqlClient,
  failed: FileHealth["Type"]["failed"]
): MemoryStore["Type"]["operations"] => {
  const select = SqlSchema.findAll({
    Request: Schema.Struct({ origin: Origin, from: Schema.Int, to: Schema.Int, limit: Schema.Int }),
    Result: OpLog.SealedRow,
    execute: ({ from, limit, origin, to }) =>
      sql`${
        sql.literal(OpLog.SEALED_ROWS)
      } WHERE origin = ${origin} AND oseq BETWEEN ${from} AND ${to} ORDER BY oseq LIMIT ${limit}`
  })
  return (range, limit) =>
    select({ ...range, limit }).pipe(
      Effect.map((rows) => rows.map(OpLog.fromRow)),
      Effect.mapError((cause) => new ReadFailed({ cause: failed(cause) ?? cause }))
    )
}

const makeNotePeer = (writer: Database.Database, clock: Clock.Clock) => {
  const write = run(
    writer,
    `INSERT INTO peer_state (node_id, url, protocol, vector, skew_millis, last_success_at) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (node_id) DO UPDATE SET url = excluded.url, protocol = excluded.protocol, vector = excluded.vector,
       skew_millis = excluded.skew_millis, last_success_at = excluded.last_success_at`
  )
  return ({ peerId, protocol, skewMillis, url, vector }: PeerState): void => {
    const seenAt = Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
    const text = JSON.stringify(VersionVector.toJson(vector))
    write(peerId, url, protocol, text, Math.round(skewMillis), seenAt)
  }
}
