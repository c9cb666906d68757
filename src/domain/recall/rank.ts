import type { MemoryId } from "../ids.js"
import type { Tier } from "../Memory.js"

/** What is known of a memory that may answer a question. */
export interface Candidate {
  readonly rid: number
  readonly id: MemoryId
  readonly tier: Tier
  readonly priority: number
  readonly confidence: number
  readonly accessCount: number
  /** Since it was last changed. */
  readonly ageDays: number
  /** It stands in a namespace so many levels above the one that was asked for. */
  readonly levelsUp: number
  /** How well the words fit (bm25, the greater the better); 0 when none of them is in it. */
  readonly keyword: number
  /** Of the angle to the question; null without a vector. */
  readonly cosine: number | null
  /** The share of the times named in the question that it fits; null when none is named. */
  readonly time: number | null
}

/** Two memories that were written beside each other: in one session, or in one namespace within a short time. */
export interface Beside {
  readonly rid: number
  readonly neighbour: number
  /** 1 for the one just before or after it, 2 for the one beyond that. */
  readonly steps: number
  /** They are of one session. */
  readonly inSession: boolean
  /** The neighbour was written after the memory. */
  readonly isLater: boolean
}

/** What a score is made of; each of `keyword`, `semantic`, `time`, `context` 0 to 1 before it is weighed. */
export interface Parts {
  readonly keyword: number
  readonly semantic: number
  readonly time: number
  readonly context: number
  /** Factors near 1: of its own worth, of its use, of its distance in namespaces. */
  readonly worth: number
  readonly use: number
  readonly distance: number
}

export interface Ranked {
  readonly candidate: Candidate
  /** 0 to 1 and a little more. Scores of different questions compare only roughly. */
  readonly score: number
  readonly parts: Parts
}

export interface Weights {
  /** How much meaning counts beside words at most, 0 to 1: as much when the nearest vectors stand out, and less otherwise. */
  readonly semantic: number
  /** How much counts a time that fits, and what was written beside a memory in its session, beside 1 for the memory itself. */
  readonly time: number
  readonly context: number
}

export const usual: Weights = { semantic: 0.6, time: 0.75, context: 0.7 }

/** All candidates, best first. Equal ones are in the order of their ids, so that all nodes have the same. */
export const rank = (
  candidates: ReadonlyArray<Candidate>,
  beside: ReadonlyArray<Beside>,
  weights: Weights
): ReadonlyArray<Ranked> => {
  const blended = blendOf(candidates, weights)
  const contexts = contextOf(blended, beside)
  return candidates.map((candidate): Ranked => {
    const own = blended.get(candidate.rid) ?? NOTHING
    const context = contexts.get(candidate.rid) ?? 0
    const parts = {
      keyword: own.keyword,
      semantic: own.semantic,
      time: candidate.time ?? 0,
      context,
      worth: worthOf(candidate),
      use: useOf(candidate.accessCount),
      distance: 1 / (1 + DISTANCE * candidate.levelsUp)
    }
    const score = (own.blend + weights.context * context) / (1 + weights.context) *
      parts.worth * parts.use * parts.distance
    return { candidate, score, parts }
  }).sort((a, b) => b.score - a.score || (a.candidate.id < b.candidate.id ? -1 : 1))
}

interface Blend {
  readonly keyword: number
  readonly semantic: number
  /** Of the two, and then of the time as well. */
  readonly timeless: number
  readonly blend: number
}

const NOTHING: Blend = { keyword: 0, semantic: 0, timeless: 0, blend: 0 }

/** For each level of namespaces between: the contract's factor. */
const DISTANCE = 0.3

/** Words and meaning, each 0 to 1 over the candidates, as a weighed mean; then whether the time fits. */
const blendOf = (candidates: ReadonlyArray<Candidate>, weights: Weights): ReadonlyMap<number, Blend> => {
  const mostWords = Math.max(...candidates.map(({ keyword }) => keyword), 0)
  const { floor, nearest } = fieldOf(candidates)
  const share = weights.semantic * Math.min(1, (nearest - floor) / CLEAR_GAP)
  return new Map(candidates.map(({ cosine, keyword, rid, time }) => {
    const words = mostWords === 0 ? 0 : keyword / mostWords
    const meaning = cosine === null || nearest <= floor ? 0 : Math.max(0, (cosine - floor) / (nearest - floor))
    // One whose vector is not made yet is judged by its words alone, and not as if it meant something else.
    const blend = cosine === null ? words : (1 - share) * words + share * meaning
    return [rid, {
      keyword: words,
      semantic: meaning,
      timeless: blend,
      blend: time === null ? blend : (blend + weights.time * time) / (1 + weights.time)
    }]
  }))
}

/** The nearest vector, and the mean of those nearest and of one that says nothing of it: the only one there is stands out, too. */
const fieldOf = (candidates: ReadonlyArray<Candidate>) => {
  const cosines = candidates.flatMap(({ cosine }) => cosine ?? []).sort((a, b) => b - a).slice(0, FIELD)
  return { nearest: cosines[0] ?? 0, floor: meanOf([...cosines, 0]) }
}

/** The nearest vectors, over which the others are judged. */
const FIELD = 100
/** By so much a vector stands out that says what the question says. */
const CLEAR_GAP = 0.3

const meanOf = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** The best of what stands beside it counts: the farther off the less, and what came after it less than what it may answer. */
const contextOf = (
  blended: ReadonlyMap<number, Blend>,
  beside: ReadonlyArray<Beside>
): ReadonlyMap<number, number> => {
  const contexts = new Map<number, number>()
  for (const { inSession, isLater, neighbour, rid, steps } of beside) {
    const share = (inSession ? 1 : OUTSIDE_SESSION) * (isLater && inSession ? LATER : 1) / (1 + FADING * (steps - 1))
    // Without its time: what was written side by side is of one time, and that is counted for each of them.
    const lift = share * (blended.get(neighbour)?.timeless ?? 0)
    if (lift > (contexts.get(rid) ?? 0)) contexts.set(rid, lift)
  }
  return contexts
}

const FADING = 0.25
const LATER = 0.4
const OUTSIDE_SESSION = 0.65

/** What a memory is worth whatever is asked: 0.95 to 1.05, for its priority, confidence, tier and age together. */
const worthOf = ({ ageDays, confidence, priority, tier }: Candidate): number =>
  1 + WORTH * (
      0.4 * (priority - MEAN_PRIORITY) / MEAN_PRIORITY +
      0.2 * (2 * confidence - 1) +
      0.2 * TIERS[tier] +
      0.2 * (2 / (1 + Math.max(0, ageDays) / RECENT_DAYS) - 1)
    )

const WORTH = 0.05
const MEAN_PRIORITY = 5
const RECENT_DAYS = 90
const TIERS: Record<Tier, number> = { short: -1, mid: 0, long: 1 }

/** 1 to 1.03: each ten times as often counts for one more hundredth. */
const useOf = (accessCount: number): number => 1 + 0.01 * Math.min(3, Math.log10(1 + accessCount))
