import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { EmbeddingFailed, type Model } from "./Embedder.js"
import { isReadable } from "./latin.js"
import * as pieces from "./pieces.js"

/**
 * The model that is built in: a vector for each piece of a vocabulary, made once from all-MiniLM-L6-v2 (`packaging/model`). That
 * of a text is the mean over its pieces. The table is read when the first text comes. Its vocabulary has words of Latin letters
 * alone: a text in another script has no vector.
 */
export const model: Model = {
  id: "static-minilm-l6-v2/1",
  dimensions: 256,
  maxTokens: 256,
  embed: (texts) => Effect.map(Effect.suspend(() => table), ({ vectorOf }) => texts.map((text) => vectorOf(text)))
}

/** How near each of the words comes to the nearest word of a text, as a cosine; 0 for one that it does not know. */
export const nearness = (
  words: ReadonlyArray<string>,
  text: string
): Effect.Effect<ReadonlyArray<number>, EmbeddingFailed> =>
  Effect.map(Effect.suspend(() => table), (loaded) => loaded.nearness(words, text))

/** Beside the built daemon, and where it is kept among the sources. */
const PLACES = ["./minilm-static.bin", "../minilm-static.bin", "../../packaging/model/minilm-static.bin"]

const HEAD_BYTES = 16
const decodeHead = Schema.decodeUnknown(Schema.Struct({
  magic: Schema.Literal("QVT1"),
  pieces: Schema.Int.pipe(Schema.between(1, 1_000_000)),
  dimensions: Schema.Literal(model.dimensions),
  nameBytes: Schema.Int.pipe(Schema.between(1, 100_000_000))
}))

interface Loaded {
  readonly vectorOf: (text: string) => Float32Array | null
  readonly nearness: (words: ReadonlyArray<string>, text: string) => ReadonlyArray<number>
}

/**
 * The file: "QVT1", then as little-endian unsigned 32-bit numbers the pieces, the dimensions and the bytes of the vocabulary;
 * the vocabulary, a piece a line; a 32-bit float for each piece, its scale; a signed byte for each dimension of each piece.
 */
const load: Effect.Effect<Loaded, EmbeddingFailed> = Effect.gen(function*() {
  const file = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path))
  if (file === undefined) return yield* unusable("its table was not found beside the program")
  const bytes = yield* Effect.tryPromise({ try: () => readFile(file), catch: (cause) => unusable(String(cause)) })
  const head = yield* decodeHead({
    magic: bytes.toString("latin1", 0, 4),
    pieces: bytes.length < HEAD_BYTES ? 0 : bytes.readUInt32LE(4),
    dimensions: bytes.length < HEAD_BYTES ? 0 : bytes.readUInt32LE(8),
    nameBytes: bytes.length < HEAD_BYTES ? 0 : bytes.readUInt32LE(12)
  }).pipe(Effect.mapError((error) => unusable(`${file}: ${error.message}`)))
  const scalesAt = HEAD_BYTES + head.nameBytes
  const vectorsAt = scalesAt + 4 * head.pieces
  if (bytes.length !== vectorsAt + head.pieces * head.dimensions) return yield* unusable(`${file} is cut off`)
  const vocabulary = bytes.toString("utf8", HEAD_BYTES, scalesAt).split("\n")
  if (vocabulary.length !== head.pieces) return yield* unusable(`${file}: its vocabulary has another number of pieces`)
  const scales = Float32Array.from({ length: head.pieces }, (_, piece) => bytes.readFloatLE(scalesAt + 4 * piece))
  const vectors = new Int8Array(bytes.buffer, bytes.byteOffset + vectorsAt, head.pieces * head.dimensions)
  const table = { cut: pieces.make(vocabulary), scales, vectors }
  return { vectorOf: meanOf(table), nearness: nearnessBy(table) }
})

const unusable = (detail: string) => new EmbeddingFailed({ reason: "unavailable", detail })

const [cached, forget] = Effect.runSync(Effect.cachedInvalidateWithTTL(load, Infinity))
/** Read once for all nodes of the process. What failed is tried again by the next text. */
const table = Effect.tapError(cached, () => forget)

interface Table {
  readonly cut: pieces.Pieces
  readonly scales: Float32Array
  readonly vectors: Int8Array
}

/** Adds up the vectors of the pieces of a text: the mean over them, but for its length. */
const addUp = ({ cut, scales, vectors }: Table, text: string, sum: Float32Array): void => {
  for (const piece of cut(text)) {
    const from = piece * model.dimensions
    const scale = scales[piece] ?? 0
    // Four at a time take two thirds of the time.
    for (let k = 0; k < sum.length; k += 4) {
      sum[k] = (sum[k] ?? 0) + scale * (vectors[from + k] ?? 0)
      sum[k + 1] = (sum[k + 1] ?? 0) + scale * (vectors[from + k + 1] ?? 0)
      sum[k + 2] = (sum[k + 2] ?? 0) + scale * (vectors[from + k + 2] ?? 0)
      sum[k + 3] = (sum[k + 3] ?? 0) + scale * (vectors[from + k + 3] ?? 0)
    }
  }
}

const meanOf = (table: Table): Loaded["vectorOf"] => (text) => {
  if (!isReadable(text)) return null
  const sum = new Float32Array(model.dimensions)
  addUp(table, text, sum)
  return sum
}

/** Of a long text so many different words are looked at. */
const MAX_WORDS = 256
const WORD = /[\p{L}\p{N}]{2,}/gu

const nearnessBy = (table: Table): Loaded["nearness"] => {
  const vectorOf = meanOf(table)
  const other = new Float32Array(model.dimensions)
  return (words, text) => {
    const own = words.map((word) => unitOf(vectorOf(word)))
    const best = words.map(() => 0)
    if (own.every((vector) => vector === null)) return best
    for (const word of Array.from(new Set(text.toLowerCase().match(WORD) ?? [])).slice(0, MAX_WORDS)) {
      if (!isReadable(word)) continue
      other.fill(0)
      addUp(table, word, other)
      const length = Math.sqrt(dot(other, other))
      if (length === 0) continue
      own.forEach((vector, at) => {
        if (vector !== null) best[at] = Math.max(best[at] ?? 0, dot(vector, other) / length)
      })
    }
    return best
  }
}

const unitOf = (vector: Float32Array | null): Float32Array | null => {
  const length = vector === null ? 0 : Math.sqrt(dot(vector, vector))
  return vector === null || length === 0 ? null : vector.map((value) => value / length)
}

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0
  for (let k = 0; k < a.length; k += 1) sum += (a[k] ?? 0) * (b[k] ?? 0)
  return sum
}
