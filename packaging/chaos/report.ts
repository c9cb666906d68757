import type * as checker from "../../test/simulation/checker.js"
import type { Episode, Fault, Sample } from "./Chronicle.js"
import type { Means } from "./means.js"
import type { Result } from "./Round.js"
import type { Tally } from "./Scene.js"

/** What is told of a whole run, as JSON and as a page. */
export interface Report {
  readonly seed: number
  readonly bug: string | null
  readonly missing: Means["missing"]
  readonly rounds: ReadonlyArray<RoundReport>
  /** Of each kind of fault, over all rounds. */
  readonly faults: Readonly<Record<string, Exercised>>
  readonly violations: number
  /** Kinds of faults that never met a write, though they were to. */
  readonly idle: ReadonlyArray<string>
}

export interface Exercised {
  times: number
  /** Writes that clients waited for when a fault began. */
  in_flight_at_begin: number
  /** Writes that were under way at some time while a fault lasted. */
  writes_overlapped: number
}

export interface RoundReport {
  readonly round: number
  readonly nodes: number
  readonly quorum_writes: number
  readonly secured: boolean
  readonly history: string
  readonly writes: Tally
  readonly operations: number
  readonly chunks_lost: number
  readonly answers_swallowed: number
  readonly healed_at: number
  readonly converged_after_ms: number | null
  readonly faults: Readonly<Record<string, Exercised>>
  readonly violations: ReadonlyArray<checker.Violation>
  readonly timeline: Timeline
}

export interface Timeline {
  readonly nodes: ReadonlyArray<string>
  readonly until: number
  readonly episodes: ReadonlyArray<Episode>
  readonly samples: ReadonlyArray<Sample>
  /** Per node, and in each second: acknowledged writes, and those that were refused or missed their quorum. */
  readonly seconds: ReadonlyArray<{
    readonly node: string
    readonly second: number
    readonly acknowledged: number
    readonly refused: number
  }>
}

export const ofRound = (result: Result): RoundReport => {
  const { chronicle, plan } = result
  return {
    round: plan.number,
    nodes: plan.size,
    quorum_writes: plan.quorumWrites,
    secured: plan.isSecured,
    history: result.history,
    writes: result.tally,
    operations: result.operations,
    chunks_lost: result.lost,
    answers_swallowed: result.swallowed,
    healed_at: result.healedAt,
    converged_after_ms: result.convergedAfterMillis,
    faults: exercised(result),
    violations: result.violations,
    timeline: {
      nodes: Array.from({ length: plan.size }, (_, index) => `n${index + 1}`),
      until: chronicle.history.at(-1)?.at ?? result.healedAt,
      episodes: chronicle.episodes,
      samples: chronicle.samples,
      seconds: secondsOf(result)
    }
  }
}

interface Span {
  readonly node: string
  readonly from: number
  readonly to: number
  readonly came: "ok" | "fail" | "info" | null
}

const spansOf = ({ chronicle: { history } }: Result): ReadonlyArray<Span> => {
  const answers = new Map<number, { readonly at: number; readonly type: "ok" | "fail" | "info" }>()
  for (const event of history) {
    if (event.type === "ok" || event.type === "fail" || event.type === "info") answers.set(event.attempt, event)
  }
  return history.flatMap((event) => {
    if (event.type !== "invoked") return []
    const answer = answers.get(event.attempt)
    return [{
      node: event.node,
      from: event.at,
      to: answer?.at ?? Number.POSITIVE_INFINITY,
      came: answer?.type ?? null
    }]
  })
}

const exercised = (result: Result): Readonly<Record<string, Exercised>> => {
  const spans = spansOf(result)
  const found: Record<string, Exercised> = {}
  for (const { fault, from, inFlight, to } of result.chronicle.episodes) {
    const overlapped = spans.filter((span) => span.from <= to && span.to >= from).length
    add(found, fault, { times: 1, in_flight_at_begin: inFlight, writes_overlapped: overlapped })
  }
  return found
}

const add = (to: Record<string, Exercised>, fault: string, more: Exercised) => {
  const known = to[fault] ?? { times: 0, in_flight_at_begin: 0, writes_overlapped: 0 }
  to[fault] = {
    times: known.times + more.times,
    in_flight_at_begin: known.in_flight_at_begin + more.in_flight_at_begin,
    writes_overlapped: known.writes_overlapped + more.writes_overlapped
  }
}

const secondsOf = (result: Result): Timeline["seconds"] => {
  const found = new Map<string, { node: string; second: number; acknowledged: number; refused: number }>()
  for (const { came, node, to } of spansOf(result)) {
    if (came === null) continue
    const second = Math.floor(to / 1_000)
    const of = found.get(`${node} ${second}`) ?? { node, second, acknowledged: 0, refused: 0 }
    if (came === "ok") of.acknowledged++
    else of.refused++
    found.set(`${node} ${second}`, of)
  }
  return [...found.values()]
}

export const ofRun = (
  { bug, missing, rounds, seed, wanted }: {
    readonly seed: number
    readonly bug: string | null
    readonly missing: Means["missing"]
    readonly rounds: ReadonlyArray<RoundReport>
    /** What was dealt in these rounds. */
    readonly wanted: ReadonlySet<Fault>
  }
): Report => {
  const faults: Record<string, Exercised> = {}
  for (const round of rounds) for (const [fault, more] of Object.entries(round.faults)) add(faults, fault, more)
  return {
    seed,
    bug,
    missing,
    rounds,
    faults,
    violations: rounds.reduce((sum, { violations }) => sum + violations.length, 0),
    idle: [...wanted].filter((fault) => (faults[fault]?.in_flight_at_begin ?? 0) === 0)
  }
}

/** The rounds without what only the page shows. */
export const withoutTimelines = (report: Report): object => ({
  ...report,
  rounds: report.rounds.map(({ timeline: _, ...round }) => round)
})
