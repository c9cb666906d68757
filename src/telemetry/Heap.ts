import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as inspector from "node:inspector"
import * as v8 from "node:v8"
import * as LoopUse from "./loopUse.js"

/** What the heap may grow to before it is collected, beyond what was alive the last time: V8 would let it grow to four times that. */
const GROWTH_PERCENT = 100

const LOOK_EVERY = Duration.seconds(5)
/** So many looks in a row a process is quiet that has something to do for less than this share of its time. */
const QUIET_LOOKS = 3
const QUIET = 0.1
/** What is not more than this above what there was after the last time is not worth it. */
const WORTH_BYTES = 8 * 1024 * 1024
/** A larger heap takes too long to be collected whole. */
const MOST_BYTES = 256 * 1024 * 1024

/** What decides: how busy the process is, what it has, and how all of that which is garbage is given back. */
interface Process {
  readonly loopUse: LoopUse.LoopUse
  readonly heapBytes: () => number
  readonly collect: Effect.Effect<void>
}

/** Gives back what a process that has become quiet does not need: once, until there is more of it. */
export const giving = ({ collect, heapBytes, loopUse }: Process): Effect.Effect<void> => {
  let quiet = 0
  let after = 0
  return Effect.suspend(() => {
    quiet = loopUse() < QUIET ? quiet + 1 : 0
    const bytes = heapBytes()
    if (quiet < QUIET_LOOKS || bytes < after + WORTH_BYTES || bytes > MOST_BYTES) return Effect.void
    return Effect.zipRight(
      collect,
      Effect.sync(() => {
        after = heapBytes()
      })
    )
  })
}

/**
 * The whole collection that V8 makes when a system is short of memory: it gives back what the young generation grew to as well, and
 * there is no other way to ask for it.
 */
export const collect: Effect.Effect<void> = Effect.acquireUseRelease(
  Effect.sync(() => {
    const session = new inspector.Session()
    session.connect()
    return session
  }),
  (session) => Effect.async<void>((resume) => session.post("HeapProfiler.collectGarbage", () => resume(Effect.void))),
  (session) => Effect.sync(() => session.disconnect())
)

/** One per process: in a daemon, not in an embedded node. */
export const layer: Layer.Layer<never> = Layer.scopedDiscard(
  Effect.suspend(() => {
    v8.setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
    const look = giving({
      loopUse: LoopUse.make(),
      heapBytes: () => v8.getHeapStatistics().total_heap_size,
      collect
    })
    return look.pipe(
      Effect.repeat(Schedule.spaced(LOOK_EVERY)),
      Effect.tapErrorCause((cause) => Effect.logError("memory is not given back any more", cause)),
      Effect.forkScoped
    )
  })
)
