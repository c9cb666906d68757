import * as Analyzer from "../../domain/analysis/Analyzer.js"
import { languageIn, type NamespaceLanguages } from "../../domain/analysis/namespaceLanguages.js"
import type { RecentTitles } from "./RecentTitles.js"

/** A row, as far as the index of words is concerned. */
export interface Row {
  readonly rid: number
  readonly id: string
  readonly namespace: string
  readonly title: string
  readonly content: string
  readonly tags: ReadonlyArray<string>
  readonly created_at: string
}

/**
 * The rows of this run that wait to be indexed, with their words as soon as anybody has asked for them. It is what is at hand, and no
 * more: those are not among them that a transaction had indexed that went back.
 */
export interface WaitingRows {
  readonly add: (row: Row) => void
  /** Whether they are so many, or so large, that they do not wait any longer. */
  readonly isMuch: () => boolean
  /** The words of a row: made once for one that waits. Its title is noted by then. */
  readonly wordsOf: (rid: number, row: () => Row) => Analyzer.Indexed
  /** Notes the titles of all that wait. */
  readonly noteTitles: () => void
  /** Those above this one went back with their transaction. */
  readonly undone: (last: number) => void
  /** They are indexed. */
  readonly clear: () => void
}

interface Entry {
  readonly row: Row
  words: Analyzer.Indexed | undefined
}

/** They are indexed together: a segment of the index for so many, in less time than a commit takes. */
const MAX_ROWS = 64
const MAX_CHARACTERS = 64 * 1024

const sizeOf = ({ content, title }: Row): number => title.length + content.length

export const make = (languages: NamespaceLanguages, titles: RecentTitles): WaitingRows => {
  const entries = new Map<number, Entry>()
  let characters = 0
  /** All entries before this one have their titles noted. */
  let noted = 0

  const analyzed = (row: Row): Analyzer.Indexed => {
    const words = Analyzer.indexed({ ...row, language: languageIn(languages, row.namespace) })
    titles.note({ id: row.id, namespace: row.namespace, words: words.titleWords })
    return words
  }
  return {
    add: (row) => {
      entries.set(row.rid, { row, words: undefined })
      characters += sizeOf(row)
    },
    undone: (last) => {
      for (const [rid, { row }] of entries) {
        if (rid <= last) continue
        entries.delete(rid)
        characters -= sizeOf(row)
      }
      noted = Math.min(noted, entries.size)
    },
    isMuch: () => entries.size >= MAX_ROWS || characters >= MAX_CHARACTERS,
    wordsOf: (rid, row) => {
      const entry = entries.get(rid)
      if (entry === undefined) return analyzed(row())
      return (entry.words ??= analyzed(entry.row))
    },
    noteTitles: () => {
      if (noted === entries.size) return
      for (const entry of entries.values()) entry.words ??= analyzed(entry.row)
      noted = entries.size
    },
    clear: () => {
      entries.clear()
      characters = noted = 0
    }
  }
}
