import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { MemoryStore } from "../../store/MemoryStore.js"
import * as LoopUse from "../../telemetry/loopUse.js"
import { elapsedMillis } from "./elapsedMillis.js"

/** Between two looks for what is new. */
export const PAUSE = Duration.millis(250)
/** While memories are written, a batch is followed by so many times as long without one, at most by a pause: a twentieth of the time. */
const TURNS_OF_WRITES = 19
/** From so much of its time on a node is busy. What can wait waits for as long as it is, and writes, but no more than so many pauses. */
const BUSY = 0.4
const BUSY_PAUSES = 8
/** Writes in bulk come in bursts, as do pages of catch-up: between two of them it is no time of rest. */
const BURST = Duration.seconds(1)

export type Turn = (took: Duration.Duration) => Effect.Effect<void>

interface Options {
  /** Another one after each write. */
  readonly vector: () => unknown
  readonly loopUse: LoopUse.LoopUse
}

/** What a batch that took so long is followed by: nothing, where nobody has written of late. */
export const turnsWith = ({ loopUse, vector }: Options): Turn => {
  let seen = vector()
  let burstUntil = -Infinity
  const isWritten = () => {
    const before = seen
    seen = vector()
    return seen !== before
  }
  return (took) =>
    Effect.gen(function*() {
      const now = yield* elapsedMillis
      if (isWritten()) burstUntil = now + Duration.toMillis(BURST)
      if (now >= burstUntil) return
      if (loopUse() < BUSY) return yield* Effect.sleep(Duration.min(Duration.times(took, TURNS_OF_WRITES), PAUSE))
      for (let pauses = 0; pauses < BUSY_PAUSES; pauses++) {
        yield* Effect.sleep(PAUSE)
        if (!isWritten() || loopUse() < BUSY) return
      }
    })
}

export const turnsOfWrites = Effect.map(MemoryStore, ({ vector }) => turnsWith({ vector, loopUse: LoopUse.make() }))
