import { type Asked, GROUPS, type Question } from "./set.js"

/** What came of a question. */
export interface Answered<Q extends Asked> {
  readonly question: Q
  /** The ids that were given, best first. */
  readonly ids: ReadonlyArray<string>
  /** How well the best one fits, 0 to 1, from modes that say so. */
  readonly strength?: number | undefined
}

/** How good the answers are, each from 0 to 1. */
export interface Figures {
  readonly questions: number
  /** The share of the right memories among the first one, three, ten; of those that have room there. */
  readonly at1: number
  readonly at3: number
  readonly at10: number
  /** The mean of 1 / the place of the first right one. */
  readonly mrr: number
}

export interface Measured {
  readonly all: Figures
  readonly byGroup: ReadonlyMap<string, Figures>
  readonly byLanguage: ReadonlyMap<string, Figures>
  /** The share of the questions without an answer that were given one. */
  readonly falseAnswers: number
}

/** The row of the questions whose memory is in another language. */
export const CROSS = "across"

export const measure = (
  answered: ReadonlyArray<Answered<Question>>,
  unanswerable: ReadonlyArray<Answered<Asked>>
): Measured => ({
  all: figures(answered),
  byGroup: new Map(
    GROUPS.map((group) => [group, figures(answered.filter(({ question }) => question.group === group))])
  ),
  byLanguage: by(answered, languageOf),
  falseAnswers: mean(unanswerable.map(({ ids }) => ids.length > 0 ? 1 : 0))
})

/** How many questions of each group have a right memory among the first three. */
export const foundByGroup = (answered: ReadonlyArray<Answered<Question>>): ReadonlyMap<string, number> =>
  new Map(GROUPS.map((group) => [
    group,
    answered.filter((one) => one.question.group === group && recalled(one, 3) > 0).length
  ]))

/** The share of the right memories that are among the first `k`, of those that have room there. */
export const recalled = ({ ids, question: { answers } }: Answered<Question>, k: number): number =>
  ids.slice(0, k).filter((id) => answers.includes(id)).length / Math.min(k, answers.length)

/** What it would be to say nothing where the best memory fits less than `below`. */
export interface Abstaining {
  readonly below: number
  /** Questions that would lose the right memory which they have among the first three. */
  readonly lost: number
  /** The share of the questions without an answer that would be given none. */
  readonly empty: number
}

/** The most of it that loses at most so many questions; null for modes that say no strength. */
export const abstaining = (
  answered: ReadonlyArray<Answered<Question>>,
  unanswerable: ReadonlyArray<Answered<Asked>>,
  mostLost: number
): Abstaining | null => {
  const right = answered.flatMap((one) => recalled(one, 3) > 0 ? one.strength ?? [] : []).toSorted((a, b) => a - b)
  const below = right[mostLost]
  if (below === undefined) return null
  const empty = ({ ids, strength = 0 }: Answered<Asked>) => ids.length === 0 || strength < below
  return {
    below,
    lost: right.filter((strength) => strength < below).length,
    empty: mean(unanswerable.map((one) => empty(one) ? 1 : 0))
  }
}

export const languageOf = ({ cross, lang }: Question): string => cross === true ? CROSS : lang

const figures = (answered: ReadonlyArray<Answered<Question>>): Figures => ({
  questions: answered.length,
  at1: mean(answered.map((one) => recalled(one, 1))),
  at3: mean(answered.map((one) => recalled(one, 3))),
  at10: mean(answered.map((one) => recalled(one, 10))),
  mrr: mean(answered.map(({ ids, question }) => {
    const place = ids.findIndex((id) => question.answers.includes(id))
    return place < 0 ? 0 : 1 / (place + 1)
  }))
})

const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

const by = (answered: ReadonlyArray<Answered<Question>>, key: (question: Question) => string) => {
  const keys = Array.from(new Set(answered.map(({ question }) => key(question)))).toSorted()
  return new Map(keys.map((one) => [one, figures(answered.filter(({ question }) => key(question) === one))]))
}
