import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { languageIn, type NamespaceLanguages } from "../../domain/analysis/namespaceLanguages.js"
import { many, one, run } from "../log/statements.js"
import * as RecentTitles from "./RecentTitles.js"
import * as wordTotals from "./wordTotals.js"

/** What must go back with a transaction that does. */
export interface IndexState {
  /** Rows up to here are in the index of before 0006 and nowhere else; 0 when none is. */
  readonly unread: number
  /** By which words in the index were stemmed. */
  readonly languages: ReadonlySet<string>
  /** What was taken out in this transaction, and is in the sums still. */
  readonly removed: wordTotals.Totals
}

/** How far re-indexing is: of so many numbers of rows so many are left. Done is what has nothing to give back any more. */
export interface Reindexed {
  readonly left: number
  readonly total: number
  readonly isDone: boolean
}

/** The index of words, on the connection that writes and in its transaction. */
export interface WordIndex {
  readonly state: () => IndexState
  readonly restore: (state: IndexState) => void
  /** Indexes rows by their numbers, both ends included, by one statement: each statement makes a segment of its own. */
  readonly index: (first: number, last: number) => void
  /** Takes out a row that is indexed. It must still be there. */
  readonly remove: (rid: number) => void
  /** Takes off the sums what was taken out, before others have a turn. */
  readonly settle: () => void
  /** Brings some rows over from the index of before, the newest first; when none is left, takes away some of that index. */
  readonly reindex: () => Reindexed
  readonly titles: RecentTitles.RecentTitles
}

/** What is brought over in one transaction: it holds up everybody else for as long as it takes. */
const MAX_ROWS = 100
const MAX_BYTES = 60_000
/** Pieces of the index of before that are deleted in one transaction. */
const MAX_PIECES = 200

const Progress = Schema.Struct({ unread: Schema.Int, total: Schema.Int })
const decodeTags = Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(Schema.String)))
export const make = (writer: Database.Database, languages: NamespaceLanguages = new Map()): WordIndex => {
  const progress = one(writer, Progress, "SELECT unread, total FROM reindexing")
  const noteUnread = run(writer, "UPDATE reindexing SET unread = ?")
  const noteLanguage = run(writer, "INSERT OR IGNORE INTO word_languages (language) VALUES (?)")
  const removeRow = run(writer, "DELETE FROM memory_words WHERE rowid = ?")
  const titles = RecentTitles.make()
  const seen = analyzing(writer, languages, titles)
  const insertRows = run(
    writer,
    `INSERT INTO memory_words (rowid, title, content, tags, dates)
     SELECT m.rid, a.title, a.content, a.tags, a.dates
     FROM memories m CROSS JOIN analyzed(m.id, m.namespace, m.title, m.content, m.tags, m.created_at) a
     WHERE m.rid BETWEEN ? AND ? AND m.visible < 2`
  )
  const before = makeBefore(writer)
  const totals = wordTotals.make(writer)
  let state: IndexState = {
    unread: progress()?.unread ?? 0,
    languages: new Set(many(writer, Language, "SELECT language FROM word_languages")().map(({ language }) => language)),
    removed: wordTotals.nothing
  }

  const index = (first: number, last: number): void => {
    insertRows(first, last)
    for (const language of seen) {
      if (state.languages.has(language)) continue
      noteLanguage(language)
      state = { ...state, languages: new Set([...state.languages, language]) }
    }
    seen.clear()
  }

  return {
    index,
    titles,
    state: () => state,
    restore: (saved) => {
      state = saved
    },
    remove: (rid) => {
      if (rid <= state.unread) return before.unindex(rid)
      state = { ...state, removed: wordTotals.plus(state.removed, totals.of(rid)) }
      removeRow(rid)
    },
    settle: () => {
      if (state.removed.rows === 0) return
      totals.subtract(state.removed)
      state = { ...state, removed: wordTotals.nothing }
    },
    reindex: () => {
      const total = progress()?.total ?? 0
      if (state.unread === 0) return { left: 0, total, isDone: before.discard() }
      const first = before.firstOfNext(state.unread)
      index(first, state.unread)
      noteUnread(first - 1)
      state = { ...state, unread: first - 1 }
      return { left: first - 1, total, isDone: false }
    }
  }
}

const Language = Schema.Struct({ language: Schema.String })

/**
 * A table of one row that this connection asks for a row's words. It is called once a row, and answers all of its columns.
 * What it gives back is the languages by which it has stemmed since it was last emptied.
 */
const analyzing = (
  writer: Database.Database,
  languages: NamespaceLanguages,
  titles: RecentTitles.RecentTitles
): Set<string> => {
  const seen = new Set<string>()
  writer.table("analyzed", {
    columns: ["title", "content", "tags", "dates"],
    parameters: ["of_id", "of_namespace", "of_title", "of_content", "of_tags", "of_created_at"],
    *rows(
      id: unknown,
      namespace: unknown,
      title: unknown,
      content: unknown,
      tags: unknown,
      created_at: unknown
    ) {
      const words = Analyzer.indexed({
        title: String(title),
        content: String(content),
        tags: tags === NO_TAGS ? [] : decodeTags(tags),
        created_at: String(created_at),
        language: languageIn(languages, String(namespace))
      })
      for (const language of words.languages) seen.add(language)
      titles.note({ id: String(id), namespace: String(namespace), words: words.titleWords })
      yield [words.title, words.content, words.tags, words.dates]
    }
  })
  return seen
}
const NO_TAGS = "[]"

const Name = Schema.Struct({ name: Schema.String })
const First = Schema.Struct({ first: Schema.NullOr(Schema.Int) })

/** The index of before 0006. Its statements are made when they are first needed: in a newer database its table is gone. */
const makeBefore = (writer: Database.Database) => {
  const table = one(writer, Name, "SELECT name FROM sqlite_schema WHERE name = 'memories_fts'")
  const firstOfNext = one(
    writer,
    First,
    `SELECT min(rid) AS first FROM (
       SELECT rid, sum(octet_length(title) + octet_length(content)) OVER (ORDER BY rid DESC) AS bytes,
         row_number() OVER (ORDER BY rid DESC) AS place
       FROM memories WHERE rid <= ? ORDER BY rid DESC LIMIT ${MAX_ROWS}
     ) WHERE place = 1 OR bytes <= ${MAX_BYTES}`
  )
  let unindexRow: ReturnType<typeof run> | undefined
  return {
    unindex: (rid: number): void => {
      unindexRow ??= run(
        writer,
        `INSERT INTO memories_fts (memories_fts, rowid, title, content, tags)
         SELECT 'delete', rid, title, content, tags FROM memories WHERE rid = ?`
      )
      unindexRow(rid)
    },
    /** The lowest number of what is brought over next; 1 where nothing is below. */
    firstOfNext: (unread: number): number => firstOfNext(unread)?.first ?? 1,
    /** Deletes some of it, and the table at last. Answers whether it is gone. */
    discard: (): boolean => {
      if (table() === null) return true
      if (deletePieces(writer) === MAX_PIECES) return false
      writer.exec("DROP TABLE memories_fts")
      return true
    }
  }
}

/** Tables below a virtual one can not be written but in this mode. Nobody asks the index above them any more. */
const deletePieces = (writer: Database.Database): number => {
  writer.unsafeMode(true)
  try {
    return writer.prepare(
      `DELETE FROM memories_fts_data WHERE id IN (SELECT id FROM memories_fts_data ORDER BY id DESC LIMIT ${MAX_PIECES})`
    ).run().changes
  } finally {
    writer.unsafeMode(false)
  }
}
