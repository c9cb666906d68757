import { performance } from "node:perf_hooks"

/** How much of the time since it was asked before the process had something to do, from 0 to 1. */
export type LoopUse = () => number

/** Of this thread. */
export const make = (): LoopUse => {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}
