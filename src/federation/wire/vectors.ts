import * as Either from "effect/Either"
import { hash } from "node:crypto"
import { isKept, type Kept } from "../../store/vectors/codes.js"
import type { KeptText } from "../../store/vectors/VectorStore.js"

/*
 * The vectors of memories as nodes of ours give them to each other, in bytes: numbers of several are little-endian, texts are UTF-8
 * after their length.
 *
 *   "QVEC", version (1), embedder (2 + …), dimensions (4), looked (4), memories (4)
 *   and for each memory: id (2 + …), the digest of its text (16), parts (1)
 *   and for each part: 0, or 1 and the vector as it is kept (store/vectors/codes)
 */

/** What a node has of the memories that it was asked for. */
export interface Answer {
  /** What its own vectors are of: those of another model it does not give. Empty and 0 where it has none. */
  readonly embedder: string
  readonly dimensions: number
  /** So many of the ids, from the first on, were looked at: what of them is not here it has not. The others can be asked for again. */
  readonly looked: number
  readonly memories: ReadonlyArray<Given>
}

/** The vectors of one memory, and of which text. */
export interface Given {
  readonly id: string
  readonly digest: string
  readonly parts: ReadonlyArray<Kept>
}

/** What tells one text of a memory from another. */
export const digestOf = ({ content, title }: Pick<KeptText, "title" | "content">): string =>
  hash("sha256", `${title}\0${content}`, "hex").slice(0, 2 * DIGEST_BYTES)

export const givenOf = ({ id, parts, ...text }: KeptText): Given => ({ id, digest: digestOf(text), parts })

/** Bytes that a memory takes. */
export const bytesOf = ({ id, parts }: Given): number =>
  2 + Buffer.byteLength(id) + DIGEST_BYTES + 1 + parts.reduce((sum, part) => sum + 1 + part.length, 0)

export const write = ({ dimensions, embedder, looked, memories }: Answer): Uint8Array =>
  Buffer.concat([
    MAGIC,
    Buffer.of(VERSION),
    textOf(embedder),
    numberOf(dimensions),
    numberOf(looked),
    numberOf(memories.length),
    ...memories.flatMap(({ digest, id, parts }) => [
      textOf(id),
      Buffer.from(digest, "hex"),
      Buffer.of(parts.length),
      ...parts.flatMap((part) => part.length === 0 ? [Buffer.of(0)] : [Buffer.of(1), part])
    ])
  ])

/**
 * Reads an answer to a question for these ids; the error says what is wrong with it. It is taken whole or not at all: only what was
 * asked for, each once, and vectors of the dimensions that it names.
 */
export const read = (bytes: Uint8Array, ids: ReadonlyArray<string>): Either.Either<Answer, string> => {
  const take = takingFrom(bytes)
  return Either.gen(function*() {
    const magic = yield* take(MAGIC.length)
    if (!MAGIC.equals(magic)) return yield* Either.left("these are no vectors")
    const version = yield* numberFrom(take, 1)
    if (version !== VERSION) return yield* Either.left(`vectors of version ${version}`)
    const embedder = yield* textFrom(take)
    const dimensions = yield* numberFrom(take, 4)
    const looked = yield* numberFrom(take, 4)
    const count = yield* numberFrom(take, 4)
    if (looked > ids.length || count > looked) return yield* Either.left("more vectors than were asked for")
    const open = new Set(ids.slice(0, looked))
    const memories: Array<Given> = []
    for (let at = 0; at < count; at += 1) {
      const given = yield* memoryFrom(take, dimensions)
      if (!open.delete(given.id)) return yield* Either.left("vectors of a memory that was not asked for")
      memories.push(given)
    }
    return take.left() === 0
      ? { embedder, dimensions, looked, memories }
      : yield* Either.left("more bytes than there are vectors")
  })
}

const MAGIC = Buffer.from("QVEC")
const VERSION = 1
const DIGEST_BYTES = 16
const SCALE_BYTES = 4

const numberOf = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const textOf = (text: string): Buffer => {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16LE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Takes bytes from the front; there may be fewer than are wanted. */
interface Take {
  (count: number): Either.Either<Buffer, string>
  readonly left: () => number
}

const takingFrom = (bytes: Uint8Array): Take => {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  return Object.assign(
    (count: number): Either.Either<Buffer, string> => {
      if (count > all.length - at) return Either.left("vectors that are cut off")
      at += count
      return Either.right(all.subarray(at - count, at))
    },
    { left: () => all.length - at }
  )
}

const numberFrom = (take: Take, bytes: number) => Either.map(take(bytes), (taken) => taken.readUIntLE(0, bytes))

const textFrom = (take: Take) =>
  numberFrom(take, 2).pipe(Either.flatMap(take), Either.map((taken) => taken.toString("utf8")))

const memoryFrom = (take: Take, dimensions: number): Either.Either<Given, string> =>
  Either.gen(function*() {
    const id = yield* textFrom(take)
    const digest = (yield* take(DIGEST_BYTES)).toString("hex")
    const count = yield* numberFrom(take, 1)
    if (count === 0) return yield* Either.left("a memory without a vector")
    const parts: Array<Kept> = []
    for (let part = 0; part < count; part += 1) {
      const isThere = yield* numberFrom(take, 1)
      // A copy: what is kept of an answer is not to keep all of it.
      const kept = isThere === 0 ? NOTHING : new Uint8Array(yield* take(SCALE_BYTES + dimensions))
      if (!isKept(kept, dimensions)) return yield* Either.left("a vector that is none")
      parts.push(kept)
    }
    return { id, digest, parts }
  })

const NOTHING = new Uint8Array(0)
