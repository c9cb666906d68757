import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { NodeId, PeerUrl } from "../domain/ids.js"
import type { Operation } from "../replication/Operation.js"
import type { QuorumPolicy } from "../replication/QuorumPolicy.js"
import { Metrics } from "../telemetry/Metrics.js"
import type { Attempts } from "./attempts.js"
import * as Grouping from "./Grouping.js"
import { quorumFanout } from "./quorumFanout.js"
import type { RecentTraces } from "./RecentTraces.js"
import * as Report from "./report.js"
import * as Sending from "./sending.js"
import { type Acknowledged, decideAll, type Decided, isBlocked, type QuorumNotMet, type Verdict } from "./verdict.js"

/** How committed operations get their quorum. */
interface Replicating {
  readonly replicate: (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet>
  readonly replicateEach: (
    operations: ReadonlyArray<Operation>,
    told: (index: number, exit: Exit.Exit<Acknowledged, QuorumNotMet>) => void
  ) => Effect.Effect<void>
  readonly replicateAll: (operations: ReadonlyArray<Operation>) => Effect.Effect<ReadonlyArray<Verdict>>
}

/** A write that waits for the fan-out of its group. */
type Waiting = Grouping.Waiting<Sending.Sending, Acknowledged, QuorumNotMet>

/** Chunks of one `replicateAll` that wait at the links at once, so that they stay within the bounds of the queues. */
const MAX_CHUNKS_AT_ONCE = 4

interface Options {
  readonly nodeId: NodeId
  readonly policy: QuorumPolicy
  readonly links: ReadonlyArray<Sending.Target>
  /** Told what the links hear, too. */
  readonly attempts: Attempts
  /** Owns every send. */
  readonly inFlight: FiberSet.FiberSet<void>
  /** Told of the trace of each write. */
  readonly traces: RecentTraces
}

export const make = (options: Options): Effect.Effect<Replicating, never, Metrics | Scope.Scope> =>
  Effect.gen(function*() {
    const { inFlight, links, policy, traces } = options
    const clock = yield* Effect.clock
    const nowMillis = () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
    const report = Report.make(yield* Metrics)
    const parts: Parts = { round: roundOf(options, report, nowMillis), report }
    const inSpan = Sending.inFanoutSpan({ "quorum.targets": links.length, "quorum.needed": policy.w - 1 })

    const begin = (group: ReadonlyArray<Waiting>) => FiberSet.run(inFlight, replicateGroup(parts, group, nowMillis()))
    // Where not all peers are needed each takes another chunk first: so all chunks are held by enough before any is by all.
    const firstOf = (chunk: number) => policy.w - 1 < links.length ? links[chunk % links.length]?.peer.url : undefined
    const together = yield* Grouping.make({ most: Sending.MAX_TOGETHER, run: begin })

    return {
      replicate: (operation) =>
        inSpan((trace) => {
          if (trace !== null) traces.note(operation.opId, trace.span)
          return together(Sending.make(operation, trace))
        }),
      replicateEach: (operations, told) =>
        Grouping.each(
          operations.map((operation) => Sending.make(operation, null)),
          (group) => Effect.forEach(Arr.chunksOf(group, Sending.MAX_TOGETHER), begin, { discard: true }),
          told
        ),
      replicateAll: (operations) =>
        Effect.suspend(() => {
          const begin = nowMillis()
          return Effect.forEach(
            Sending.chunksOf(operations.map((operation) => Sending.make(operation, null))),
            (chunk, index) =>
              inSpan((trace) => {
                if (trace !== null) { for (const { operation } of chunk) traces.note(operation.opId, trace.span) }
                return replicateChunk(parts, chunk.map((sending) => ({ ...sending, trace })), {
                  beginMillis: begin,
                  first: firstOf(index)
                })
              }),
            { concurrency: MAX_CHUNKS_AT_ONCE }
          )
        }).pipe(Effect.map((verdicts) => verdicts.flat()))
    }
  })

interface Parts {
  readonly round: Round
  readonly report: Report.Report
}

/** Writes of one commit: each is answered as soon as there is a verdict on it. */
const replicateGroup = ({ report, round }: Parts, group: ReadonlyArray<Waiting>, beginMillis: number) => {
  const how = { bulk: false, beginMillis, isLast: false, wanted: false }
  const reported = (decided: Decided): Effect.Effect<Acknowledged, QuorumNotMet> =>
    Effect.zipRight(report.decided(decided), decided.verdict)
  const answerAll = (all: ReadonlyArray<readonly [Waiting, Decided]>) => {
    for (const [{ answer, item }, decided] of all) {
      if (decided.isOpen) answer(Effect.flatMap(concluded(round, item, decided, how), reported), true)
      else answer(reported(decided))
    }
  }
  return roundOfAll(round, group, ({ item }) => item, how).pipe(
    Effect.flatMap((all) => {
      const [decided, blocked] = Arr.partition(all, ([, decided]) => isBlocked(decided))
      answerAll(decided)
      return blocked.length === 0 ? Effect.void : Effect.map(
        roundOfAll(round, blocked.map(([waiting]) => waiting), ({ item }) => item, { ...how, wanted: true }),
        answerAll
      )
    }),
    // Whatever becomes of it, nobody is left waiting.
    Effect.onError((cause) =>
      Effect.sync(() => {
        for (const { answer } of group) answer(Effect.failCause(cause))
      })
    )
  )
}

/** Operations of one push of bulk: they are answered together. */
const replicateChunk = (
  { report, round }: Parts,
  chunk: ReadonlyArray<Sending.Sending>,
  { beginMillis, first: taker }: Pick<How, "beginMillis" | "first">
) =>
  Effect.gen(function*() {
    const how = { bulk: true, beginMillis, first: taker, isLast: false, wanted: false }
    const first = yield* round(chunk, how)
    const judged = first.some(isBlocked) ? yield* round(chunk, { ...how, wanted: true }) : first
    const all = judged.some(({ isOpen }) => isOpen)
      ? yield* Effect.forEach(
        Arr.zip(chunk, judged),
        ([sending, decided]) => concluded(round, sending, decided, how),
        { concurrency: "unbounded" }
      )
      : judged
    yield* report.bulkDecided(all)
    return all.map(({ verdict }) => verdict)
  })

/** A round of some things that have a sending each, and what it came to for each of them. */
const roundOfAll = <A>(round: Round, all: ReadonlyArray<A>, of: (one: A) => Sending.Sending, how: How) =>
  Effect.map(round(all.map(of), how), (decided) => Arr.zip(all, decided))

/**
 * What is still open after the round that it shared has one of its own: a peer answered, and does not hold this one.
 * The others must not wait for it, nor it be judged by what they came to.
 */
const concluded = (round: Round, sending: Sending.Sending, decided: Decided, how: How): Effect.Effect<Decided> =>
  decided.isOpen
    ? Effect.map(round([sending], { ...how, isLast: true }), ([own = decided]) => own)
    : Effect.succeed(decided)

interface How {
  readonly bulk: boolean
  /** When the write began: all its rounds share one deadline. */
  readonly beginMillis: number
  /** No other round follows. */
  readonly isLast: boolean
  /** It was tried without the peers that do not answer, and does not go without them. */
  readonly wanted: boolean
  /** The peer that is to hold it first. */
  readonly first?: PeerUrl | undefined
}

type Round = (sendings: ReadonlyArray<Sending.Sending>, how: How) => Effect.Effect<ReadonlyArray<Decided>>

/** One fan-out for some operations: every peer answers for each of them, and each is judged by itself. */
const roundOf = (
  { attempts, inFlight, links, nodeId, policy }: Options,
  report: Report.Report,
  nowMillis: () => number
): Round =>
(sendings, { beginMillis, bulk, first, isLast, wanted }) =>
  Effect.suspend(() => {
    const operations = sendings.map(({ operation }) => operation)
    const { held, missed, otherwise, over, send } = attempts.round(sendings, { bulk, first, wanted }, links)
    return quorumFanout({
      targets: links,
      send,
      otherwise,
      needed: policy.w - 1,
      deadline: Duration.millis(Math.max(0, Duration.toMillis(policy.ackTimeout) - (nowMillis() - beginMillis))),
      inFlight,
      onLate: ({ peer }, exit) => report.late(peer, missed(exit))
    }).pipe(
      // Its span is that of each write, and open already.
      Effect.withTracerEnabled(false),
      Effect.catchTag("QuorumMissed", ({ tally }) => Effect.succeed(tally)),
      Effect.map((tally) =>
        decideAll({ nodeId, policy, beginMillis, nowMillis: nowMillis(), isLast, held }, operations, tally)
      ),
      Effect.ensuring(Effect.sync(over))
    )
  })
