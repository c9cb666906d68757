import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Embedder, type EmbeddingFailed, type Model } from "../../embedding/Embedder.js"
import { partsOf } from "../../embedding/parts.js"
import { type Coverage, type Embedded, type Lacking, VectorStore } from "../../store/vectors/VectorStore.js"
import type { ReadFailed } from "../errors.js"

/** How far a node's memories are embedded, and by what. */
interface Progress extends Coverage {
  /** The model and its revision. */
  readonly model: string
  /** Why the latest attempt came to nothing; none since one succeeded. */
  readonly failure: Option.Option<string>
}

/**
 * Embeds what this node holds, after it was stored and answered: new memories, those of another model, and those that came from
 * elsewhere, from the oldest row on.
 */
export class Embedding extends Context.Tag("quorate/operations/Embedding")<Embedding, {
  /** None where memories are found by their words alone. */
  readonly progress: Effect.Effect<Option.Option<Progress>, ReadFailed>
  /** Waits until nothing lacks that was there when it was called, or until embedding fails. */
  readonly settled: Effect.Effect<void, ReadFailed>
}>() {}

/** Between two looks for what is new. */
const PAUSE = Duration.millis(250)
/** Memories embedded together: all others have their turn after each batch. */
const BATCH = 32
/** Characters of one batch; a single memory may have more. */
const BATCH_CHARS = 64 * 1024
/** After a failure: doubled up to the longest. */
const FIRST_REST = Duration.seconds(1)
const LONGEST_REST = Duration.minutes(1)
/** Batches between two looks for what is left of rows that have gone. */
const SWEEP_EVERY = Duration.minutes(1)

const make = Effect.gen(function*() {
  const embedder = yield* Embedder
  if (Option.isNone(embedder)) {
    return Embedding.of({ progress: Effect.succeed(Option.none()), settled: Effect.void })
  }
  const model = embedder.value
  const vectors = yield* VectorStore
  let after = 0
  let failure: Option.Option<string> = Option.none()

  /** Whether there was anything to do. */
  const batch = Effect.gen(function*() {
    const lacking = yield* vectors.lacking(model, { after, limit: BATCH })
    const taken = withinChars(lacking)
    if (taken.length === 0) return false
    yield* vectors.keep(model, yield* embedAll(model, taken))
    after = taken.at(-1)?.rid ?? after
    failure = Option.none()
    return true
  })

  const rest = (failures: number) =>
    Duration.min(Duration.times(FIRST_REST, 2 ** Math.min(failures - 1, 10)), LONGEST_REST)

  const work = Effect.gen(function*() {
    let failures = 0
    while (true) {
      const more = yield* Effect.catchAll(batch, (error) => {
        failures += 1
        failure = Option.some(error.message)
        const told = failures === 1
          ? Effect.logWarning("memories can not be embedded: they are found by their words until they are", error)
          : Effect.void
        return Effect.as(Effect.zipRight(told, Effect.sleep(rest(failures))), null)
      })
      if (more === null) continue
      if (failures > 0) yield* Effect.logInfo("memories are embedded again")
      failures = 0
      if (!more) yield* Effect.sleep(PAUSE)
    }
  })
  const sweeping = Effect.forever(Effect.zipRight(
    Effect.sleep(SWEEP_EVERY),
    Effect.catchAll(vectors.sweep(model), (error) => Effect.logWarning("vectors of what has gone stay for now", error))
  ))
  yield* Effect.all([work, sweeping], { concurrency: 2 }).pipe(
    Effect.withTracerEnabled(false),
    Effect.tapErrorCause((cause) => Effect.logError("embedding stopped", cause)),
    Effect.forkScoped
  )

  return Embedding.of({
    progress: Effect.map(vectors.coverage(model), (coverage) => Option.some({ ...coverage, model: model.id, failure })),
    settled: Effect.repeat(
      Effect.zipLeft(vectors.lacking(model, { after, limit: 1 }), Effect.sleep(Duration.millis(10))),
      { until: (lacking) => lacking.length === 0 || Option.isSome(failure) }
    )
  })
})

export const layer: Layer.Layer<Embedding, never, Embedder | VectorStore> = Layer.scoped(Embedding, make)

/** The first ones, as long as their texts are not too many together. */
const withinChars = (rows: ReadonlyArray<Lacking>): ReadonlyArray<Lacking> => {
  let chars = 0
  return rows.filter(({ content }, at) => {
    chars += content.length
    return at === 0 || chars <= BATCH_CHARS
  })
}

const embedAll = (
  model: Model,
  rows: ReadonlyArray<Lacking>
): Effect.Effect<ReadonlyArray<Embedded>, EmbeddingFailed> => {
  const parts = rows.map(({ content, title }) => partsOf(title, content, model.maxTokens))
  return Effect.map(model.embed(parts.flat(), "document"), (vectors) => {
    let from = 0
    return rows.map(({ rid }, at) => {
      const own = vectors.slice(from, from + (parts[at]?.length ?? 0))
      from += own.length
      return { rid, vectors: own }
    })
  })
}
