import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as OperationSet from "../replication/OperationSet.js"
import { AuditLog } from "../telemetry/AuditLog.js"
import { DeadLetters } from "./DeadLetters.js"
import { MemoryStore } from "./MemoryStore.js"
import { Leader } from "./site/Leader.js"

/** So often it is looked whether there is something to seal: a key may come at any time. */
const EVERY = Duration.seconds(1)
/** Between two transactions writes have the node for themselves: for as long as the last one took, and at least for this. */
const MIN_REST = Duration.millis(2)
const RETRIED_AFTER = Duration.seconds(5)

/**
 * Seals what this node wrote before it had its key, or under a former key, of all its incarnations and the oldest first. From then
 * on it is sent with that seal; peers that hold it without one get it as they catch up. Peers that refused it for want of one are
 * asked again at once.
 */
export const layer: Layer.Layer<never, never, MemoryStore | DeadLetters | AuditLog> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const letters = yield* DeadLetters
    const { record } = yield* AuditLog
    const { leads } = yield* Leader
    const step = Effect.gen(function*() {
      if (!leads()) return 0
      const [took, endorsed] = yield* Effect.timed(store.endorse)
      if (endorsed.size > 0) yield* letters.reviveUnsealed(endorsed)
      yield* Effect.sleep(Duration.max(MIN_REST, took))
      return OperationSet.size(endorsed)
    })
    const all = Effect.gen(function*() {
      let sum = 0
      for (let count = yield* step; count > 0; count = yield* step) sum += count
      if (sum === 0) return
      yield* Effect.logInfo(`${sum} operations that this node wrote before are sealed with its key now`)
      yield* record({
        type: "federation.origin_endorsed",
        agentId: store.nodeId,
        payload: { origin: store.origin(), operations: sum }
      })
    }).pipe(
      Effect.tapError((error) => Effect.logWarning("operations of before could not be sealed: trying again", error)),
      Effect.retry(Schedule.spaced(RETRIED_AFTER))
    )
    yield* all.pipe(
      Effect.zipRight(Effect.sleep(EVERY)),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.tapErrorCause((cause) => Effect.logError("operations of before are not sealed any more", cause)),
      Effect.forkScoped
    )
  })
)
