import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import * as AckTracker from "../replication/AckTracker.js"
import type { Operation } from "../replication/Operation.js"
import type { QuorumPolicy } from "../replication/QuorumPolicy.js"
import type { DeadLetters } from "../store/DeadLetters.js"
import { MemoryStore } from "../store/MemoryStore.js"
import type { PeerStates } from "../store/PeerStates.js"
import type { DigestReader } from "../store/read/DigestReader.js"
import * as Metrics from "../telemetry/globalMetrics.js"
import type { FederationConfig } from "./FederationConfig.js"
import * as Grouping from "./Grouping.js"
import * as Breaker from "./link/Breaker.js"
import * as PeerLink from "./link/PeerLink.js"
import * as replay from "./link/replay.js"
import { quorumFanout, type Tally } from "./quorumFanout.js"
import type * as exchange from "./wire/exchange.js"
import type { Peer, PeerFailed } from "./wire/Peer.js"
import * as PeerApi from "./wire/PeerApi.js"
import type { PeerTransport } from "./wire/PeerTransport.js"

/**
 * The write is durable on this node and `got - 1` peers, fewer than asked for. It is NOT undone: it will replicate.
 * A retry with the same idempotency key waits for the same write.
 */
export class QuorumNotMet extends Schema.TaggedError<QuorumNotMet>()("QuorumNotMet", {
  opId: Schema.String,
  got: Schema.Int,
  needed: Schema.Int,
  reason: Schema.Literal("unreachable", "timeout", "id_drift"),
  ackedBy: Schema.Array(Schema.String)
}) {
  override get message() {
    return `quorum not met (got ${this.got}, needed ${this.needed}, reason ${this.reason})`
  }
}

/** How far a write got when its caller was answered. */
export interface Acknowledged {
  readonly opId: string
  /** Nodes known to hold the write durably, this one included. */
  readonly acks: number
  /** The ids of those nodes. */
  readonly ackedBy: ReadonlyArray<string>
}

/** What became of one operation of many. */
export type Verdict = Either.Either<Acknowledged, QuorumNotMet>

/** The mesh as this node sees it. Without peers every write is acknowledged by its local commit alone. */
export class Federation extends Context.Tag("quorate/federation/Federation")<Federation, {
  /** W of N, when there are peers. */
  readonly policy: Option.Option<QuorumPolicy>
  readonly links: ReadonlyArray<PeerLink.PeerLink>
  /**
   * Sends a committed operation to every peer and waits for W − 1 of them, no longer than the deadline. Whatever it
   * answers, the sends go on: interrupting the caller takes nothing back.
   */
  readonly replicate: (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet>
  /**
   * The same for many operations that were committed together: one deadline for all, a verdict for each, in their order.
   * They go in large requests of their own, beside the live writes.
   */
  readonly replicateAll: (operations: ReadonlyArray<Operation>) => Effect.Effect<ReadonlyArray<Verdict>>
  /**
   * Has the other nodes of ours sent at once what came into the log otherwise than by a write of a client. An original node
   * hears of it in the next round: it may be the one that it came from, and have gone on meanwhile.
   */
  readonly catchUp: Effect.Effect<void>
  /** A node of this id spoke to this one. */
  readonly heard: (nodeId: string) => void
}>() {}

/** Room left below the deadline for two attempts and the pause between them. */
const ATTEMPT_SHARE = 0.45
const MIN_ATTEMPT = Duration.millis(50)

/** Of one push: two of them, with the pause between, end before the deadline of the write that waits for them. */
export const attemptTimeout = (ackTimeout: Duration.Duration): Duration.Duration => {
  const withRetry = Duration.subtract(ackTimeout, PeerLink.RETRY_AFTER)
  return Duration.max(
    MIN_ATTEMPT,
    Duration.times(Duration.max(withRetry, Duration.times(ackTimeout, 0.5)), ATTEMPT_SHARE)
  )
}

const make = (options: {
  readonly config: Option.Option<FederationConfig>
  readonly apiKey: Option.Option<Redacted.Redacted>
  readonly drainTimeout: Duration.Duration
}) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    if (Option.isNone(options.config)) {
      return Federation.of({
        policy: Option.none(),
        links: [],
        replicate: (operation) => Effect.succeed(alone(operation, store.nodeId)),
        replicateAll: (operations) =>
          Effect.succeed(operations.map((operation) => Either.right(alone(operation, store.nodeId)))),
        catchUp: Effect.void,
        heard: () => {}
      })
    }
    const { peers, policy } = options.config.value
    const clock = yield* Effect.clock
    const inFlight = yield* FiberSet.make<void>()
    const links = yield* makeLinks(peers, policy, options.apiKey, store.nodeId)
    yield* Effect.forkScoped(replay.worker(links))
    // Added last, so that it runs first: the links must still be there to finish what is under way.
    yield* Effect.addFinalizer(() => drained(inFlight, options.drainTimeout))

    const needed = policy.w - 1
    const ackMillis = Duration.toMillis(policy.ackTimeout)
    /** One fan-out, its deadline counted from `begin`; every peer answers for each operation. */
    const fanOut = (operations: ReadonlyArray<Operation>, send: Send, begin: number) =>
      quorumFanout({
        targets: links,
        send,
        needed,
        deadline: Duration.millis(Math.max(0, ackMillis - (clock.unsafeCurrentTimeMillis() - begin))),
        inFlight,
        onLate: (link, exit) => late(link, operations, exit)
      }).pipe(Effect.catchTag("QuorumMissed", (missed) => Effect.succeed(missed.tally)))

    const replicateAlone = (operation: Operation, begin: number) =>
      Effect.gen(function*() {
        const tally = yield* fanOut([operation], yield* sendOf([operation], { bulk: false }), begin)
        return yield* verdictOf({ policy, nodeId: store.nodeId, operation, tally: tallyOf(tally, 0), begin })
      })

    const replicateGroup = (group: ReadonlyArray<Grouping.Waiting<Operation, Acknowledged, QuorumNotMet>>) =>
      Effect.gen(function*() {
        const begin = clock.unsafeCurrentTimeMillis()
        const operations = group.map(({ item }) => item)
        const items = operations.map((operation) => PeerLink.outgoing(operation, null))
        const tally = yield* fanOut(operations, (link) => link.send(items), begin)
        const ackedBy = ackedByAll(tally)
        if (ackedBy.length >= needed) {
          const nodes = [store.nodeId, ...ackedBy]
          for (const { answer, item } of group) {
            Metrics.quorum("ok")
            answer(Exit.succeed({ opId: item.opId, acks: nodes.length, ackedBy: nodes }))
          }
          return
        }
        group.forEach(({ answer, item: operation }, index) => {
          const own = tallyOf(tally, index)
          // A peer answered and refuses this one operation: the others must not wait for it, nor it be judged by them.
          const isRefused = own.acks.length < needed && tally.acks.length >= needed
          answer(
            isRefused
              ? replicateAlone(operation, begin)
              : verdictOf({ policy, nodeId: store.nodeId, operation, tally: own, begin })
          )
        })
      })

    /** Those that one peer refuses are tried once more by themselves, so that it is not the others' answer that decides. */
    const replicateChunk = (operations: ReadonlyArray<Operation>, begin: number) =>
      Effect.gen(function*() {
        const round = (of: ReadonlyArray<Operation>) =>
          Effect.flatMap(sendOf(of, { bulk: true }), (send) => fanOut(of, send, begin))
        const first = yield* round(operations)
        const own = operations.map((_, index) => tallyOf(first, index))
        const open = operations.filter((_, index) => {
          const acks = own[index]?.acks.length ?? 0
          return acks < needed && first.acks.length >= needed
        })
        const second = open.length === 0 ? first : yield* round(open)
        const verdicts = operations.map((operation, index) => {
          const again = open.indexOf(operation)
          const tally = again < 0 ? own[index] ?? tallyOf(first, index) : tallyOf(second, again)
          return judge({ policy, nodeId: store.nodeId, operation, tally, begin })
        })
        yield* reportBulk(verdicts, first)
        return verdicts
      })

    const replicateAll = (operations: ReadonlyArray<Operation>) =>
      Effect.suspend(() => {
        const begin = clock.unsafeCurrentTimeMillis()
        return Effect.map(
          Effect.forEach(chunksOf(operations), (chunk) => replicateChunk(chunk, begin), {
            concurrency: MAX_CHUNKS_AT_ONCE
          }),
          (verdicts) => verdicts.flat()
        )
      })

    const together = yield* Grouping.make({
      most: PeerApi.MAX_PUSH_OPERATIONS,
      run: (group: ReadonlyArray<Grouping.Waiting<Operation, Acknowledged, QuorumNotMet>>) =>
        FiberSet.run(inFlight, replicateGroup(group))
    })

    /** Writes of one commit share a fan-out, unless each is to be seen in its own trace. */
    const replicate = (operation: Operation) =>
      Effect.flatMap(
        FiberRef.get(FiberRef.currentTracerEnabled),
        (traced) => traced ? replicateAlone(operation, clock.unsafeCurrentTimeMillis()) : together(operation)
      )

    return Federation.of({
      policy: Option.some(policy),
      links,
      replicate,
      replicateAll,
      catchUp: Effect.sync(() => {
        for (const link of links) if (link.status().identity?.kind === "quorate") link.catchUp()
      }),
      heard: (nodeId) => {
        for (const link of links) {
          const { identity } = link.status()
          if (identity === null || identity.nodeId === nodeId) link.heard()
        }
      }
    })
  })

export const layer = (
  options: Parameters<typeof make>[0]
): Layer.Layer<
  Federation,
  never,
  MemoryStore | DigestReader | DeadLetters | PeerStates | PeerTransport | exchange.ToOriginal
> => Layer.scoped(Federation, make(options))

/** Without peers the local commit is all there is to acknowledge. */
const alone = ({ opId }: Operation, nodeId: string): Acknowledged => ({ opId, acks: 1, ackedBy: [nodeId] })

/** One link per peer; a node id belongs to the first link that finds it, so that no node is counted twice. */
const makeLinks = (
  peers: ReadonlyArray<Peer>,
  policy: QuorumPolicy,
  apiKey: Option.Option<Redacted.Redacted>,
  nodeId: string
) => {
  const made: Array<PeerLink.PeerLink> = []
  const claimed = new Map<string, string>([[nodeId, "this node"]])
  const headers = {
    "x-peer-id": nodeId,
    "x-agent-id": nodeId,
    ...Option.match(apiKey, { onNone: () => ({}), onSome: (key) => ({ "x-api-key": Redacted.value(key) }) })
  }
  const inTouch = (id: string) => {
    for (const link of made) {
      const { breaker, identity } = link.status()
      if (identity?.kind === "quorate" && identity.nodeId === id && !Breaker.isOpen(breaker)) return identity.hello
    }
    return undefined
  }
  return Effect.forEach(peers, (peer) =>
    PeerLink.make({
      peer,
      inTouch,
      sender: { nodeId, headers },
      attemptTimeout: attemptTimeout(policy.ackTimeout),
      clockSkewWarn: policy.clockSkewWarn,
      claim: (id) => {
        const owner = claimed.get(id)
        if (owner !== undefined) return owner === peer.url
        for (const [other, url] of claimed) if (url === peer.url) claimed.delete(other)
        claimed.set(id, peer.url)
        return true
      }
    }).pipe(Effect.tap((link) => Effect.sync(() => made.push(link)))))
}

type Send = (link: PeerLink.PeerLink) => Effect.Effect<ReadonlyArray<PeerLink.SendOutcome>, PeerFailed>

/** Text is written once for all peers, unless each send is a span of its own that the peer continues. */
const sendOf = (operations: ReadonlyArray<Operation>, how: { readonly bulk: boolean }): Effect.Effect<Send> =>
  Effect.map(FiberRef.get(FiberRef.currentTracerEnabled), (traced) => {
    const items = (span: Tracer.AnySpan | null) => operations.map((operation) => PeerLink.outgoing(operation, span))
    if (!traced) {
      const shared = items(null)
      return (link) => link.send(shared, how)
    }
    return (link) =>
      Effect.currentSpan.pipe(
        Effect.option,
        Effect.flatMap((span) => link.send(items(Option.getOrNull(span)), how)),
        Effect.withSpan("federation.send", { attributes: { "peer.id": link.peer.name } })
      )
  })

/** Chunks of one `replicateAll` that wait at the links at once, so that they stay within the bounds of the queues. */
const MAX_CHUNKS_AT_ONCE = 4
/** Of what an operation takes on the wire beside its body, from above for most. */
const ROOM_PER_OPERATION = 512

/** In their order, each as large as one push may be. */
const chunksOf = (operations: ReadonlyArray<Operation>): ReadonlyArray<ReadonlyArray<Operation>> => {
  const sizes = operations.map((operation) => PeerApi.sizeOf(operation, "") + ROOM_PER_OPERATION)
  const chunks: Array<ReadonlyArray<Operation>> = []
  for (let from = 0; from < operations.length;) {
    const count = PeerApi.fitting(sizes.slice(from, from + PeerLink.MAX_BULK_OPERATIONS), PeerLink.MAX_BULK_OPERATIONS)
    chunks.push(operations.slice(from, from + count))
    from += count
  }
  return chunks
}

/** The peers that hold every operation of a group, when no peer has failed and none refuses one: the usual case. */
const ackedByAll = ({ acks, failures }: GroupTally): ReadonlyArray<string> => {
  if (failures.length > 0 || !acks.every(({ ack }) => ack.every(Either.isRight))) return []
  return acks.flatMap(({ ack: [first] }) => first !== undefined && Either.isRight(first) ? [first.right] : [])
}

type GroupTally = Tally<PeerLink.PeerLink, ReadonlyArray<PeerLink.SendOutcome>, PeerFailed>
type OwnTally = Tally<PeerLink.PeerLink, string, PeerFailed>

/** What the fan-out of a group came to for one of its operations. */
const tallyOf = ({ acks, failures, needed, pending }: GroupTally, index: number): OwnTally => {
  const own: Array<OwnTally["acks"][number]> = []
  const refused: Array<OwnTally["failures"][number]> = []
  for (const { ack, target } of acks) {
    const outcome = ack[index]
    if (outcome !== undefined && Either.isRight(outcome)) own.push({ target, ack: outcome.right })
    else if (outcome !== undefined) refused.push({ target, cause: Cause.fail(outcome.left) })
  }
  return { acks: own, failures: refused.length === 0 ? failures : [...failures, ...refused], needed, pending }
}

interface Judged {
  readonly policy: QuorumPolicy
  readonly nodeId: string
  readonly operation: Operation
  readonly tally: OwnTally
  readonly begin: number
}

/** Who holds the operation, and whether that is enough. */
const judge = ({ begin, nodeId, operation, policy, tally }: Judged): Verdict => {
  let tracker = AckTracker.recordLocal(AckTracker.make(policy, begin))
  for (const { ack } of tally.acks) tracker = AckTracker.recordAck(tracker, ack)
  for (const { cause, target } of tally.failures) {
    const failure = Cause.failureOption(cause)
    if (Option.isSome(failure) && failure.value.reason === "id_drift") {
      tracker = AckTracker.recordIdDrift(tracker, target.peer.name)
    }
  }
  const ackedBy = [nodeId, ...AckTracker.ackedBy(tracker)]
  const got = ackedBy.length
  if (got >= policy.w) return Either.right({ opId: operation.opId, acks: got, ackedBy })
  const reason = AckTracker.missedReason(tracker)
  return Either.left(new QuorumNotMet({ opId: operation.opId, got, needed: policy.w, reason, ackedBy }))
}

const verdictOf = (judged: Judged): Effect.Effect<Acknowledged, QuorumNotMet> =>
  Either.match(judge(judged), {
    onRight: (acknowledged) => Effect.as(met(judged.operation, judged.tally), acknowledged),
    onLeft: missed
  })

/** Counts each verdict; what a peer did not ack is worth one line for all of them. */
const reportBulk = (verdicts: ReadonlyArray<Verdict>, { failures }: GroupTally) =>
  Effect.suspend(() => {
    for (const verdict of verdicts) {
      Metrics.quorum(Either.isRight(verdict) ? "ok" : "fail")
      if (Either.isLeft(verdict)) Metrics.quorumFailed(verdict.left.reason)
    }
    const missing = failures.filter(({ cause }) => !isUnavailable(cause)).map(({ target }) => target.peer.url)
    return missing.length === 0 ? Effect.void : Effect.logWarning(
      `federation: ${missing.length} peer(s) did not ack ${verdicts.length} operations: ${JSON.stringify(missing)}`
    )
  })

/** The quorum holds it; a peer that has failed for certain is worth a word, one still being tried is not missing. */
const met = (operation: Operation, tally: OwnTally) =>
  Effect.suspend(() => {
    Metrics.quorum("ok")
    const missing = tally.failures.filter(({ cause }) => !isUnavailable(cause)).map(({ target }) => target.peer.url)
    if (tally.failures.length > 0) Metrics.partialQuorum()
    return missing.length === 0 ? Effect.void : partial(operation, missing)
  })

const partial = (operation: Operation, missing: ReadonlyArray<string>) =>
  Effect.logWarning(
    `federation: quorum met but ${missing.length} peer(s) did not ack: ${JSON.stringify(missing)}`,
    { memory_id: operation.entity, op_id: operation.opId, n_missing: missing.length }
  )

const missed = (error: QuorumNotMet) =>
  Effect.suspend(() => {
    Metrics.quorum("fail")
    Metrics.quorumFailed(error.reason)
    return Effect.fail(error)
  })

/** A peer whose breaker is open was logged when it opened: not again for each write. */
const isUnavailable = (cause: Cause.Cause<PeerFailed>) =>
  Option.exists(Cause.failureOption(cause), ({ reason }) => reason === "unavailable")

/** What a straggler came to. A failure loses nothing: the log has the operations, and backfill sends them. */
const late = (
  link: PeerLink.PeerLink,
  operations: ReadonlyArray<Operation>,
  exit: Exit.Exit<ReadonlyArray<PeerLink.SendOutcome>, PeerFailed>
) =>
  Exit.match(exit, {
    onSuccess: (outcomes) => {
      const refused = outcomes.flatMap((outcome, index) =>
        Either.isRight(outcome) ? [] : [{ operation: operations[index], cause: Cause.fail(outcome.left) }]
      )
      return dropped(link, refused.map(({ operation }) => operation), refused[0]?.cause ?? Cause.empty)
    },
    onFailure: (cause) => dropped(link, operations, cause)
  })

/** One line for all of them: they went in one request, and failed together. */
const dropped = (
  link: PeerLink.PeerLink,
  operations: ReadonlyArray<Operation | undefined>,
  cause: Cause.Cause<PeerFailed>
) =>
  Effect.suspend(() => {
    const [first] = operations
    if (first === undefined) return Effect.void
    const failure = Option.getOrUndefined(Cause.failureOption(cause))
    const interrupted = Cause.isInterruptedOnly(cause)
    for (const _ of operations) {
      Metrics.dropped(
        interrupted
          ? "shutdown"
          : failure === undefined
          ? "join_error"
          : failure.reason === "id_drift"
          ? "id_drift"
          : "peer_fail"
      )
      Metrics.partialQuorum()
    }
    return interrupted || isUnavailable(cause)
      ? Effect.void
      : Effect.logWarning(
        `federation: post-quorum peer ${link.peer.name} did not ack for ${first.entity}${
          operations.length === 1 ? "" : ` and ${operations.length - 1} more`
        }: ${failure?.message ?? Cause.pretty(cause)}`
      )
  })

/** At shutdown the open sends get a bounded time; what is left then is in the log, for the next start. */
const drained = (inFlight: FiberSet.FiberSet<void>, within: Duration.Duration) =>
  FiberSet.awaitEmpty(inFlight).pipe(
    Effect.interruptible,
    Effect.timeoutOption(within),
    Effect.flatMap((done) =>
      Option.isSome(done)
        ? Effect.void
        : Effect.logWarning("federation: some sends were not done in time; the log resumes them at the next start")
    )
  )
