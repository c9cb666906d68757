import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { isLanguage } from "../../domain/analysis/languages.js"
import { languageIn } from "../../domain/analysis/namespaceLanguages.js"
import { Languages } from "../Languages.js"
import { MemoryStore } from "../MemoryStore.js"

/** What FTS5 is asked for. Nothing in a word of a user is an operator: each is quoted. */
export type Match = string

/** One word of a question. */
export interface Word {
  /** Folded, not stemmed. */
  readonly text: string
  /** Each of its stems, as the index may have it. */
  readonly stems: ReadonlyArray<string>
  readonly match: Match
}

/** A question as the index is asked for it, without stop words where it has others. */
export interface Asking {
  /** As the analyzer cuts it. */
  readonly question: Analyzer.Asked
  /** What stands between two blanks, whole. */
  readonly wholes: ReadonlyArray<Match>
  readonly words: ReadonlyArray<Word>
  /** Those of several words, as these stand in a row. */
  readonly rows: ReadonlyArray<Match>
  /** Times that it names. */
  readonly dates: ReadonlyArray<Match>
  readonly index: Index
  /** What the index of before is asked for, which cuts words by itself; null when nothing. */
  readonly before: { readonly any: Match; readonly all: Match } | null
}

/** Where words are looked for. */
interface Index {
  readonly languages: ReadonlyArray<Analyzer.Language>
  /** Rows up to here are in the index of before and nowhere else; 0 when none is. */
  readonly unread: number
}

const decodeIndex = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({
  unread: Schema.Int,
  languages: Schema.parseJson(Schema.Array(Schema.String))
})))
const indexOf = (sql: SqlClient.SqlClient): Effect.Effect<Index, SqlError | ParseError> =>
  sql`SELECT unread, (SELECT json_group_array(language) FROM word_languages) AS languages FROM reindexing`.pipe(
    Effect.flatMap(decodeIndex),
    Effect.map(([{ languages, unread }]) => ({ languages: languages.filter(isLanguage), unread }))
  )

interface Question {
  readonly text: string
  /** For times such as "yesterday"; where it is no number none is looked for. */
  readonly nowMillis: number
  /** Where it is asked, if it is in one place. */
  readonly namespace?: string | undefined
}

/**
 * The index is looked up for each question, once it has what is committed by then: a memory is found as soon as it is stored, in a
 * language that is new here, too.
 */
export const makeAsking = (sql: SqlClient.SqlClient) =>
  Effect.gen(function*() {
    const { words } = yield* MemoryStore
    const languages = yield* Languages
    const index = Effect.zipRight(words.settled, indexOf(sql))
    return ({ namespace = "", nowMillis, text }: Question): Effect.Effect<Asking, SqlError | ParseError> =>
      Effect.map(index, (index) => askingOf(text, index, { nowMillis, language: languageIn(languages, namespace) }))
  })

/** Whether there is a word in a text that tells something: by "the" and "or" alone nobody means anything. */
export const isTelling = (text: string): boolean =>
  Analyzer.asked(text, { languages: [], nowMillis: Number.NaN }).isTelling

const askingOf = (
  text: string,
  index: Index,
  known: { readonly nowMillis: number; readonly language: Analyzer.Language | undefined }
): Asking => {
  const question = Analyzer.asked(text, { ...known, languages: index.languages })
  const { dates, runs } = question
  const asked = runs.filter(({ isStop }) => !isStop)
  const words = new Map<Match, Word>()
  for (const { phrases, text } of asked.flatMap(({ terms }) => terms.filter(({ isStop }) => !isStop))) {
    const match = anyOf(phrases.map(phraseOf))
    const stems = phrases.flatMap(({ words: [stem, ...others] }) =>
      stem === undefined || others.length > 0 ? [] : [stem]
    )
    if (!words.has(match)) words.set(match, { text, stems, match })
  }
  return {
    question,
    wholes: distinct(asked.map(({ phrases }) => allOf(distinct(phrases.map((any) => anyOf(any.map(phraseOf))))))),
    words: Array.from(words.values()),
    rows: asked.flatMap(({ phrases: [row, ...others], terms }) =>
      row === undefined || others.length > 0 || terms.length < 2 ? [] : [anyOf(row.map(phraseOf))]
    ),
    dates: dates.map((tokens) => `{dates} : ${anyOf(tokens.map(quoted))}`),
    index,
    before: asked.length === 0
      ? null
      : { any: anyOf(asked.map(({ text }) => quoted(text))), all: allOf(asked.map(({ text }) => quoted(text))) }
  }
}

/** Each once: what an index is asked for twice costs four times as much. */
const distinct = (matches: ReadonlyArray<Match>): ReadonlyArray<Match> => Array.from(new Set(matches))

export const quoted = (words: string): Match => `"${words.replaceAll("\"", "\"\"")}"`

const phraseOf = ({ isPrefix, words }: Analyzer.Phrase): Match => `${quoted(words.join(" "))}${isPrefix ? " *" : ""}`

export const anyOf = (matches: ReadonlyArray<Match>): Match =>
  matches.length === 1 ? matches.join() : `(${matches.join(" OR ")})`

export const allOf = (matches: ReadonlyArray<Match>): Match =>
  matches.length === 1 ? matches.join() : `(${matches.join(" AND ")})`
