import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { languageIn } from "../../domain/analysis/namespaceLanguages.js"
import { MAX_POTENTIAL } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { type LocalWriteFailed, type Overloaded, ReadFailed } from "../errors.js"
import { Languages } from "../Languages.js"
import { Sqlite } from "../log/Sqlite.js"
import { many } from "../log/statements.js"
import { MemoryStore } from "../MemoryStore.js"
import { anyOf, quoted } from "./asking.js"

/**
 * What was written before of the same. This is a hint that every stored memory is given, so it is read by the connection that
 * has just written it: that has at hand what any other one would read anew after each commit.
 */
export class Alike extends Context.Tag("quorate/store/Alike")<Alike, {
  /**
   * For each memory the ids of others of its namespace with a word of its title in theirs, that were there when it was made,
   * the newest first and a few at most. Only some of the newest memories with such a word are looked at, and words that stand
   * in many titles of late only where a title has no others.
   */
  readonly to: (
    memories: ReadonlyArray<Memory>
  ) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, Failed>
}>() {}

type Failed = ReadFailed | LocalWriteFailed | Overloaded

/** Memories that are looked at, and words of a title. */
const MAX_CANDIDATES = 32
const MAX_WORDS = 16

const Found = Schema.Struct({ id: Schema.String })

const make = Effect.gen(function*() {
  const { writer } = yield* Sqlite
  const { local } = yield* MemoryStore
  const languages = yield* Languages
  const select = many(
    writer,
    Found,
    `SELECT m.id FROM (
       SELECT rowid AS rid FROM memory_words WHERE memory_words MATCH ? ORDER BY rowid DESC LIMIT ${MAX_CANDIDATES}
     ) f CROSS JOIN memories m ON m.rid = f.rid
     WHERE m.visible = 1 AND m.namespace = ? AND m.id <> ? AND m.created_at <= ? LIMIT ${MAX_POTENTIAL}`
  )
  const telling = makeTelling()
  const alike = (memory: Memory): ReadonlyArray<string> => {
    const { created_at, id, namespace } = memory
    const words = telling(
      Analyzer.titleWords({ ...memory, language: languageIn(languages, namespace) }).slice(0, MAX_WORDS)
    )
    return words.length === 0
      ? []
      : select(`{title} : ${anyOf(words.map(quoted))}`, namespace, id, created_at).map(({ id }) => id)
  }
  return Alike.of({
    to: (memories) =>
      Effect.suspend((): Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, Failed> => {
        const all = () => memories.map(alike)
        // Half of what is being written is for nobody to see.
        return writer.inTransaction
          ? local(all)
          : Effect.try({ try: all, catch: (cause) => new ReadFailed({ cause }) })
      }).pipe(hotSpan("Alike.to"))
  })
})

/** A word that stands in so large a share of the titles tells nothing, once there are so many of them. */
const COMMON_SHARE = 0.05
const MIN_COMMON = 64
/** After so many titles what was counted of them counts half. */
const COUNTED = 4_096

/** Counts the words of titles as they come, and leaves out those that many have. */
const makeTelling = () => {
  let counts = new Map<string, number>()
  let titles = 0
  return (words: ReadonlyArray<string>): ReadonlyArray<string> => {
    if (titles >= 2 * COUNTED) {
      counts = new Map(Array.from(counts).flatMap(([word, count]) => count < 2 ? [] : [[word, count / 2]]))
      titles /= 2
    }
    titles++
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
    const most = Math.max(MIN_COMMON, titles * COMMON_SHARE)
    const telling = words.filter((word) => (counts.get(word) ?? 0) <= most)
    return telling.length === 0 ? words : telling
  }
}

export const layer: Layer.Layer<Alike, never, Sqlite | MemoryStore> = Layer.effect(Alike, make)
