/** The one time of a simulation, in milliseconds since it began, and what is to happen at which moment of it. */
export class Timeline {
  now = 0
  private readonly heap: Array<Timer> = []
  private sequence = 0

  /** Happens once, `delay` milliseconds from now, unless the timer is cancelled. */
  after(delay: number, fire: () => void): Timer {
    const timer = { at: this.now + Math.max(0, delay), sequence: this.sequence++, fire, cancelled: false }
    this.heap.push(timer)
    this.rise(this.heap.length - 1)
    return timer
  }

  /** The moment of the next timer; infinite when there is none. */
  next(): number {
    for (let [first] = this.heap; first !== undefined; [first] = this.heap) {
      if (!first.cancelled) return first.at
      this.take()
    }
    return Number.POSITIVE_INFINITY
  }

  /** Goes on to the next timer and fires it. */
  advance(): void {
    const timer = this.take()
    if (timer === undefined || timer.cancelled) return
    this.now = timer.at
    timer.fire()
  }

  pending(): number {
    return this.heap.reduce((count, { cancelled }) => cancelled ? count : count + 1, 0)
  }

  private take(): Timer | undefined {
    const [first] = this.heap
    const last = this.heap.pop()
    if (last !== undefined && last !== first) {
      this.heap[0] = last
      this.sink(0)
    }
    return first
  }

  private rise(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1
      if (!this.swapIfBefore(at, parent)) return
      at = parent
    }
  }

  private sink(from: number): void {
    for (let at = from;;) {
      const left = 2 * at + 1
      const right = left + 1
      const child = this.isBefore(right, left) ? right : left
      if (!this.swapIfBefore(child, at)) return
      at = child
    }
  }

  private isBefore(a: number, b: number): boolean {
    const one = this.heap[a]
    const other = this.heap[b]
    if (one === undefined || other === undefined) return false
    return one.at !== other.at ? one.at < other.at : one.sequence < other.sequence
  }

  private swapIfBefore(a: number, b: number): boolean {
    const one = this.heap[a]
    const other = this.heap[b]
    if (one === undefined || other === undefined || !this.isBefore(a, b)) return false
    this.heap[a] = other
    this.heap[b] = one
    return true
  }
}

export interface Timer {
  readonly at: number
  readonly sequence: number
  readonly fire: () => void
  cancelled: boolean
}
