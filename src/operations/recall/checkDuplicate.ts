import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { DEFAULT_DUPLICATE_THRESHOLD, MIN_DUPLICATE_THRESHOLD } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import { tidy, tidyTitle } from "../../domain/text.js"
import type { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import { Embedder } from "../../embedding/Embedder.js"
import { partsOf } from "../../embedding/parts.js"
import { RecallReader } from "../../store/read/RecallReader.js"
import { VectorStore } from "../../store/vectors/VectorStore.js"
import { NoEmbedder, type ReadFailed } from "../errors.js"
import { unit } from "./unit.js"

interface CheckDuplicate {
  readonly title: string
  readonly content: string
  /** A blank one is as good as none. */
  readonly namespace?: string | undefined
  /** How alike two memories must be, 0 to 1; less than 0.5 is taken as 0.5. */
  readonly threshold?: number | undefined
}

interface DuplicateChecked {
  readonly is_duplicate: boolean
  readonly threshold: number
  /** The memory that says most nearly the same, whether that is near enough or not. */
  readonly nearest: {
    readonly id: string
    readonly title: string
    readonly namespace: string
    /** The cosine of the angle between the two, to three decimals. */
    readonly similarity: number
  } | null
  /** The id of the nearest one, when it says the same. */
  readonly suggested_merge: string | null
  readonly candidates_scanned: number
}

/** The nearest are looked at, of which some may have gone. */
const LOOKED_AT = 20
/** For the vector: nothing can be said without it. */
const BUDGET = Duration.seconds(2)

/** Whether a memory says what another one says already. That takes an embedder, and one that answers. */
export const checkDuplicate = (
  request: CheckDuplicate
): Effect.Effect<DuplicateChecked, Invalid | NoEmbedder | ReadFailed, Embedder | VectorStore | RecallReader> =>
  Effect.gen(function*() {
    const title = tidyTitle(request.title)
    const content = tidy(request.content)
    yield* validate.title(title)
    yield* validate.content(content)
    const namespace = request.namespace === undefined || validate.trim(request.namespace) === ""
      ? undefined
      : yield* validate.namespace(request.namespace)
    const asked = yield* validate.named(
      "threshold",
      validate.confidence(request.threshold ?? DEFAULT_DUPLICATE_THRESHOLD)
    )
    const threshold = Math.max(asked, MIN_DUPLICATE_THRESHOLD)
    const model = yield* Effect.mapError(yield* Embedder, () => new NoEmbedder())
    const [first = ""] = partsOf(title, content, model.maxTokens)
    const [vector = null] = yield* model.embed([first], "document").pipe(
      Effect.timeout(BUDGET),
      Effect.mapError(() => new NoEmbedder())
    )
    const near = vector === null ? NOTHING : yield* (yield* VectorStore).nearest(model, unit(vector), {
      limit: LOOKED_AT,
      namespaces: namespace === undefined ? undefined : new Set([namespace])
    })
    const now = Stamp.fromMillis(yield* Clock.currentTimeMillis)
    const reader = yield* RecallReader
    const there = new Set((yield* reader.features(Array.from(near.keys()), { now, namespace })).map(({ rid }) => rid))
    const best = Option.fromIterable(Array.from(near).filter(([rid]) => there.has(rid)))
    const memories = yield* reader.memories(Option.toArray(best).map(([rid]) => rid))
    const nearest = Option.fromIterable(memories).pipe(Option.map(({ id, namespace, title }) => ({
      id,
      title,
      namespace,
      // Vectors are kept rounded, so those that are the same are a little more alike than that.
      similarity: Math.min(1, Math.round((Option.getOrUndefined(best)?.[1] ?? 0) * 1000) / 1000)
    })))
    const same = Option.filter(nearest, ({ similarity }) => similarity >= threshold)
    return {
      is_duplicate: Option.isSome(same),
      threshold,
      nearest: Option.getOrNull(nearest),
      suggested_merge: Option.getOrNull(Option.map(same, ({ id }) => id)),
      candidates_scanned: there.size
    }
  })

const NOTHING: ReadonlyMap<number, number> = new Map()
