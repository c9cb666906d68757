import * as fs from "node:fs"
import type { Event, History } from "../../test/simulation/history.js"

export const FAULTS = [
  "kill",
  "pause",
  "partition",
  "one-way",
  "flapping",
  "loss",
  "delay",
  "dropped-acks",
  "clock",
  "slow-disk",
  "full-disk",
  "wiped-disk",
  "old-backup",
  "clone",
  "upgrade"
] as const
export type Fault = typeof FAULTS[number]

export const isFault = (text: string): text is Fault => FAULTS.some((fault) => fault === text)

/** A fault from its beginning to its end. */
export interface Episode {
  readonly fault: Fault
  readonly nodes: ReadonlyArray<string>
  readonly from: number
  to: number
  /** Writes that clients waited for when it began. */
  readonly inFlight: number
}

/** How many operations a node lacked of all that are anywhere. */
export interface Sample {
  readonly at: number
  readonly node: string
  readonly lag: number
}

/** Everything that happened in one round, in the order in which it did; kept, and written to a file line by line. */
export interface Chronicle {
  /** Milliseconds since the round began. */
  readonly now: () => number
  readonly history: History
  readonly episodes: ReadonlyArray<Episode>
  readonly samples: ReadonlyArray<Sample>
  readonly note: (event: Event) => void
  /** A fault begins; ends when the answer is called. */
  readonly begin: (fault: Fault, nodes: ReadonlyArray<string>) => () => void
  readonly sample: (node: string, lag: number) => void
  readonly close: () => void
}

export const make = (file: string): Chronicle => {
  const start = performance.now()
  const now = () => Math.round((performance.now() - start) * 10) / 10
  const history: Array<Event> = []
  const episodes: Array<Episode> = []
  const samples: Array<Sample> = []
  const open = new Map<number, string>()
  const sink = fs.openSync(file, "w")
  const write = (line: object) => fs.writeSync(sink, `${JSON.stringify(line)}\n`)
  return {
    now,
    history,
    episodes,
    samples,
    note: (event) => {
      history.push(event)
      if (event.type === "invoked") open.set(event.attempt, event.node)
      write(lineOf(event, open))
      if (event.type === "ok" || event.type === "fail" || event.type === "info") open.delete(event.attempt)
    },
    begin: (fault, nodes) => {
      const episode = { fault, nodes, from: now(), to: Number.POSITIVE_INFINITY, inFlight: open.size }
      episodes.push(episode)
      write({ type: "fault", phase: "begin", at: episode.from, fault, nodes, in_flight: episode.inFlight })
      return () => {
        episode.to = now()
        write({ type: "fault", phase: "end", at: episode.to, fault, nodes })
      }
    },
    sample: (node, lag) => {
      samples.push({ at: now(), node, lag })
      write({ type: "sample", at: now(), node, lag })
    },
    close: () => fs.closeSync(sink)
  }
}

/** An event as it stands in the file: of a whole disk only how much is on it. */
const lineOf = (event: Event, open: ReadonlyMap<number, string>): object => {
  switch (event.type) {
    case "ok":
    case "fail":
    case "info": {
      const { verdict, ...rest } = event
      const node = open.get(event.attempt)
      if (verdict === null || verdict.tag === "Read") return { ...rest, node }
      if (verdict.tag === "Refused") return { ...rest, node, error: verdict.error, detail: verdict.detail }
      const { ackedBy, holders, opId } = verdict
      const missed = verdict.tag === "QuorumNotMet" ? { got: verdict.got, reason: verdict.reason } : {}
      return { ...rest, node, op_id: opId, acked_by: ackedBy, holders, ...missed }
    }
    case "restored":
      return { type: event.type, at: event.at, node: event.node, operations: event.dump.log.length }
    case "reopened":
      return { type: event.type, at: event.at, node: event.dump.node, operations: event.dump.log.length }
    case "calm":
    case "observed":
      return {
        type: event.type,
        at: event.at,
        nodes: event.facts.map(({ node, operations, state }) => ({ node, operations, state }))
      }
    default:
      return event
  }
}
