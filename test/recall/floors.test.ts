import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { measure, type Measured } from "./measure.js"
import { askAll, builtIn, keyword, type Mode } from "./modes.js"

/** What a mode must find among the first three, by group, and how often it may answer what nothing answers. */
interface Floors {
  readonly all: number
  readonly byGroup: Readonly<Record<string, number>>
  readonly falseAnswers: number
}

/** A little below what they reach. */
const KEYWORD: Floors = {
  all: 0.88,
  byGroup: {
    exact: 0.94,
    forms: 0.95,
    synonym: 0.62,
    typo: 0.96,
    date: 0.86,
    negation: 0.97,
    conversation: 0.67,
    code: 0.96
  },
  falseAnswers: 0.9
}

const BUILT_IN: Floors = {
  all: 0.915,
  byGroup: {
    exact: 0.98,
    forms: 0.95,
    synonym: 0.75,
    typo: 0.96,
    date: 0.88,
    negation: 0.97,
    conversation: 0.65,
    code: 0.96
  },
  falseAnswers: 0.9
}

const measured = ({ open }: Mode): Effect.Effect<Measured> =>
  open.pipe(
    Effect.flatMap(askAll),
    Effect.map(({ answered, unanswered }) => measure(answered, unanswered)),
    Effect.scoped
  )

const assertAbove = ({ all, byGroup, falseAnswers }: Measured, floors: Floors) => {
  const below = Array.from(byGroup, ([group, { at3 }]) => ({ group, at3, floor: floors.byGroup[group] ?? 1 }))
    .filter(({ at3, floor }) => at3 < floor)
  assert.deepStrictEqual(below, [])
  assert.isAtLeast(all.at3, floors.all)
  assert.isAtMost(falseAnswers, floors.falseAnswers)
}

describe("recall on the set", () => {
  it.live("finds by words alone", () => Effect.map(measured(keyword), (measured) => assertAbove(measured, KEYWORD)))

  it.live("finds more by the built-in model", () =>
    Effect.map(measured(builtIn), (measured) => assertAbove(measured, BUILT_IN)))
})
