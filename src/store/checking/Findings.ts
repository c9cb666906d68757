import * as Effect from "effect/Effect"
import type { Metrics } from "../../telemetry/Metrics.js"
import { type Fault, type Table, TABLES } from "./Walk.js"

/** Faults that are kept and told one by one at most; beyond them only that there are more. */
const MAX_FAULTS = 100

/** What the check has found so far. */
export interface Findings {
  /** What is known to be wrong: in the round that is under way, and in the one before it. */
  readonly faults: () => ReadonlyArray<Fault>
  /** Rounds that are over. */
  readonly rounds: () => number
  readonly note: (found: { readonly rows: number; readonly faults: ReadonlyArray<Fault> }) => Effect.Effect<void>
  /** What this round has not found is mended. */
  readonly roundIsOver: Effect.Effect<void>
}

/** Each fault is logged once, for as long as every round finds it. */
export const make = (metrics: Metrics["Type"]): Findings => {
  let known = new Map<string, Fault>()
  let found = new Map<string, Fault>()
  let rounds = 0

  const show = () => {
    for (const table of TABLES) metrics.checkFaults(table, countOf(known, table))
  }
  show()

  const note = (fault: Fault) => {
    const key = `${fault.table} ${fault.key} ${fault.what}`
    if (found.size < MAX_FAULTS) found.set(key, fault)
    if (known.has(key) || known.size >= MAX_FAULTS) return Effect.void
    known.set(key, fault)
    return alarm(fault)
  }

  return {
    faults: () => Array.from(known.values()),
    rounds: () => rounds,
    note: ({ faults, rows }) => {
      metrics.checkedRows(rows)
      return faults.length === 0
        ? Effect.void
        : Effect.zipRight(Effect.forEach(faults, note, { discard: true }), Effect.sync(show))
    },
    roundIsOver: Effect.sync(() => {
      known = found
      found = new Map()
      rounds += 1
      metrics.checkRound()
      show()
    })
  }
}

const countOf = (faults: ReadonlyMap<string, Fault>, table: Table): number =>
  Array.from(faults.values()).filter((fault) => fault.table === table).length

const alarm = ({ key, table, what }: Fault) =>
  Effect.logError(`check: ${table} ${key}: ${what}; the database was changed by hand, or its disk does not keep it`)
    .pipe(
      Effect.annotateLogs({ table, key })
    )
