import type * as Scheduler from "effect/Scheduler"
import type { Prng } from "./prng.js"
import type { Process } from "./Process.js"

interface Runnable {
  readonly process: Process
  readonly task: Scheduler.Task
}

/**
 * Runs the fibers of all processes of a simulation, one task at a time, the next one picked by chance. So every
 * interleaving that Effect allows can happen, and the same seed makes the same one again.
 */
export class SimScheduler {
  steps = 0
  /** Whether fibers give way as early as the options say, and not as late as they do by themselves. */
  nervous = false
  private readonly prng: Prng
  private readonly options: Options
  private runnable: Array<Runnable> = []
  private held: Array<Runnable> = []
  private operationsLeft = CALM_OPERATIONS

  constructor(prng: Prng, options: Options) {
    this.prng = prng
    this.options = options
  }

  /** The scheduler of one process: after its death it takes tasks and never runs them. */
  of(process: Process): Scheduler.Scheduler {
    return {
      scheduleTask: (task) => {
        if (!process.alive) return
        const queue = process.frozen ? this.held : this.runnable
        queue.push({ process, task })
      },
      shouldYield: (fiber) => {
        if (process.alive && fiber.currentOpCount <= this.operationsLeft) return false
        this.operationsLeft = this.nervous ? this.prng.int(1, this.options.yieldAfter) : CALM_OPERATIONS
        return 0
      }
    }
  }

  /** Runs one task; false when there is none. */
  runOne(): boolean {
    for (;;) {
      const next = this.take()
      if (next === undefined) return false
      if (!next.process.alive) continue
      if (next.process.frozen) {
        this.held.push(next)
        continue
      }
      this.steps++
      next.task()
      return true
    }
  }

  /** Lets the tasks of a process go on that were held while it was frozen. */
  thaw(process: Process): void {
    const released = this.held.filter((one) => one.process === process)
    this.held = this.held.filter((one) => one.process !== process)
    this.runnable.push(...released)
  }

  private take(): Runnable | undefined {
    if (this.runnable.length < 2 || !this.prng.chance(this.options.disorder)) return this.runnable.shift()
    const index = this.prng.int(0, this.runnable.length - 1)
    const picked = this.runnable[index]
    const last = this.runnable.pop()
    if (last !== undefined && index < this.runnable.length) this.runnable[index] = last
    return picked
  }
}

/** As Effect does it. */
const CALM_OPERATIONS = 2_048

export interface Options {
  /** How often the next task is any of those that wait, and not the first. */
  readonly disorder: number
  /** A fiber gives way after so many operations at most. */
  readonly yieldAfter: number
}
