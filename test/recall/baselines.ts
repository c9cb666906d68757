import { stopwords } from "@orama/stopwords/english"
import Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import type { Asked, Told } from "./set.js"

/** Bare full-text search over the same memories: what any of it beside is worth. */
export type Make = (memories: ReadonlyArray<Told>) => {
  readonly ids: (asked: Asked, limit: number) => ReadonlyArray<string>
  readonly close: () => void
}

const fts5 = (tokenize: string, wordsOf: (text: string) => ReadonlyArray<string>): Make => (memories) => {
  const db = new Database(":memory:")
  db.exec(`CREATE VIRTUAL TABLE told USING fts5(id UNINDEXED, namespace UNINDEXED, title, content, tags,
    tokenize = '${tokenize}')`)
  const insert = db.prepare("INSERT INTO told VALUES (?, ?, ?, ?, ?)")
  for (const { content, id, namespace, tags, title } of memories) {
    insert.run(id, namespace, title, content, tags.join(" "))
  }
  const find = db.prepare(`SELECT id FROM told WHERE told MATCH ? AND (? IS NULL OR ? || '/' LIKE namespace || '/%')
    ORDER BY rank, id LIMIT ?`)
  return {
    ids: ({ ask, namespace }, limit) => {
      const words = wordsOf(ask)
      const query = words.map((word) => `"${word}"`).join(" OR ")
      const within = namespace ?? null
      return words.length === 0 ? [] : decodeRows(find.all(query, within, within, limit)).map(({ id }) => id)
    },
    close: () => db.close()
  }
}

const decodeRows = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ id: Schema.String })))

const words = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[\p{L}\p{N}\p{M}]+/gu) ?? []

const stop = new Set(stopwords)

/** Any of the words. */
export const plain = fts5("unicode61", words)

/** English stems, without the words that stand everywhere where others are left. */
export const porter = fts5("porter unicode61", (text) => {
  const all = words(text)
  const telling = all.filter((word) => !stop.has(word))
  return telling.length > 0 ? telling : all
})
