import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Metrics } from "../telemetry/Metrics.js"
import { MemoryStore } from "./MemoryStore.js"

/** Between two transactions writes have the node for themselves: for as long as the last one took, and at least for this. */
const MIN_REST = Duration.millis(2)
const LOGGED_EVERY = Duration.seconds(10)
const RETRIED_AFTER = Duration.seconds(5)
/** When nothing is left to bring over, a search that began before that may still ask the index of before. */
const ASKED_UNTIL = Duration.minutes(1)

/**
 * Brings the rows of a database of before 0006 over to the index of words, in the background and in small transactions. Until
 * it is done both indexes are asked. Where a node ends in the middle, the next start goes on from there.
 */
export const layer: Layer.Layer<never, never, MemoryStore | SqlClient.SqlClient | Metrics> = Layer.scopedDiscard(
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const before = yield* sql`SELECT 1 FROM sqlite_schema WHERE name = 'memories_fts'`
    if (before.length > 0) yield* Effect.forkScoped(reindexing)
  }).pipe(
    Effect.catchAllCause((cause) => Effect.logError("it is not known whether the index is to be made anew", cause))
  )
)

const reindexing = Effect.gen(function*() {
  const { reindex } = yield* MemoryStore
  const metrics = yield* Metrics
  const step = Effect.gen(function*() {
    const [took, reindexed] = yield* Effect.timed(reindex)
    metrics.reindexing(reindexed.left)
    yield* Effect.sleep(Duration.max(MIN_REST, took))
    return reindexed
  }).pipe(
    Effect.tapError((error) => Effect.logWarning("some memories could not be indexed anew: trying again", error)),
    Effect.retry(Schedule.spaced(RETRIED_AFTER))
  )

  let loggedAt = yield* Clock.currentTimeMillis
  let reindexed = yield* step
  yield* Effect.logInfo(`the index of words is made anew: ${reindexed.left} of ${reindexed.total} rows are left`)
  while (reindexed.left > 0) {
    reindexed = yield* step
    const now = yield* Clock.currentTimeMillis
    if (now - loggedAt < Duration.toMillis(LOGGED_EVERY)) continue
    loggedAt = now
    yield* Effect.logInfo(`the index of words is made anew: ${reindexed.left} of ${reindexed.total} rows are left`)
  }
  yield* Effect.logInfo("the index of words is made anew: all rows are in it")
  yield* Effect.sleep(ASKED_UNTIL)
  while (!reindexed.isDone) reindexed = yield* step
}).pipe(Effect.tapErrorCause((cause) => Effect.logError("making the index of words anew stopped", cause)))
