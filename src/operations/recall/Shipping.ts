import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import { Embedder, type Model } from "../../embedding/Embedder.js"
import { partsOf } from "../../embedding/parts.js"
import { shippedName } from "../../embedding/shippedName.js"
import * as embeddings from "../../federation/wire/embeddings.js"
import { ShippedVectors } from "../../federation/wire/ShippedVectors.js"
import { type Embedded, VectorStore } from "../../store/vectors/VectorStore.js"
import { elapsedMillis } from "./elapsedMillis.js"
import { unit } from "./unit.js"

/** What came with a row, until it is looked at. */
interface Arrived {
  readonly row: Memory
  readonly item: embeddings.ShippedEmbedding
  readonly bytes: number
}

/** Of what came, as long as it waits; the texts of what is more are embedded here. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** Looked at together: all others have their turn after that. */
const BATCH = 32
/** What the models of original nodes have: they would drop any other. */
const THEIR_DIMENSIONS: ReadonlySet<number> = new Set([384, 768])
/** A push is kept waiting for its vector no longer. */
const BUDGET = Duration.millis(20)
/** Not asked again for so long once it took longer. */
const REST_MILLIS = 60_000
/** Texts that are embedded for pushes at the same time; what is more goes without. */
const MAX_AT_ONCE = 16

const make = Effect.gen(function*() {
  const embedder = yield* Embedder
  if (Option.isNone(embedder)) return yield* ShippedVectors
  const model = embedder.value
  const vectors = yield* VectorStore
  return ShippedVectors.of({
    receive: yield* receiving(model, vectors),
    of: yield* sending(model, vectors)
  })
})

export const layer: Layer.Layer<ShippedVectors, never, Embedder | VectorStore> = Layer.scoped(ShippedVectors, make)

/** The text that a vector is of, where one vector is of the whole text. */
const wholeText = ({ content, title }: Pick<Memory, "title" | "content">, { maxTokens }: Model): string | undefined => {
  const parts = partsOf(title, content, maxTokens)
  return parts.length === 1 ? parts[0] : undefined
}

const isSameText = (a: Pick<Memory, "title" | "content">, b: Pick<Memory, "title" | "content">) =>
  a.title === b.title && a.content === b.content

const reasonOf = (cause: Cause.Cause<unknown>) => Cause.prettyErrors(cause).map(({ message }) => message).join("; ")

const receiving = (model: Model, vectors: VectorStore["Type"]) =>
  Effect.gen(function*() {
    const waiting: Array<Arrived> = []
    let waitingBytes = 0
    const something = yield* Effect.makeLatch(false)

    /** The row may be a newer one, of another text, or have gone: then the vector is of nothing that is here. */
    const fitting = ({ item, row }: Arrived) =>
      Effect.gen(function*() {
        const vector = embeddings.unitOf(item, model.dimensions)
        if (vector === null || wholeText(row, model) === undefined) return []
        const standing = yield* vectors.standing(model, row.id)
        return Option.isSome(standing) && isSameText(standing.value, row)
          ? [{ rid: standing.value.rid, vectors: [vector] } satisfies Embedded]
          : []
      })
    const some = Effect.suspend(() => {
      const taken = waiting.splice(0, BATCH)
      waitingBytes -= taken.reduce((sum, { bytes }) => sum + bytes, 0)
      if (waiting.length === 0) something.unsafeClose()
      return Effect.forEach(taken, fitting).pipe(
        Effect.flatMap((found) => vectors.keep(model, found.flat())),
        Effect.catchAllCause((cause) =>
          Effect.forEach(taken, ({ item, row }) =>
            Effect.logWarning(
              `sync_push: storing shipped embedding failed for ${row.id} (model ${item.model}): ${reasonOf(cause)}`
            ))
        )
      )
    })
    yield* something.await.pipe(
      Effect.zipRight(some),
      Effect.forever,
      Effect.withTracerEnabled(false),
      Effect.tapErrorCause((cause) => Effect.logError("shipped vectors are not looked at any more", cause)),
      Effect.forkScoped
    )

    return (rows: ReadonlyArray<Memory>, items: ReadonlyArray<embeddings.ShippedEmbedding>) =>
      Effect.sync(() => {
        const own = Option.map(shippedName(model), embeddings.spaceOf)
        if (items.length === 0 || Option.isNone(own)) return
        const latest = new Map(items.map((item) => [item.memory_id, item]))
        for (const row of rows) {
          const item = latest.get(row.id)
          if (
            item === undefined || item.dim !== model.dimensions || embeddings.spaceOf(item.model) !== own.value
          ) continue
          const bytes = 8 * item.vector.length + 2 * (row.title.length + row.content.length)
          if (waitingBytes + bytes > MAX_WAITING_BYTES) break
          waitingBytes += bytes
          waiting.push({ row, item, bytes })
        }
        if (waiting.length > 0) something.unsafeOpen()
      })
  })

const sending = (model: Model, vectors: VectorStore["Type"]) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const made = new Map<number, Deferred.Deferred<Option.Option<Float32Array>>>()
    let restUntil = -Infinity

    /** Goes on when nobody waits for it any more: what comes of it is kept, and the text is not embedded once more. */
    const begun = (rid: number, text: string) =>
      Effect.gen(function*() {
        const known = made.get(rid)
        if (known !== undefined) return known
        const deferred = yield* Deferred.make<Option.Option<Float32Array>>()
        made.set(rid, deferred)
        yield* Effect.gen(function*() {
          const [vector = null] = yield* model.embed([text], "document")
          yield* Deferred.succeed(deferred, Option.map(Option.fromNullable(vector), unit))
          yield* vectors.keep(model, [{ rid, vectors: [vector] }])
        }).pipe(
          Effect.catchAllCause((cause) => Effect.logDebug("a push goes without a vector", cause)),
          Effect.ensuring(Effect.zipRight(
            Effect.sync(() => made.delete(rid)),
            Deferred.succeed(deferred, Option.none())
          )),
          Effect.forkIn(scope)
        )
        return deferred
      })
    /** Several peers are sent the same at once: it is made for the first of them. */
    const quickly = (rid: number, text: string) =>
      Effect.gen(function*() {
        const now = yield* elapsedMillis
        if (now < restUntil || (made.size >= MAX_AT_ONCE && !made.has(rid))) return Option.none()
        const found = yield* Effect.timeoutOption(Deferred.await(yield* begun(rid, text)), BUDGET)
        if (Option.isNone(found)) restUntil = now + REST_MILLIS
        return Option.flatten(found)
      })
    const vectorOf = (memory: Memory, isNew: boolean) =>
      Effect.gen(function*() {
        const text = wholeText(memory, model)
        const standing = yield* vectors.standing(model, memory.id)
        if (text === undefined || Option.isNone(standing) || !isSameText(standing.value, memory)) return Option.none()
        const [kept] = standing.value.vectors
        if (kept !== undefined) return Option.some(unit(kept))
        return isNew ? yield* quickly(standing.value.rid, text) : Option.none()
      })

    return (memory: Memory, isNew: boolean) =>
      Effect.suspend(() => {
        const name = shippedName(model)
        if (Option.isNone(name) || !THEIR_DIMENSIONS.has(model.dimensions)) return Effect.succeedNone
        return vectorOf(memory, isNew).pipe(
          Effect.map(Option.map((vector) => embeddings.write({ memoryId: memory.id, model: name.value, vector }))),
          Effect.catchAll((error) =>
            Effect.as(
              Effect.logWarning("what is kept of a memory could not be read: it goes without", error),
              Option.none()
            )
          )
        )
      })
  })
