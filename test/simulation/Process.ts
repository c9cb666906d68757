/** One life of one program: from its start to its end or its crash. A restart is another process. */
export interface Process {
  readonly name: string
  /** Once false, nothing of it ever runs again: no fiber, no finalizer, no write. */
  alive: boolean
  /** Stopped for a while (SIGSTOP): what is due waits. */
  frozen: boolean
  /** Timers of it that are still to fire. */
  sleeping: number
}

export const make = (name: string): Process => ({ name, alive: true, frozen: false, sleeping: 0 })
