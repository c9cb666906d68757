/** How well the best answer to a question fits, apart from all others. */
export interface Evidence {
  /** 0 to 1: whether one of the best memories answers at all. Of different questions these do compare. */
  readonly strength: number
  /** Of the best memory; 0 where there is none. */
  readonly topScore: number
  /** How much worse the second one is. */
  readonly gapToSecond: number
  /** The share of the words of the question that the memory has which is the evidence: the words themselves, and no others. */
  readonly coverage: number
}

/** Something that a question asks for. */
export interface Asked {
  /** How much it tells. */
  readonly weight: number
  /** How far the memory has it: 1 for a word itself, less for one that is like it, 0 for none. */
  readonly found: number
}

/**
 * How much a word tells, by the memories that have it: the inverse document frequency of BM25 (Robertson, Zaragoza 2009). A word
 * that none has tells most.
 */
export const weightOf = (documents: number, memories: number): number =>
  Math.log(1 + (Math.max(memories, documents) - documents + 0.5) / (documents + 0.5))

/** A time that is named tells about as much as a rare word. */
export const TIME_WEIGHT = 5

/** The share of what was asked that was found, each thing by how much it tells; 0 where nothing was asked. */
export const coverageOf = (asked: ReadonlyArray<Asked>): number => {
  const all = asked.reduce((sum, { weight }) => sum + weight, 0)
  return all === 0 ? 0 : asked.reduce((sum, { found, weight }) => sum + weight * found, 0) / all
}

/** How far a word is found in another, by the cosine of the angle between their vectors: laundry in washing, hardly in kitchen. */
export const likeness = (cosine: number): number =>
  Math.min(MOST_ALIKE, Math.max(0, (cosine - UNLIKE) / (ALIKE - UNLIKE)))

const UNLIKE = 0.45
const ALIKE = 0.7
/** What is like a word is not quite the word. */
const MOST_ALIKE = 0.9

/**
 * How far each of the words is found in the most alike of others that are nearly written like it: the share of their pairs of
 * letters (Dice 1945), from 0.65 on. Takes about as long as the others are many, and not that times as many as there are words.
 */
export const resemblances = (words: ReadonlyArray<string>, others: Iterable<string>): ReadonlyArray<number> => {
  const wanted = words.map((word) => word.length < LEAST_LETTERS || DIGIT.test(word) ? [] : pairsOf(word))
  const having = new Map<string, Array<number>>()
  wanted.forEach((pairs, at) => {
    for (const pair of pairs) {
      const known = having.get(pair)
      if (known === undefined) having.set(pair, [at])
      else known.push(at)
    }
  })
  const best = words.map(() => 0)
  const both = new Uint16Array(words.length)
  for (const other of others) {
    if (other.length < LEAST_LETTERS) continue
    const pairs = pairsOf(other)
    both.fill(0)
    for (const pair of pairs) for (const at of having.get(pair) ?? NONE) both[at] = (both[at] ?? 0) + 1
    for (const [at, count] of both.entries()) {
      const dice = 2 * count / ((wanted[at]?.length ?? 0) + pairs.length)
      if (dice >= LEAST_DICE) best[at] = Math.max(best[at] ?? 0, Math.min(MOST_ALIKE, dice))
    }
  }
  return best
}

const LEAST_LETTERS = 4
const LEAST_DICE = 0.65
const DIGIT = /\p{N}/u
const NONE: ReadonlyArray<number> = []

/** Each once: one that stands there again is another one. */
const pairsOf = (word: string): ReadonlyArray<string> => {
  const letters = ["^", ...word, "$"]
  const times = new Map<string, number>()
  return letters.slice(1).map((letter, at) => {
    const pair = `${letters[at] ?? ""}${letter}`
    const time = times.get(pair) ?? 0
    times.set(pair, time + 1)
    return time === 0 ? pair : `${pair}${time}`
  })
}

/** Words by which one asks, and that say nothing of what one asks for: in the languages in which they are no stop words. */
export const isAsking = (word: string): boolean => ASKING.has(word)

const ASKING = new Set(
  ("much many get got come came happen happened tell want long often how what when where which who why " +
    "wann warum wieviel wieviele welche welcher welches heisst gibt " +
    "combien quand quel quelle quels quelles pourquoi comment " +
    "cuanto cuanta cuantos cuantas cuando donde cual quien como " +
    "quanto quanta quanti quante quando dove quale chi quantos quantas onde quem qual " +
    "hoeveel wanneer waar welke hvad hvor hvornar hvilken hvem nar var vad " +
    "ile kiedy gdzie ktory ktora kto jak сколько когда где какой какая какие кто почему скiльки коли де який яка хто чому " +
    "ποσο ποτε που ποιος ποια πως كم متى اين من لماذا كيف מתי איפה כמה מי למה कब कहाँ कितना कितने कौन कैसे " +
    "什么 哪里 哪儿 哪个 多少 谁 几 怎么 为什么 いつ どこ 誰 だれ 何 なに いくら なぜ 언제 어디 누가 얼마 왜 " +
    "เมื่อไร ที่ไหน เท่าไร ใคร ne kim nerede nasil kac hangi bao gio dau").split(" ")
)
