import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Origin } from "../../domain/ids.js"
import { Embedder, type EmbeddingFailed, type Model } from "../../embedding/Embedder.js"
import { partsOf } from "../../embedding/parts.js"
import { travels } from "../../embedding/shippedName.js"
import { Federation } from "../../federation/Federation.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { Coverage } from "../../store/vectors/census.js"
import { type Embedded, type Lacking, VectorStore } from "../../store/vectors/VectorStore.js"
import { Metrics } from "../../telemetry/Metrics.js"
import type { ReadFailed } from "../errors.js"
import * as Fetching from "./Fetching.js"
import * as Givers from "./Givers.js"
import { sparingly } from "./sparingly.js"
import { PAUSE, type Turn, turnsOfWrites } from "./turnsOfWrites.js"

/** How far a node's memories are embedded, and by what. */
export interface Progress extends Coverage {
  /** The model and its revision. */
  readonly model: string
  /** Numbers in a vector; 0 while that is not known. */
  readonly dimensions: number
  /** Those that the model makes nothing of although it answers: they are tried again at the next start. */
  readonly passedOver: number
  /** Why the latest attempt came to nothing; none since one succeeded. */
  readonly failure: Option.Option<string>
}

/**
 * Has everything embedded that this node holds, after it was stored and answered, from the oldest row on: what this node wrote by its
 * own model, and what others wrote by asking them for the vectors.
 */
export class Embedding extends Context.Tag("quorate/operations/Embedding")<Embedding, {
  /** None where memories are found by their words alone. */
  readonly progress: Effect.Effect<Option.Option<Progress>, ReadFailed>
  /** Whether there is an embedder, and whether its latest answer, if it was asked yet, came to something. */
  readonly state: Effect.Effect<"absent" | "answering" | "failing">
  /** Waits until nothing lacks that was there when it was called, or until embedding fails. */
  readonly settled: Effect.Effect<void, ReadFailed>
}>() {}

const nothing = Embedding.of({
  progress: Effect.succeed(Option.none()),
  state: Effect.succeed("absent" as const),
  settled: Effect.void
})

/** Where memories are found by their words alone. */
export const none: Layer.Layer<Embedding> = Layer.succeed(Embedding, nothing)

/** Memories embedded together: all others have their turn after each batch. Fewer after a failure. */
const BATCH = 32
/** Characters of one batch; a single memory may have more. */
const BATCH_CHARS = 64 * 1024
/** After a failure: doubled up to the longest. */
const FIRST_REST = Duration.seconds(1)
const LONGEST_REST = Duration.minutes(1)
/** So often in a row a memory is tried by itself that the model gives no answer to at all. */
const PATIENCE = 3
/** Between two looks at what is left of rows that have gone, and at how many lack. */
const SWEEP_EVERY = Duration.minutes(1)
/** What every model makes a vector of, if it makes any. */
const WORD = "memory"

const make = (patience: Duration.Duration) =>
  Effect.gen(function*() {
    const embedder = yield* Embedder
    if (Option.isNone(embedder)) {
      return nothing
    }
    const model = embedder.value
    const vectors = yield* VectorStore
    const metrics = yield* Metrics
    const turn = yield* turnsOfWrites
    const { foreign, own } = yield* rowsOf(model, patience)
    const walk = walkOf(model, { vectors, metrics, own, foreign })
    let failure: Option.Option<string> = Option.none()

    /** Of this work, or of a question. */
    const latestFailure = () =>
      Option.orElse(failure, () => Option.map(model.latestFailure?.() ?? Option.none(), ({ message }) => message))

    const work = Effect.gen(function*() {
      let failures = 0
      while (true) {
        const [took, done] = yield* Effect.timed(Effect.catchAll(walk.step(failures), (error) => {
          failures += 1
          failure = Option.some(error.message)
          metrics.embedding("failed", 1)
          const told = failures === 1
            ? Effect.logWarning(
              `memories can not be embedded, and are found by their words until they are: ${error.message}`
            )
            : Effect.void
          return Effect.as(Effect.zipRight(told, Effect.sleep(restAfter(failures, error))), "fewer" as const)
        }))
        if (done === "fewer") continue
        if (failures > 0) yield* Effect.logInfo("memories are embedded again")
        failures = 0
        failure = Option.none()
        if (done === "none") {
          metrics.embeddingLag(walk.lag())
          yield* Effect.sleep(PAUSE)
        } else yield* turn(took)
      }
    })
    const coverage = yield* sparingly(Effect.suspend(() => vectors.coverage(model)))
    const sweep = sweeping(model, { ...{ vectors, metrics, coverage }, turn: yield* turnsOfWrites })
    yield* Effect.all([work, sweep], { concurrency: 2 }).pipe(
      Effect.withTracerEnabled(false),
      Effect.tapErrorCause((cause) => Effect.logError("embedding stopped", cause)),
      Effect.forkScoped
    )

    return Embedding.of({
      // The id of the model may be another one by each look.
      progress: Effect.map(coverage, (counted) =>
        Option.some({
          ...counted,
          model: model.id,
          dimensions: model.dimensions,
          passedOver: walk.passedOver(),
          failure: latestFailure()
        })),
      state: Effect.sync(() => Option.isSome(latestFailure()) ? "failing" as const : "answering" as const),
      settled: Effect.repeat(
        Effect.zipLeft(walk.isOver, Effect.sleep(Duration.millis(10))),
        { until: (isOver) => isOver || Option.isSome(failure) }
      )
    })
  })

/** Removes what is left of rows that have gone, and counts those that lack vectors. */
const sweeping = (
  model: Model,
  { coverage, metrics, turn, vectors }: {
    readonly vectors: VectorStore["Type"]
    readonly metrics: Metrics["Type"]
    readonly coverage: Effect.Effect<Coverage, ReadFailed>
    readonly turn: Turn
  }
) =>
  Effect.forever(Effect.zipRight(
    Effect.sleep(SWEEP_EVERY),
    Effect.gen(function*() {
      yield* turn(Duration.zero)
      yield* vectors.sweep(model)
      const { embedded, memories } = yield* coverage
      metrics.embeddingLag(memories - embedded)
    }).pipe(Effect.catchAll((error) => Effect.logWarning("vectors of what has gone stay for now", error)))
  ))

/** With how long is waited for the vectors of what another node wrote, before they are made here. */
export const layerWith = (
  { patience }: { readonly patience: Duration.Duration }
): Layer.Layer<Embedding, never, Embedder | VectorStore | MemoryStore | Federation | Metrics> =>
  Layer.scoped(Embedding, make(patience))

export const layer = layerWith({ patience: Duration.seconds(30) })

/**
 * What this node wrote, and what others did. Where vectors do not go from node to node, all is as if it were this node's own:
 * there it makes them.
 */
const rowsOf = (model: Model, patience: Duration.Duration) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const { links } = yield* Federation
    const vectors = yield* VectorStore
    if (links.length === 0 || !travels(model)) return { own: inOrder(model, vectors), foreign: NO_ROWS }
    const fetching = Fetching.make({
      ...{ model, vectors, store, patience },
      givers: Givers.make(store.nodeId, links),
      metrics: yield* Metrics,
      turn: yield* turnsOfWrites
    })
    yield* fetching.run.pipe(
      Effect.withTracerEnabled(false),
      Effect.tapErrorCause((cause) => Effect.logError("other nodes are not asked for vectors any more", cause)),
      Effect.forkScoped
    )
    return { own: inOrder(model, vectors, store.origin), foreign: fetching }
  })

const NO_ROWS: Fetching.Rows = {
  next: () => Effect.succeed([]),
  passed: () => {},
  isOver: Effect.succeed(true),
  awaited: () => 0
}

/** From the oldest row on, of all or of the origin that a node has now. */
const inOrder = (model: Model, vectors: VectorStore["Type"], originNow?: () => Origin): Fetching.Rows => {
  let after = 0
  const lacking = (limit: number) =>
    Effect.suspend(() => vectors.lacking(model, { after, limit, origin: originNow?.() }))
  return {
    next: (limit) =>
      Effect.gen(function*() {
        const greatest = yield* vectors.greatest
        const rows = yield* lacking(limit)
        // What others wrote is not gone through again.
        if (rows.length === 0) after = Math.max(after, greatest)
        return rows
      }),
    passed: (rows) => {
      after = rows.at(-1)?.rid ?? after
    },
    isOver: Effect.map(lacking(1), (rows) => rows.length === 0),
    awaited: () => 0
  }
}

/**
 * Goes through the rows that lack vectors. A batch that fails is tried again in smaller ones, down to one memory: one that the
 * model makes nothing of, although it answers to another text, keeps none of the others waiting.
 */
const walkOf = (
  model: Model,
  { foreign, metrics, own, vectors }: {
    readonly vectors: VectorStore["Type"]
    readonly metrics: Metrics["Type"]
    readonly own: Fetching.Rows
    readonly foreign: Fetching.Rows
  }
) => {
  let size = BATCH
  let passedOver = 0
  /** Failed by itself while another text did not. */
  let suspect = 0

  const passOver = (error: EmbeddingFailed) =>
    Effect.suspend(() => {
      passedOver += 1
      metrics.embedding("passed_over", 1)
      return passedOver === 1
        ? Effect.logWarning("the model makes nothing of a memory, the first one: it is found by its words alone", error)
        : Effect.void
    })

  const notAll = ({ from, taken }: Taken, error: EmbeddingFailed, failures: number) =>
    Effect.gen(function*() {
      const [first] = taken
      size = Math.max(1, Math.floor(taken.length / 2))
      if (first === undefined || taken.length > 1) return isOfTexts(error) ? "fewer" as const : yield* error
      if (!isOfTexts(error) && failures < PATIENCE) return yield* error
      yield* model.embed([WORD], "document")
      // It may have come back between the two.
      if (suspect !== first.rid) {
        suspect = first.rid
        return "fewer" as const
      }
      from.passed(taken)
      yield* passOver(error)
      return "some" as const
    })

  /** What this node wrote is never kept waiting by what others did. */
  const take = Effect.gen(function*() {
    const first = withinChars(yield* own.next(size))
    return first.length > 0
      ? { from: own, taken: first }
      : { from: foreign, taken: withinChars(yield* foreign.next(size)) }
  })

  return {
    passedOver: () => passedOver,
    lag: () => passedOver + foreign.awaited(),
    isOver: Effect.zipWith(own.isOver, foreign.isOver, (a, b) => a && b),
    /** What was done: `fewer` are to be tried at once. `failures`: so many attempts have failed in a row. */
    step: (failures: number) =>
      Effect.gen(function*() {
        // Only then the id is known under which vectors are kept.
        if (model.dimensions === 0) yield* model.embed([WORD], "document")
        const { from, taken } = yield* take
        if (taken.length === 0) return "none" as const
        const embedded = yield* Effect.either(embedAll(model, taken))
        if (Either.isLeft(embedded)) return yield* notAll({ from, taken }, embedded.left, failures)
        yield* vectors.keep(model, embedded.right)
        metrics.embedding("embedded", taken.length)
        if (from === foreign) metrics.embedding("for_others", taken.length)
        from.passed(taken)
        size = Math.min(BATCH, size * 2)
        return "some" as const
      })
  }
}

/** What is embedded together, and where it is from. */
interface Taken {
  readonly from: Fetching.Rows
  readonly taken: ReadonlyArray<Lacking>
}

/** It may be the texts that are at fault, and the model answers to others. */
const isOfTexts = ({ reason }: EmbeddingFailed): boolean => reason !== "unavailable"

const restAfter = (
  failures: number,
  error: { readonly _tag: string; readonly retryAfterMillis?: number | undefined }
) =>
  Duration.max(
    Duration.min(Duration.times(FIRST_REST, 2 ** Math.min(failures - 1, 10)), LONGEST_REST),
    Duration.millis(error.retryAfterMillis ?? 0)
  )

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
