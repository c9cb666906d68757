import type Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { languageIn } from "../../domain/analysis/namespaceLanguages.js"
import { MAX_POTENTIAL } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { ReadFailed } from "../errors.js"
import { Languages } from "../Languages.js"
import { openReader, Sqlite } from "../log/Sqlite.js"
import { many, one } from "../log/statements.js"
import { MemoryStore } from "../MemoryStore.js"
import { newestFirst } from "../state/RecentTitles.js"
import { anyOf, quoted } from "./asking.js"

/**
 * What was written before of the same. This is a hint that every stored memory is given, so it must cost next to nothing: the
 * titles of late are in memory, and what is read is read by the connection that has just written it, which has at hand what any
 * other one would read anew after each commit.
 */
export class Alike extends Context.Tag("quorate/store/Alike")<Alike, {
  /**
   * For each memory the ids of others of its namespace with a word of its title in theirs, that were there when it was made,
   * the newest first and a few at most. Older ones are looked for only where none of late has such a word, and then only some of
   * the newest; by words that stand in many titles of late only where a title has no others.
   */
  readonly to: (memories: ReadonlyArray<Memory>) => Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, ReadFailed>
}>() {}

/** Memories that are looked at, and words of a title. */
const MAX_CANDIDATES = 32
const MAX_WORDS = 16

const Found = Schema.Struct({ id: Schema.String })
const Standing = Schema.Struct({ namespace: Schema.String, created_at: Schema.String })

const make = Effect.gen(function*() {
  const { file, writer } = yield* Sqlite
  const { words: { titles } } = yield* MemoryStore
  const languages = yield* Languages
  const counted = makeTelling()
  const telling = (words: ReadonlyArray<string>) => counted(words.slice(0, MAX_WORDS))
  /** What a transaction under way has changed is not known to those that come later: it may be undone. */
  const seen = (id: string, { standing }: Selects) => {
    const known = titles.standing(id)
    if (known !== undefined) return known
    const found = standing(id)
    if (found !== null && !writer.inTransaction) titles.stands(id, found)
    return found
  }
  const finding = (memory: Memory, selects: Selects): ReadonlyArray<string> => {
    const { created_at, id, namespace } = memory
    const noted = titles.of(id)
    const words = telling(
      noted === undefined
        ? Analyzer.titleWords({ ...memory, language: languageIn(languages, namespace) })
        : Array.from(noted.keys())
    )
    if (words.length === 0) return []
    const having = words.map((word) => noted?.get(word) ?? titles.having(namespace, word))
    const recent = firstStanding(newestFirst(having), (other) => {
      const found = other === id ? null : seen(other, selects)
      return found !== null && found.namespace === namespace && found.created_at <= created_at
    })
    return recent.length > 0
      ? recent
      : selects.older(`{title} : ${anyOf(words.map(quoted))}`, namespace, id, created_at).map(({ id }) => id)
  }
  const written = selectsOf(writer)
  // Half of what is being written is for nobody to see.
  const committed = selectsOf(yield* openReader(file))
  return Alike.of({
    to: (memories) =>
      Effect.try({
        try: () => memories.map((memory) => finding(memory, writer.inTransaction ? committed : written)),
        catch: (cause) => new ReadFailed({ cause })
      }).pipe(hotSpan("Alike.to"))
  })
})

/** The first few for which it is true. */
const firstStanding = (ids: ReadonlyArray<string>, isStanding: (id: string) => boolean): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const id of ids) {
    if (found.length === MAX_POTENTIAL) break
    if (isStanding(id)) found.push(id)
  }
  return found
}

const selectsOf = (db: Database.Database) => ({
  standing: one(db, Standing, "SELECT namespace, created_at FROM memories WHERE id = ? AND visible = 1"),
  /** The newest with a word in their titles, however long ago they were written. */
  older: many(
    db,
    Found,
    `SELECT m.id FROM (
       SELECT rowid AS rid FROM memory_words WHERE memory_words MATCH ? ORDER BY rowid DESC LIMIT ${MAX_CANDIDATES}
     ) f CROSS JOIN memories m ON m.rid = f.rid
     WHERE m.visible = 1 AND m.namespace = ? AND m.id <> ? AND m.created_at <= ? LIMIT ${MAX_POTENTIAL}`
  )
})
type Selects = ReturnType<typeof selectsOf>

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

export const layer: Layer.Layer<Alike, never, Sqlite | MemoryStore> = Layer.scoped(Alike, make)
