import * as Analyzer from "../../../src/domain/analysis/Analyzer.js"

/** What an index would hold of a text, and whether a question finds it there: as the store does, without one. */

interface Text {
  readonly title?: string
  readonly content?: string
  readonly tags?: ReadonlyArray<string>
  readonly created_at?: string
  readonly language?: Analyzer.Language | undefined
}

export const index = (
  { content = "", created_at = "2020-01-01T00:00:00.000Z", language, tags = [], title = "" }: Text
): Analyzer.Indexed => Analyzer.indexed({ title, content, tags, created_at, language })

const isIn = (column: string, { isPrefix, words }: Analyzer.Phrase): boolean => {
  const all = column.split(" ")
  return all.some((_, at) =>
    words.every((word, offset) =>
      isPrefix && offset === words.length - 1 ? all[at + offset]?.startsWith(word) : all[at + offset] === word
    )
  )
}

const hasPhrase = ({ content, tags, title }: Analyzer.Indexed, phrase: Analyzer.Phrase): boolean =>
  [title, content, tags].some((column) => isIn(column, phrase))

export const NOW = Date.parse("2026-05-13T12:00:00.000Z")

export const ask = (
  text: string,
  languages: Iterable<Analyzer.Language> = Analyzer.languages
): Analyzer.Asked => Analyzer.asked(text, { languages, nowMillis: NOW })

/** Whether it has all runs of a question that are asked for. */
export const hasAll = (held: Analyzer.Indexed, question: string, languages?: Iterable<Analyzer.Language>): boolean => {
  const { runs } = ask(question, languages)
  const wanted = runs.filter(({ isStop }) => !isStop)
  return wanted.length > 0 &&
    wanted.every(({ phrases }) => phrases.every((any) => any.some((phrase) => hasPhrase(held, phrase))))
}

/** Whether it has any word of a question. */
export const hasSome = (held: Analyzer.Indexed, question: string, languages?: Iterable<Analyzer.Language>): boolean =>
  ask(question, languages).runs.some(({ terms }) =>
    terms.some(({ isStop, phrases }) => !isStop && phrases.some((phrase) => hasPhrase(held, phrase)))
  )

/** Whether it fits any of the times that a question names. */
export const isOfTime = (held: Analyzer.Indexed, question: string): boolean =>
  ask(question).dates.some((tokens) => tokens.some((token) => held.dates.split(" ").includes(token)))
