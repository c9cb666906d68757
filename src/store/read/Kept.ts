import type Database from "better-sqlite3"

/** So many characters are kept at most, and no value that would take the place of many. */
const MOST_CHARACTERS = 4 * 1024 * 1024
const MOST_OF_ONE = MOST_CHARACTERS / 64

interface Sized {
  readonly text: string
}

/**
 * What was read of what the writer alone writes, for as long as it wrote nothing since, into whatever table. What it writes counts
 * before it stands in the file: while a transaction is open nothing is kept, nor taken from here.
 */
export const keeping = <A extends Sized>(
  writer: Database.Database,
  read: (id: string) => A | null
): (id: string) => A | null => {
  const changes = writer.prepare<[], number>("SELECT total_changes()").pluck()
  const kept = new Map<string, A>()
  let characters = 0
  let latest: number | undefined

  const forget = () => {
    kept.clear()
    characters = 0
  }
  const keep = (id: string, value: A) => {
    if (value.text.length > MOST_OF_ONE) return
    kept.set(id, value)
    characters += value.text.length
    for (const [oldest, { text }] of kept) {
      if (characters <= MOST_CHARACTERS) return
      kept.delete(oldest)
      characters -= text.length
    }
  }

  return (id) => {
    if (writer.inTransaction) return read(id)
    const now = changes.get()
    if (now !== latest) forget()
    latest = now
    const known = kept.get(id)
    if (known !== undefined) return known
    const value = read(id)
    if (value !== null) keep(id, value)
    return value
  }
}
