import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import type { NamespaceLanguages } from "../../domain/analysis/namespaceLanguages.js"
import { many, one, run } from "../log/statements.js"
import * as RecentTitles from "./RecentTitles.js"
import * as Waiting from "./waitingRows.js"
import * as wordTotals from "./wordTotals.js"

/** What must go back with a transaction that does. */
export interface IndexState {
  /** Rows up to here are in the index of before 0006 and nowhere else; 0 when none is. */
  readonly unread: number
  /** By which words in the index were stemmed. */
  readonly languages: ReadonlySet<string>
  /** What was taken out in this transaction, and is in the sums still. */
  readonly removed: wordTotals.Totals
  /** Rows up to here are in one of the indexes, as far as they belong there, and none above; null until somebody asks for it. */
  readonly upTo: number | null
  /** The last row of this run that belongs there; 0 where none is. */
  readonly last: number
}

/** How far re-indexing is: of so many numbers of rows so many are left. Done is what has nothing to give back any more. */
export interface Reindexed {
  readonly left: number
  readonly total: number
  readonly isDone: boolean
}

/**
 * The index of words, on the connection that writes and in its transaction. It stands behind the rows: those of a few transactions
 * wait, and are indexed together. Where a node ended before that, their numbers are above all in the index, and the next start
 * finds them there.
 */
export interface WordIndex {
  readonly state: () => IndexState
  readonly restore: (state: IndexState) => void
  /** Before the first row of this run is inserted: what one before left waiting is indexed. */
  readonly begin: () => void
  /** A row has been inserted; it waits. */
  readonly inserted: (row: Waiting.Row) => void
  /** Whether any row waits, or may, and up to which row all are in. */
  readonly standing: () => { readonly isBehind: boolean; readonly upTo: number | null }
  /** Indexes all that wait. */
  readonly catchUp: () => void
  /** Indexes rows by their numbers, both ends included, by one statement: each statement makes a segment of its own. */
  readonly index: (first: number, last: number) => void
  /** Takes out a row, unless it waits. It must still be there. */
  readonly remove: (rid: number) => void
  /** Indexes what waits once it is much, and takes off the sums what was taken out, before others have a turn. */
  readonly finish: () => void
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
  const removeRow = run(writer, "DELETE FROM memory_words WHERE rowid = ?")
  const recent = RecentTitles.make()
  const rows = Waiting.make(languages, recent)
  const greatest = makeGreatest(writer)
  const inserting = makeInserting(writer, rows)
  const before = makeBefore(writer)
  const totals = wordTotals.make(writer)
  let state: IndexState = {
    unread: progress()?.unread ?? 0,
    languages: inserting.languages(),
    removed: wordTotals.nothing,
    upTo: null,
    last: 0
  }

  const index = (first: number, last: number): void => {
    state = { ...state, languages: inserting.insert(first, last, state.languages) }
  }
  const isBehind = () => state.upTo === null || state.last > state.upTo
  const catchUp = (): void => {
    if (!isBehind()) return
    const from = state.upTo ?? Math.max(state.unread, greatest.indexed())
    const to = state.upTo === null ? Math.max(from, greatest.stored()) : state.last
    if (from < to) index(from + 1, to)
    rows.clear()
    state = { ...state, upTo: to }
  }
  return {
    index,
    standing: () => ({ isBehind: isBehind(), upTo: state.upTo }),
    catchUp,
    titles: titlesOf(recent, rows),
    state: () => state,
    restore: (saved) => {
      state = saved
      rows.undone(saved.last)
    },
    begin: () => {
      if (state.upTo === null) catchUp()
    },
    inserted: (row) => {
      rows.add(row)
      state = { ...state, last: row.rid }
    },
    remove: (rid) => {
      if (rid <= state.unread) return before.unindex(rid)
      state = { ...state, removed: wordTotals.plus(state.removed, totals.of(rid)) }
      removeRow(rid)
    },
    finish: () => {
      if (rows.isMuch()) catchUp()
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

/** What puts rows into the index, with the languages by which words in it were stemmed. */
const makeInserting = (writer: Database.Database, rows: Waiting.WaitingRows) => {
  const seen = analyzing(writer, rows)
  const all = many(writer, Language, "SELECT language FROM word_languages")
  const note = run(writer, "INSERT OR IGNORE INTO word_languages (language) VALUES (?)")
  const insertRows = run(
    writer,
    `INSERT INTO memory_words (rowid, title, content, tags, dates)
     SELECT m.rid, a.title, a.content, a.tags, a.dates
     FROM memories m CROSS JOIN analyzed(m.rid, m.id, m.namespace, m.title, m.content, m.tags, m.created_at) a
     WHERE m.rid BETWEEN ? AND ? AND m.visible < 2`
  )
  return {
    languages: (): ReadonlySet<string> => new Set(all().map(({ language }) => language)),
    /** Answers the languages with those that are new. */
    insert: (first: number, last: number, languages: ReadonlySet<string>): ReadonlySet<string> => {
      insertRows(first, last)
      const added = Array.from(seen).filter((language) => !languages.has(language))
      seen.clear()
      if (added.length === 0) return languages
      for (const language of added) note(language)
      return new Set([...languages, ...added])
    }
  }
}

const Greatest = Schema.Struct({ rid: Schema.Int })

/** The greatest row that is in the index, and the greatest that there is; 0 where none is. */
const makeGreatest = (writer: Database.Database) => {
  const indexed = one(writer, Greatest, "SELECT coalesce(max(id), 0) AS rid FROM memory_words_docsize")
  const stored = one(writer, Greatest, "SELECT coalesce(max(rid), 0) AS rid FROM memories")
  return { indexed: () => indexed()?.rid ?? 0, stored: () => stored()?.rid ?? 0 }
}

/** Those of what waits as well, which has its words made for that. */
const titlesOf = (recent: RecentTitles.RecentTitles, rows: Waiting.WaitingRows): RecentTitles.RecentTitles => ({
  ...recent,
  of: (id) => {
    rows.noteTitles()
    return recent.of(id)
  },
  having: (namespace, word) => {
    rows.noteTitles()
    return recent.having(namespace, word)
  }
})

/**
 * A table of one row that this connection asks for a row's words. It is called once a row, and answers all of its columns.
 * What it gives back is the languages by which it has stemmed since it was last emptied.
 */
const analyzing = (writer: Database.Database, rows: Waiting.WaitingRows): Set<string> => {
  const seen = new Set<string>()
  writer.table("analyzed", {
    columns: ["title", "content", "tags", "dates"],
    parameters: ["of_rid", "of_id", "of_namespace", "of_title", "of_content", "of_tags", "of_created_at"],
    *rows(
      rid: unknown,
      id: unknown,
      namespace: unknown,
      title: unknown,
      content: unknown,
      tags: unknown,
      created_at: unknown
    ) {
      const words = rows.wordsOf(Number(rid), () => ({
        rid: Number(rid),
        id: String(id),
        namespace: String(namespace),
        title: String(title),
        content: String(content),
        tags: tags === NO_TAGS ? [] : decodeTags(tags),
        created_at: String(created_at)
      }))
      for (const language of words.languages) seen.add(language)
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
