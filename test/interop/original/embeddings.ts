import * as Schema from "effect/Schema"

/*
 * Vectors that travel with rows, as the original reads and keeps them. Written anew from the description of its wire: nothing of
 * the node under test is used.
 */

export const Shipped = Schema.Struct({
  memory_id: Schema.String,
  model: Schema.String,
  dim: Schema.NonNegativeInt,
  vector: Schema.Array(Schema.Number)
})
export type Shipped = typeof Shipped.Type

/** What is kept of a vector: null for one that is of no use. 32 bits, as all that follows. */
export const sanitize = (vector: ReadonlyArray<number>): ReadonlyArray<number> | null => {
  const values = vector.map(Math.fround)
  const squares = values.reduce((sum, value) => Math.fround(sum + Math.fround(value * value)), 0)
  if (!Number.isFinite(squares) || squares <= 0) return null
  const norm = Math.fround(Math.sqrt(squares))
  if (Math.abs(norm - 1) <= 0.001) return values
  const scale = Math.fround(1 / norm)
  return values.map((value) => Math.fround(value * scale))
}

/** A column of its database: a byte that says how, then the numbers, the lowest byte first. */
export const blobOf = (vector: ReadonlyArray<number>): Buffer => {
  const blob = Buffer.alloc(1 + 4 * vector.length)
  blob[0] = 1
  vector.forEach((value, at) => blob.writeFloatLE(value, 1 + 4 * at))
  return blob
}

/** Of one without the byte at its beginning, too: the first versions wrote none. */
export const ofBlob = (blob: Buffer): ReadonlyArray<number> => {
  const from = blob.length % 4 === 0 ? 0 : 1
  if (from === 1 && (blob[0] !== 1 || blob.length % 4 !== 1)) throw new Error("no blob of a vector")
  return Array.from({ length: (blob.length - from) / 4 }, (_, at) => blob.readFloatLE(from + 4 * at))
}
