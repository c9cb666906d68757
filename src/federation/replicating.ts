import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { NodeId } from "../domain/ids.js"
import type { Operation } from "../replication/Operation.js"
import type { QuorumPolicy } from "../replication/QuorumPolicy.js"
import { Metrics } from "../telemetry/Metrics.js"
import * as Grouping from "./Grouping.js"
import type { PeerLink } from "./link/PeerLink.js"
import { quorumFanout } from "./quorumFanout.js"
import * as Report from "./report.js"
import * as Sending from "./sending.js"
import { type Acknowledged, decideAll, type Decided, type QuorumNotMet, type Verdict } from "./verdict.js"
import { fitting, MAX_BULK_OPERATIONS, MAX_PUSH_OPERATIONS } from "./wire/PeerApi.js"

/** How committed operations get their quorum. */
export interface Replicating {
  readonly replicate: (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet>
  readonly replicateAll: (operations: ReadonlyArray<Operation>) => Effect.Effect<ReadonlyArray<Verdict>>
}

/** A write that waits for the fan-out of its group. */
type Waiting = Grouping.Waiting<Sending.Sending, Acknowledged, QuorumNotMet>

/** Chunks of one `replicateAll` that wait at the links at once, so that they stay within the bounds of the queues. */
const MAX_CHUNKS_AT_ONCE = 4

export const make = (options: {
  readonly nodeId: NodeId
  readonly policy: QuorumPolicy
  readonly links: ReadonlyArray<PeerLink>
  /** Owns every send. */
  readonly inFlight: FiberSet.FiberSet<void>
}): Effect.Effect<Replicating, never, Metrics | Scope.Scope> =>
  Effect.gen(function*() {
    const { inFlight, links, policy } = options
    const clock = yield* Effect.clock
    const nowMillis = () => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
    const report = Report.make(yield* Metrics)
    const round = roundOf(options, report, nowMillis)
    const inSpan = Sending.inFanoutSpan({ "quorum.targets": links.length, "quorum.needed": policy.w - 1 })

    /**
     * What is still open after the round that it shared has one of its own: a peer answered, and does not hold this one. The
     * others must not wait for it, nor it be judged by what they came to.
     */
    const concluded = (sending: Sending.Sending, decided: Decided, how: How): Effect.Effect<Decided> =>
      decided.isOpen
        ? Effect.map(round([sending], { ...how, isLast: true }), ([own = decided]) => own)
        : Effect.succeed(decided)

    const reported = (decided: Decided): Effect.Effect<Acknowledged, QuorumNotMet> =>
      Effect.zipRight(report.decided(decided), decided.verdict)

    const replicateGroup = (group: ReadonlyArray<Waiting>) =>
      Effect.gen(function*() {
        const how = { bulk: false, beginMillis: nowMillis(), isLast: false }
        const all = yield* round(group.map(({ item }) => item), how)
        group.forEach(({ answer, item }, index) => {
          const decided = all[index]
          if (decided === undefined) return
          answer(decided.isOpen ? Effect.flatMap(concluded(item, decided, how), reported) : reported(decided))
        })
      })

    const together = yield* Grouping.make({
      most: MAX_PUSH_OPERATIONS,
      run: (group: ReadonlyArray<Waiting>) =>
        FiberSet.run(
          inFlight,
          // Whatever becomes of it, nobody is left waiting.
          Effect.catchAllCause(replicateGroup(group), (cause) =>
            Effect.sync(() => {
              for (const { answer } of group) answer(Effect.failCause(cause))
            }))
        )
    })

    const replicateChunk = (chunk: ReadonlyArray<Sending.Sending>, beginMillis: number) =>
      inSpan((trace) =>
        Effect.gen(function*() {
          const how = { bulk: true, beginMillis, isLast: false }
          const sendings = chunk.map((sending) => ({ ...sending, trace }))
          const first = yield* round(sendings, how)
          const all = yield* Effect.forEach(
            Arr.zip(sendings, first),
            ([sending, decided]) => concluded(sending, decided, how),
            { concurrency: "unbounded" }
          )
          yield* report.bulkDecided(all)
          return all.map(({ verdict }) => verdict)
        })
      )

    return {
      replicate: (operation) => inSpan((trace) => together(Sending.make(operation, trace))),
      replicateAll: (operations) =>
        Effect.suspend(() => {
          const begin = nowMillis()
          const chunks = chunksOf(operations.map((operation) => Sending.make(operation, null)))
          return Effect.forEach(chunks, (chunk) => replicateChunk(chunk, begin), { concurrency: MAX_CHUNKS_AT_ONCE })
        }).pipe(Effect.map((verdicts) => verdicts.flat()))
    }
  })

interface How {
  readonly bulk: boolean
  /** When the write began: all its rounds share one deadline. */
  readonly beginMillis: number
  /** No other round follows. */
  readonly isLast: boolean
}

type Options = Parameters<typeof make>[0]

/** One fan-out for some operations: every peer answers for each of them, and each is judged by itself. */
const roundOf = ({ inFlight, links, nodeId, policy }: Options, report: Report.Report, nowMillis: () => number) =>
(
  sendings: ReadonlyArray<Sending.Sending>,
  { beginMillis, bulk, isLast }: How
): Effect.Effect<ReadonlyArray<Decided>> => {
  const operations = sendings.map(({ operation }) => operation)
  return quorumFanout({
    targets: links,
    send: Sending.toEach(sendings, { bulk }),
    needed: policy.w - 1,
    deadline: Duration.millis(Math.max(0, Duration.toMillis(policy.ackTimeout) - (nowMillis() - beginMillis))),
    inFlight,
    onLate: ({ peer }, exit) => report.late(peer, operations, exit)
  }).pipe(
    // Its span is that of each write, and open already.
    Effect.withTracerEnabled(false),
    Effect.catchTag("QuorumMissed", ({ tally }) => Effect.succeed(tally)),
    Effect.map((tally) => decideAll({ nodeId, policy, beginMillis, nowMillis: nowMillis(), isLast }, operations, tally))
  )
}

/** In their order, each as large as one push may be. */
const chunksOf = (sendings: ReadonlyArray<Sending.Sending>): ReadonlyArray<ReadonlyArray<Sending.Sending>> => {
  const chunks: Array<ReadonlyArray<Sending.Sending>> = []
  for (let from = 0; from < sendings.length;) {
    const next = sendings.slice(from, from + MAX_BULK_OPERATIONS)
    const chunk = next.slice(0, fitting(next.map(({ written }) => written.bytes), MAX_BULK_OPERATIONS))
    chunks.push(chunk)
    from += chunk.length
  }
  return chunks
}
