// Waiting for what can only be asked for.
import { setTimeout as sleep } from "node:timers/promises"

const POLL_MS = 20

/** Repeats `attempt` until it gives something else than undefined; an error naming `what` after `withinMs`. */
export const poll = async (what, withinMs, attempt) => {
  for (const start = performance.now(); performance.now() - start < withinMs; await sleep(POLL_MS)) {
    const result = await attempt()
    if (result !== undefined) return result
  }
  throw new Error(`${what} within ${withinMs / 1000} s`)
}
