import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { abstaining, measure, type Measured } from "./measure.js"
import { askAll, builtIn, keyword, type Mode } from "./modes.js"

/** What a mode must find among the first three, by group, and how often it may answer what nothing answers. */
interface Floors {
  readonly all: number
  readonly byGroup: Readonly<Record<string, number>>
  readonly falseAnswers: number
}

/** A little below what they reach. */
const KEYWORD: Floors = {
  all: 0.89,
  byGroup: {
    exact: 0.94,
    forms: 0.95,
    synonym: 0.62,
    typo: 0.96,
    date: 0.92,
    negation: 0.97,
    conversation: 0.67,
    code: 0.96
  },
  falseAnswers: 0.9
}

const BUILT_IN: Floors = {
  all: 0.92,
  byGroup: {
    exact: 0.98,
    forms: 0.95,
    synonym: 0.75,
    typo: 0.96,
    date: 0.95,
    negation: 0.97,
    conversation: 0.65,
    code: 0.96
  },
  falseAnswers: 0.9
}

/** With nothing said where the evidence is weak: of the questions with an answer, and of those without. */
const LEAST_FOUND = 0.85
const LEAST_EMPTY = 0.75

const asked = ({ open }: Mode) => Effect.scoped(Effect.flatMap(open, askAll))

const measured = (mode: Mode): Effect.Effect<Measured> =>
  Effect.map(asked(mode), ({ answered, unanswered }) => measure(answered, unanswered))

const assertAbove = ({ all, byGroup, falseAnswers }: Measured, floors: Floors) => {
  const below = Array.from(byGroup, ([group, { at3 }]) => ({ group, at3, floor: floors.byGroup[group] ?? 1 }))
    .filter(({ at3, floor }) => at3 < floor)
  assert.deepStrictEqual(below, [])
  assert.isAtLeast(all.at3, floors.all)
  assert.isAtMost(falseAnswers, floors.falseAnswers)
}

describe("recall on the set", () => {
  it.live(
    "finds by words alone",
    () => Effect.map(measured(keyword), (measured) => assertAbove(measured, KEYWORD)),
    120_000
  )

  it.live(
    "finds more by the built-in model, and could leave three of four questions empty that nothing answers",
    () =>
      Effect.map(asked(builtIn), ({ answered, unanswered }) => {
        const figures = measure(answered, unanswered)
        assertAbove(figures, BUILT_IN)
        // What is found beyond what must be found may be lost by saying nothing where the evidence is weak.
        const spare = Math.floor((figures.all.at3 - LEAST_FOUND) * answered.length)
        assert.isAtLeast(abstaining(answered, unanswered, spare)?.empty ?? 0, LEAST_EMPTY)
      }),
    120_000
  )
})
