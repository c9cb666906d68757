import type * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { decoder, type ShapeError } from "../../domain/ShapeError.js"

/*
 * Vectors as nodes of the original send them with a row: the list `embeddings` of a push. They are numbers of 32 bits, written as
 * the 64-bit numbers that they are.
 */

/** Looked at number by number, and not by a schema for each: a push may bring a million of them. */
const isNumbers = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((each) => Number.isFinite(each))

/** Unknown fields are ignored. */
const ShippedEmbedding = Schema.Struct({
  memory_id: Schema.String,
  /** As its sender describes it: `all-MiniLM-L6-v2 (384-dim, local)`. */
  model: Schema.String,
  dim: Schema.NonNegativeInt,
  vector: Schema.declare(isNumbers, { description: "an array of numbers" })
})
export type ShippedEmbedding = typeof ShippedEmbedding.Type

const decode = decoder(Schema.Struct({ embeddings: Schema.Array(ShippedEmbedding) }))

/** The vectors of a push that has them, in their order. One of the wrong shape makes all of it wrong. */
export const read = (
  push: unknown
): Either.Either<{ readonly embeddings: ReadonlyArray<ShippedEmbedding> }, ShapeError> => decode(push)

/** One of them; the vector is of length 1. */
export const write = (of: {
  readonly memoryId: string
  readonly model: string
  readonly vector: Float32Array
}): ShippedEmbedding => ({
  memory_id: of.memoryId,
  model: of.model,
  dim: of.vector.length,
  vector: Array.from(of.vector)
})

/** How far from 1 a length may be that counts as 1. */
const TOLERANCE = 0.001

/**
 * The vector, of length 1, if it has so many dimensions and a direction; else null. One of about that length stays as it is.
 * Reckoned in 32 bits, as the original does it: both keep the same.
 */
export const unitOf = (
  { dim, vector }: Pick<ShippedEmbedding, "dim" | "vector">,
  dimensions: number
): Float32Array | null => {
  if (dim !== dimensions || vector.length !== dim) return null
  const values = Float32Array.from(vector)
  let squares = 0
  for (const value of values) squares = Math.fround(squares + Math.fround(value * value))
  if (!Number.isFinite(squares) || squares <= 0) return null
  const length = Math.fround(Math.sqrt(squares))
  if (Math.abs(Math.fround(length - 1)) <= TOLERANCE) return values
  const inverse = Math.fround(1 / length)
  return values.map((value) => value * inverse)
}

const MINILM = "sentence-transformers/all-minilm-l6-v2"
const NOMIC = "nomic-ai/nomic-embed-text-v1.5"

/** What the two models are called that a node of the original has of its own. */
const FAMILIES: ReadonlyMap<string, string> = new Map([
  ["all-minilm", MINILM],
  ["all-minilm-l6-v2", MINILM],
  ["mini_lm_l6_v2", MINILM],
  [MINILM, MINILM],
  ["nomic-embed-text", NOMIC],
  ["nomic-embed-text-v1.5", NOMIC],
  ["nomic_embed_v15", NOMIC],
  [NOMIC, NOMIC]
])

/**
 * What a description of a model comes down to: `<id>#<scheme>`, the scheme being what it is told with a text. Vectors compare
 * where these are equal.
 */
export const spaceOf = (model: string): string => {
  const name = model.replace(/ \([^]*$/, "").trim().toLowerCase()
  const id = FAMILIES.get(name) ?? name.replace(/:latest$/, "")
  return `${id}#${id.includes("nomic-embed") ? "nomic-task-v1" : "none"}`
}
