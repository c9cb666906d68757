import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { NodeId } from "../../domain/ids.js"
import type { Metrics } from "../../telemetry/Metrics.js"

/** That two nodes have one id is said once in this time, of each id. */
const SAY_AFTER = Duration.minutes(1)
/** Ids of which it is remembered in which runs they spoke; beyond that a double is found by its peers alone. */
const MAX_IDS = 256

/** Who speaks: the id of a node, and which of its runs it is, where it says so. A run is from one start to the next. */
export interface Caller {
  readonly id: string
  readonly run: string | undefined
}

/**
 * Two nodes under one id write operations under the same names: what one of them acknowledged, the other can undo. So
 * whoever finds it out says so, and tells them.
 */
export interface Doubles {
  /** Which run of this node it is. */
  readonly run: string
  /** A node spoke. One that speaks under this node's id is its double; so are two that speak under one id by turns. */
  readonly spoke: (caller: Caller) => Effect.Effect<void>
  /** Another node answered at this address under this node's id. */
  readonly met: (at: string) => Effect.Effect<void>
  /** The node at this address has heard two under this node's id, not long ago. */
  readonly told: (by: string) => Effect.Effect<void>
  /** Whether two nodes spoke under this id, one of them not long ago. */
  readonly isDouble: (id: string) => boolean
}

/** What a run said before it ended may come so much later than what the next one says. */
const LATE = Duration.seconds(2)
/** Runs of one id that are remembered. */
const MAX_RUNS = 9

/** A run, with when it was heard first and last. */
interface Heard {
  readonly run: string
  readonly firstNanos: bigint
  readonly lastNanos: bigint
}

/** Of one id: its runs, whichever was heard last at the end; and when two were found to go on side by side. */
interface Known {
  readonly runs: ReadonlyArray<Heard>
  readonly foundNanos: bigint | null
}

/** For how long both were heard. */
const together = (a: Heard, b: Heard): bigint =>
  (a.lastNanos < b.lastNanos ? a.lastNanos : b.lastNanos) - (a.firstNanos > b.firstNanos ? a.firstNanos : b.firstNanos)

export const make = (
  nodeId: NodeId,
  run: string,
  { clock, metrics }: { readonly clock: Clock.Clock; readonly metrics: Metrics["Type"] }
): Doubles => {
  const known = new Map<string, Known>()
  const said = new Map<string, bigint>()

  const say = (id: string, how: string) =>
    Effect.suspend(() => {
      const now = clock.unsafeCurrentTimeNanos()
      const before = said.get(id)
      if (before !== undefined && now - before < Duration.unsafeToNanos(SAY_AFTER)) return Effect.void
      said.set(id, now)
      metrics.doubleFound()
      return Effect.logError(
        `federation: two nodes run under the id ${id}: ${how}. If the other one still runs, stop it: it is a copy, and must ` +
          "be started with a database and a --node-id of its own"
      ).pipe(Effect.annotateLogs({ node_id: id }))
    })

  /** Two runs that were heard side by side for longer than what is late can come: neither has ended. */
  const isSecond = ({ id, run: theirs }: Caller): boolean => {
    const found = known.get(id) ?? { runs: [], foundNanos: null }
    if (theirs === undefined || (found.runs.length === 0 && known.size >= MAX_IDS)) return false
    const now = clock.unsafeCurrentTimeNanos()
    const before = found.runs.find(({ run }) => run === theirs)
    const others = found.runs.filter(({ run }) => run !== theirs)
    const heard = { run: theirs, firstNanos: before?.firstNanos ?? now, lastNanos: now }
    const isDouble = others.some((other) =>
      now - other.lastNanos < Duration.unsafeToNanos(SAY_AFTER) &&
      together(other, heard) >= Duration.unsafeToNanos(LATE)
    )
    known.set(id, { runs: [...others, heard].slice(-MAX_RUNS), foundNanos: isDouble ? now : found.foundNanos })
    return isDouble
  }

  return {
    run,
    spoke: (caller) => {
      if (caller.id === nodeId) return caller.run === run ? Effect.void : say(nodeId, "another one speaks to this one")
      return isSecond(caller) ? say(caller.id, "both speak to this one") : Effect.void
    },
    met: (at) => say(nodeId, `another one is at ${at}`),
    told: (by) => say(nodeId, `the node at ${by} heard both within the last minute`),
    isDouble: (id) => {
      const found = known.get(id)?.foundNanos ?? null
      return found !== null && clock.unsafeCurrentTimeNanos() - found < Duration.unsafeToNanos(SAY_AFTER)
    }
  }
}
