import * as Recent from "../../domain/analysis/Recent.js"

/** A row of the index of words, by what titles alike are looked for by. */
interface Titled {
  readonly id: string
  readonly namespace: string
  readonly words: ReadonlyArray<string>
}

/** Memories that have a word in their titles: of all that do, the last ones that were indexed, each with its place among all. */
type Having = ReadonlyArray<{ readonly id: string; readonly place: number }>

/** A memory that was seen to stand. */
interface Standing {
  readonly namespace: string
  readonly created_at: string
}

/**
 * The titles that were indexed last, in memory: whose words stand in which. What a transaction that was undone had indexed is among
 * them, and what is gone by now: whoever looks whether a memory stands, as others see it, says so here for those who ask later.
 */
export interface RecentTitles {
  /** The memory is the newest one now. */
  readonly note: (titled: Titled) => void
  /** Of a memory that was noted a moment ago each word of its title, with those that had it when it was. */
  readonly of: (id: string) => ReadonlyMap<string, Having> | undefined
  /** Those of a namespace that have a word now. */
  readonly having: (namespace: string, word: string) => Having
  /** A memory stands, and what says so is committed. */
  readonly stands: (id: string, standing: Standing) => void
  /** What was said of a memory whose row has not been changed since. */
  readonly standing: (id: string) => Standing | undefined
  /** The row of a memory is taken away, or moved. */
  readonly changed: (id: string) => void
}

/** Words that are kept, each of one namespace: between half of that and all. Some 4 MB. */
const MAX_WORDS = 16_384
/** Memories whose words are kept, the same. */
const MAX_TITLES = 2_048
/** Memories that are known to stand: those of all words of late, most of which have others in common. */
const MAX_STANDING = 16_384
/** Memories of a word. */
const MAX_OF_WORD = 8
/** Memories that wait until somebody asks, at most. Where nobody does, as on a node that only receives, they are passed over. */
const MAX_WAITING = MAX_TITLES

export const make = (): RecentTitles => {
  const ofWord = Recent.make<Having>(MAX_WORDS)
  const titles = Recent.make<ReadonlyMap<string, Having>>(MAX_TITLES)
  const known = Recent.make<Standing | null>(MAX_STANDING)
  let place = 0
  let waiting: Array<Titled> = []
  const wordOf: RecentTitles["having"] = (namespace, word) => ofWord.get(keyOf(namespace, word)) ?? NONE
  const take = ({ id, namespace, words }: Titled): void => {
    const noted = { id, place: place++ }
    const others = new Map<string, Having>()
    for (const word of words) {
      const before = wordOf(namespace, word)
      others.set(word, before)
      ofWord.set(keyOf(namespace, word), [...before.slice(1 - MAX_OF_WORD), noted])
    }
    titles.set(id, others)
  }
  const takeAll = (): void => {
    if (waiting.length === 0) return
    const all = waiting
    waiting = []
    for (const titled of all.slice(-MAX_WAITING)) take(titled)
  }
  return {
    having: (namespace, word) => {
      takeAll()
      return wordOf(namespace, word)
    },
    of: (id) => {
      takeAll()
      return titles.get(id)
    },
    stands: known.set,
    standing: (id) => known.get(id) ?? undefined,
    changed: (id) => {
      if (known.get(id) !== undefined) known.set(id, null)
    },
    note: (titled) => {
      if (waiting.length >= 2 * MAX_WAITING) waiting = waiting.slice(-MAX_WAITING)
      waiting.push(titled)
    }
  }
}

const NONE: Having = []

/** Neither has a blank in it. */
const keyOf = (namespace: string, word: string): string => `${namespace} ${word}`

/** The ids of all of them, each once, the newest first. */
export const newestFirst = (all: ReadonlyArray<Having>): ReadonlyArray<string> =>
  Array.from(new Set(all.flat().sort((a, b) => b.place - a.place).map(({ id }) => id)))
