import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** What a text is to its model: something that is kept, or the question that looks for it. */
type Purpose = "document" | "query"

/** The vectors could not be had; nothing depends on them but how well a question is understood. */
export class EmbeddingFailed extends Schema.TaggedError<EmbeddingFailed>()("EmbeddingFailed", {
  /** `unavailable`: no answer, in time or at all. `refused`: one that says no. `malformed`: one that is of no use. */
  reason: Schema.Literal("unavailable", "refused", "malformed"),
  detail: Schema.String,
  /** For how long it wants not to be asked, where it said so. */
  retryAfterMillis: Schema.optional(Schema.Number)
}) {
  override get message() {
    return `embedder ${this.reason}: ${this.detail}`
  }
}

/** The embedder that was named cannot be had here: something is to be installed, or said. */
export class EmbedderUnusable extends Data.TaggedError("EmbedderUnusable")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/** What makes vectors of texts: those of texts that mean the same point into the same direction. */
export interface Model {
  /** The model and its revision. Vectors of different ids do not compare. */
  readonly id: string
  /**
   * Numbers in a vector. 0 where nobody said how many until the model has answered once: they are part of the id, which is another
   * one from then on.
   */
  readonly dimensions: number
  /** Of what is longer the rest is not seen. */
  readonly maxTokens: number
  /**
   * A vector for each text, in their order, of any length but finite and of so many dimensions; null for one that the model
   * can make nothing of.
   */
  readonly embed: (
    texts: ReadonlyArray<string>,
    purpose: Purpose
  ) => Effect.Effect<ReadonlyArray<Float32Array | null>, EmbeddingFailed>
  /** Why the latest answer came to nothing, whoever asked; none where it did not, and where nobody notes it. */
  readonly latestFailure?: () => Option.Option<EmbeddingFailed>
  /** Notes that somebody waited in vain: for him that is no answer, however well one comes later. */
  readonly gaveUp?: (failure: EmbeddingFailed) => void
}

/** The model of this node; none where memories are found by their words alone. */
export class Embedder extends Context.Tag("quorate/embedding/Embedder")<Embedder, Option.Option<Model>>() {}

export const none: Layer.Layer<Embedder> = Layer.succeed(Embedder, Option.none())

/** Passes on only what a model promised: as many vectors as there are texts, of its dimensions, finite, and with a direction. */
export const checked = (model: Model): Model => ({
  ...model,
  embed: (texts, purpose) =>
    Effect.flatMap(model.embed(texts, purpose), (vectors) => sound(vectors, texts.length, model.dimensions))
})

/** Notes of each answer whether it came to something. */
export const watched = (model: Model): Model => {
  let latest = Option.none<EmbeddingFailed>()
  const note = (failure: Option.Option<EmbeddingFailed>) =>
    Effect.sync(() => {
      latest = failure
    })
  return {
    get id() {
      return model.id
    },
    get dimensions() {
      return model.dimensions
    },
    maxTokens: model.maxTokens,
    embed: (texts, purpose) =>
      Effect.tapBoth(model.embed(texts, purpose), {
        onFailure: (error) => note(Option.some(error)),
        onSuccess: () => note(Option.none())
      }),
    latestFailure: () => latest,
    gaveUp: (failure) => {
      latest = Option.some(failure)
    }
  }
}

/** The vectors, if there are so many, of so many dimensions, finite, and with a direction. */
export const sound = (
  vectors: ReadonlyArray<Float32Array | null>,
  count: number,
  dimensions: number
): Effect.Effect<ReadonlyArray<Float32Array | null>, EmbeddingFailed> => {
  const problem = vectors.length === count
    ? vectors.flatMap((vector) => problemOf(vector, dimensions) ?? [])[0]
    : `${vectors.length} vectors for ${count} texts`
  return problem === undefined
    ? Effect.succeed(vectors)
    : Effect.fail(new EmbeddingFailed({ reason: "malformed", detail: problem }))
}

const problemOf = (vector: Float32Array | null, dimensions: number): string | undefined => {
  if (vector === null) return undefined
  if (vector.length !== dimensions) return `a vector of ${vector.length} numbers instead of ${dimensions}`
  let squares = 0
  for (const value of vector) squares += value * value
  return Number.isFinite(squares) && squares > 0 ? undefined : "a vector with no direction"
}
