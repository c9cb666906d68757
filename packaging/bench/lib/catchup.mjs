// What a node that was away costs: how fast it gets what it missed, and what fresh writes notice of it.
import { setTimeout as sleep } from "node:timers/promises"
import { PATIENT, withMesh } from "./mesh.mjs"

/** Clients that write on while it catches up, and before that on a quiet mesh. */
export const CLIENTS = 8
const CAUGHT_UP_WITHIN_MS = 60_000
/** The slowest that is waited for. */
const CAUGHT_UP_PER_OPERATION_MS = 2
const POLL_MS = 10
const ROWS_PER_REQUEST = 1_000
const FILL_SECONDS = 1

const vectorOf = async (port) => {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/sync/hello`, { signal: AbortSignal.timeout(5_000) })
    return (await response.json()).vector
  } catch {
    return undefined
  }
}

const upto = (entry) => (Array.isArray(entry) ? entry[0] : entry ?? 0)

const holds = (vector, target) => Object.entries(target).every(([origin, entry]) => upto(vector[origin]) >= upto(entry))

/** Milliseconds from the first answer of a node until it holds everything of `target`. */
const untilCaughtUp = async (port, target, missed) => {
  const within = CAUGHT_UP_WITHIN_MS + missed * CAUGHT_UP_PER_OPERATION_MS
  let answeredAt
  for (const start = performance.now(); performance.now() - start < within; await sleep(POLL_MS)) {
    const vector = await vectorOf(port)
    if (vector === undefined) continue
    answeredAt ??= performance.now()
    if (holds(vector, target)) return performance.now() - answeredAt
  }
  throw new Error(`the returned node has not caught up within ${within / 1000} s`)
}

/** Writes come in bulk: each of its rows is an operation of its own, as if it had come alone. */
const miss = async (running, missed) => {
  let stored = 0
  while (stored < missed) {
    const { errors, rows, samples } = await running.load(1, FILL_SECONDS, { rows: ROWS_PER_REQUEST })
    if (errors > 0) throw new Error(`${errors} writes that were to be missed failed: ${samples.join(" | ")}`)
    stored += rows
  }
  return stored
}

/** One mesh: warm-up, quiet writes, an outage of the third node, its return under the same quiet writes. */
export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (warmUp, running) => {
    await warmUp(64, options.warmUp)
    const quiet = await running.load(CLIENTS, options.seconds)
    await running.stop(2)
    const missed = await miss(running, options.missed)
    const target = await vectorOf(running.ports[0])
    running.start(2)
    const [millis, fresh] = await Promise.all([
      untilCaughtUp(running.ports[2], target, missed),
      running.load(CLIENTS, options.seconds)
    ])
    return [{
      missed,
      operationsPerSecond: (missed / millis) * 1000,
      quietP99: quiet.p99,
      freshP99: fresh.p99,
      p99Ratio: fresh.p99 / quiet.p99,
      errors: quiet.errors + fresh.errors
    }]
  }, { env: PATIENT })
