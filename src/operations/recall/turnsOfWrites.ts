import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { MemoryStore } from "../../store/MemoryStore.js"

/** Between two looks for what is new. */
export const PAUSE = Duration.millis(250)
/** While memories are written, a batch is followed by so many times as long without one, at most by a pause: a twentieth of the time. */
const TURNS_OF_WRITES = 19

/** What a batch that took so long is followed by: nothing, where nobody has written meanwhile. */
export const turnsOfWrites = Effect.map(MemoryStore, ({ vector }) => {
  let seen = vector()
  return (took: Duration.Duration) =>
    Effect.suspend(() => {
      const isWritten = vector() !== seen
      seen = vector()
      return isWritten ? Effect.sleep(Duration.min(Duration.times(took, TURNS_OF_WRITES), PAUSE)) : Effect.void
    })
})
