/** How well the best answer to a question fits, apart from all others. */
export interface Evidence {
  /** 0 to 1: whether one of the best memories answers at all. Of different questions these do compare. */
  readonly strength: number
  /** Of the best memory; 0 where there is none. */
  readonly topScore: number
  /** How much worse the second one is. */
  readonly gapToSecond: number
  /** The share of what was asked that the memory has which is the evidence, rare words counting more, unknown ones fully. */
  readonly coverage: number
}

/** A word of a question, and in how many memories it stands. */
export interface Asked {
  readonly documents: number
  /** How far the memory has it: 1 for the word itself, less for one that is like it. */
  readonly found: number
}

/** The share of what was asked that was found, each word by how much it tells (the inverse document frequency of BM25). */
export const coverageOf = (words: ReadonlyArray<Asked>, memories: number): number => {
  let all = 0
  let found = 0
  for (const word of words) {
    const weight = Math.log(1 + (Math.max(memories, word.documents) - word.documents + 0.5) / (word.documents + 0.5))
    all += weight
    found += weight * word.found
  }
  return all === 0 ? 0 : found / all
}

/** How far a word is found in one that is like it, by the cosine of the angle between the two. */
export const likeness = (cosine: number): number => Math.min(1, Math.max(0, (cosine - UNLIKE) / (SAME - UNLIKE)))

const UNLIKE = 0.2
const SAME = 0.75

/** What is known of one of the best memories. */
interface Fit {
  readonly coverage: number
  /** Null without vectors. */
  readonly cosine: number | null
  /** By how much the nearest vector stands out among those nearest. */
  readonly gap: number
  /** The share of the times named that it fits; null when none is named. */
  readonly time: number | null
}

/**
 * How likely it is that a memory that fits like this answers: a logistic regression over the questions of `test/recall`, those that
 * have an answer and those that have none, each half of them weighing the same.
 */
export const strengthOf = ({ cosine, coverage, gap, time }: Fit): number => {
  const fit = cosine === null
    ? WITHOUT_VECTORS.all + WITHOUT_VECTORS.coverage * coverage
    : WITH_VECTORS.all + WITH_VECTORS.coverage * coverage + WITH_VECTORS.cosine * cosine + WITH_VECTORS.gap * gap
  return 1 / (1 + Math.exp(-fit - TIME * (time ?? 0)))
}

const WITH_VECTORS = { all: -5.2, coverage: 6.1, cosine: 2.9, gap: 1.2 }
const WITHOUT_VECTORS = { all: -3.3, coverage: 3.1 }
const TIME = 2.7
