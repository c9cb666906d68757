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
import * as AckTracker from "../replication/AckTracker.js"
import type { Operation } from "../replication/Operation.js"
import type { QuorumPolicy } from "../replication/QuorumPolicy.js"
import { MemoryStore } from "../store/MemoryStore.js"
import * as Metrics from "../telemetry/Metrics.js"
import type { FederationConfig } from "./FederationConfig.js"
import * as Grouping from "./Grouping.js"
import type { Peer, PeerFailed } from "./Peer.js"
import { MAX_PUSH_OPERATIONS } from "./PeerApi.js"
import * as PeerLink from "./PeerLink.js"
import type { PeerTransport } from "./PeerTransport.js"
import { quorumFanout, type Tally } from "./quorumFanout.js"

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
        replicate: ({ opId }) => Effect.succeed({ opId, acks: 1, ackedBy: [store.nodeId] }),
        heard: () => {}
      })
    }
    const { peers, policy } = options.config.value
    const clock = yield* Effect.clock
    const inFlight = yield* FiberSet.make<void>()
    const links = yield* makeLinks(peers, policy, options.apiKey, store.nodeId)
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
        const tally = yield* fanOut([operation], yield* sendOf(operation), begin)
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

    const together = yield* Grouping.make({
      most: MAX_PUSH_OPERATIONS,
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
): Layer.Layer<Federation, never, MemoryStore | PeerTransport> => Layer.scoped(Federation, make(options))

/** One link per peer; a node id belongs to the first link that finds it, so that no node is counted twice. */
const makeLinks = (
  peers: ReadonlyArray<Peer>,
  policy: QuorumPolicy,
  apiKey: Option.Option<Redacted.Redacted>,
  nodeId: string
) => {
  const claimed = new Map<string, string>([[nodeId, "this node"]])
  const headers = {
    "x-peer-id": nodeId,
    "x-agent-id": nodeId,
    ...Option.match(apiKey, { onNone: () => ({}), onSome: (key) => ({ "x-api-key": Redacted.value(key) }) })
  }
  return Effect.forEach(peers, (peer) =>
    PeerLink.make({
      peer,
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
    }))
}

type Send = (link: PeerLink.PeerLink) => Effect.Effect<ReadonlyArray<PeerLink.SendOutcome>, PeerFailed>

/** Text is written once for all peers, unless each send is a span of its own that the peer continues. */
const sendOf = (operation: Operation): Effect.Effect<Send> =>
  Effect.map(FiberRef.get(FiberRef.currentTracerEnabled), (traced) => {
    if (!traced) {
      const items = [PeerLink.outgoing(operation, null)]
      return (link) => link.send(items)
    }
    return (link) =>
      Effect.currentSpan.pipe(
        Effect.option,
        Effect.flatMap((span) => link.send([PeerLink.outgoing(operation, Option.getOrNull(span))])),
        Effect.withSpan("federation.send", { attributes: { "peer.id": link.peer.name } })
      )
  })

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

const verdictOf = (options: {
  readonly policy: QuorumPolicy
  readonly nodeId: string
  readonly operation: Operation
  readonly tally: OwnTally
  readonly begin: number
}): Effect.Effect<Acknowledged, QuorumNotMet> => {
  const { begin, nodeId, operation, policy, tally } = options
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
  return got >= policy.w
    ? Effect.as(met(operation, tally), { opId: operation.opId, acks: got, ackedBy })
    : missed(
      new QuorumNotMet({
        opId: operation.opId,
        got,
        needed: policy.w,
        reason: AckTracker.missedReason(tracker),
        ackedBy
      })
    )
}

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
    onSuccess: (outcomes) =>
      Effect.forEach(outcomes, (outcome, index) =>
        Either.isRight(outcome) ? Effect.void : dropped(link, operations[index], Cause.fail(outcome.left)), {
        discard: true
      }),
    onFailure: (cause) =>
      Effect.forEach(operations, (operation) =>
        dropped(link, operation, cause), { discard: true })
  })

const dropped = (link: PeerLink.PeerLink, operation: Operation | undefined, cause: Cause.Cause<PeerFailed>) =>
  Effect.suspend(() => {
    const failure = Option.getOrUndefined(Cause.failureOption(cause))
    const interrupted = Cause.isInterruptedOnly(cause)
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
    return interrupted || isUnavailable(cause)
      ? Effect.void
      : Effect.logWarning(
        `federation: post-quorum peer ${link.peer.name} did not ack for ${operation?.entity}: ${
          failure?.message ?? Cause.pretty(cause)
        }`
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
