import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ReadFailed } from "../../store/errors.js"
import { eventLoopTurn } from "../../store/log/eventLoopTurn.js"
import * as Scope from "../../store/Scope.js"
import { type Space, VectorStore } from "../../store/vectors/VectorStore.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { PeerLimits } from "../PeerLimits.js"
import * as PeerApi from "../wire/PeerApi.js"
import { SharedVectors } from "../wire/SharedVectors.js"
import * as vectors from "../wire/vectors.js"

/** Memories that are read in one go. */
const A_TURN = 32
/** Of the texts that are read for one answer, about: each is digested. */
const MAX_TEXT_CHARS = 2 * 1024 * 1024
/** For what an answer has beside its memories. */
const HEAD_BYTES = 2048

/**
 * `POST /api/v1/sync/vectors`: the vectors that this node has of some memories, for one that needs not make them then. Of another
 * model than its own it has none, and says which its own is. Of what the caller may not see there are none, either.
 */
export const answer = (
  request: PeerApi.VectorsRequest,
  caller?: string
): Effect.Effect<Uint8Array, ReadFailed, VectorStore | Metrics> =>
  Effect.gen(function*() {
    const own = (yield* SharedVectors).space()
    const asked = { id: request.embedder, dimensions: request.dimensions }
    if (Option.isNone(own)) return vectors.write({ embedder: "", dimensions: 0, looked: 0, memories: [] })
    if (!isSame(own.value, asked)) {
      return vectors.write({ embedder: own.value.id, dimensions: own.value.dimensions, looked: 0, memories: [] })
    }
    const limit = Option.getOrNull((yield* PeerLimits).ofPulls(caller))
    const found = yield* collected(asked, request.ids).pipe(Scope.within(limit))
    const { embedding } = yield* Metrics
    embedding("served", found.memories.length)
    return vectors.write({ embedder: asked.id, dimensions: asked.dimensions, ...found })
  })

/** One whose dimensions are not known yet may be any. */
const isSame = (own: Space, asked: Space) =>
  own.dimensions === 0 || (own.id === asked.id && own.dimensions === asked.dimensions)

/** As many as one answer has room for. */
const collected = (space: Space, ids: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const store = yield* VectorStore
    const memories: Array<vectors.Given> = []
    let bytes = HEAD_BYTES
    let chars = 0
    let looked = 0
    while (looked < ids.length && chars < MAX_TEXT_CHARS) {
      const some = ids.slice(looked, looked + A_TURN)
      const texts = new Map((yield* store.kept(space, some)).map((text) => [text.id, text]))
      for (const id of some) {
        const text = texts.get(id)
        if (text !== undefined) {
          const given = vectors.givenOf(text)
          const size = vectors.bytesOf(given)
          if (bytes + size > PeerApi.MAX_VECTORS_BYTES && memories.length > 0) return { looked, memories }
          // One that has no room in any answer is as one that is not there.
          if (bytes + size <= PeerApi.MAX_VECTORS_BYTES) {
            memories.push(given)
            bytes += size
          }
          chars += text.title.length + text.content.length
        }
        looked += 1
      }
      yield* eventLoopTurn
    }
    return { looked, memories }
  })
