import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as packages from "../../embedding/packages.js"
import { eventLoopTurn } from "../../store/log/eventLoopTurn.js"
import { tokensOf } from "./tokens.js"

/** By which tokens were counted: a vocabulary of OpenAI's, the one of the original, or a guess by the script. */
export type CountedBy = "cl100k_base" | "estimate"

export interface Counted {
  readonly by: CountedBy
  /** Of each text in turn. */
  readonly tokens: ReadonlyArray<number>
}

/** The tokens of each text; where counting takes time, up to the one with which there are more than `most` together. */
type Count = (texts: ReadonlyArray<string>, most: number) => Effect.Effect<Counted>

/**
 * Counts the tokens of budgets by `gpt-tokenizer` where that is installed: plain JavaScript with types, and kept. Its table takes
 * some 40 MB, and is loaded by the first budget. Without the package, and where it fails, tokens are estimated.
 */
export class Tokenizer extends Context.Reference<Tokenizer>()("quorate/operations/Tokenizer", {
  defaultValue: (): Count => make(() => packages.required("gpt-tokenizer", "encoding/cl100k_base"))
}) {}

/** The parts in which a text is counted: of a longer word the library takes the square of its time. */
const MAX_PART = 1000
/** Where a part ends, there is a blank before the next one, if it has any: words are counted with the blank before them. */
const PART = new RegExp(`[^]{1,${MAX_PART}}(?=\\s|$)|[^]{1,${MAX_PART}}(?<![\\ud800-\\udbff])`, "g")

/** By the library that is loaded so, if it is there. What fails once is not asked again, and the log says so. */
export const make = (load: () => Option.Option<unknown>): Count => {
  let library: Effect.Effect.Success<ReturnType<typeof libraryOf>> | undefined
  const loaded = Effect.suspend(() =>
    library === undefined
      ? Effect.tap(libraryOf(load), (found) => {
        library = found
      })
      : Effect.succeed(library)
  )
  let isBroken = false
  const broken = (cause: unknown) =>
    Effect.suspend(() => {
      const isFirst = !isBroken
      isBroken = true
      return isFirst ? Effect.logWarning("gpt-tokenizer does not count: tokens are estimated", cause) : Effect.void
    })
  return (texts, most) =>
    Effect.gen(function*() {
      const found = isBroken ? Option.none() : yield* loaded
      return Option.isNone(found) ? estimated(texts) : yield* counted(texts, most, found.value)
    }).pipe(Effect.catchAll((cause) => Effect.as(broken(cause), estimated(texts))))
}

export const estimated = (texts: ReadonlyArray<string>): Counted => ({ by: "estimate", tokens: texts.map(tokensOf) })

/** With a turn of the event loop after each: fifty long texts take a while. */
const counted = <E>(
  texts: ReadonlyArray<string>,
  most: number,
  count: (text: string) => Effect.Effect<number, E>
): Effect.Effect<Counted, E> =>
  Effect.gen(function*() {
    const tokens: Array<number> = []
    let sum = 0
    for (const text of texts) {
      if (sum > most) break
      const own = yield* count(text)
      tokens.push(own)
      sum += own
      if (text.length > MAX_PART) yield* eventLoopTurn
    }
    return { by: "cl100k_base", tokens }
  })

const libraryOf = (load: () => Option.Option<unknown>) =>
  Effect.gen(function*() {
    const library = yield* Effect.try(load)
    if (Option.isNone(library)) return Option.none()
    const { countTokens } = yield* decodeLibrary(library.value)
    return Option.some((text: string) =>
      Effect.flatMap(
        Effect.try(() => (text.match(PART) ?? []).map((part) => countTokens(part, AS_WRITTEN))),
        (counts) => Effect.map(decodeCounts(counts), (counts) => counts.reduce((sum, count) => sum + count, 0))
      )
    )
  })

/** Marks such as `<|endoftext|>` are text like any other in a memory; the library refuses them unless told so. */
const AS_WRITTEN = { disallowedSpecial: new Set<string>() }

type CountTokens = (text: string, options: typeof AS_WRITTEN) => unknown
const decodeLibrary = Schema.decodeUnknown(Schema.Struct({
  countTokens: Schema.declare((value): value is CountTokens => typeof value === "function")
}))
const decodeCounts = Schema.decodeUnknown(Schema.Array(Schema.NonNegativeInt))
