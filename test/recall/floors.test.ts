import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { measure, type Measured } from "./measure.js"
import { askAll, keyword, type Mode } from "./modes.js"

/** What a mode must find among the first three, by group, and how often it may answer what nothing answers. */
interface Floors {
  readonly all: number
  readonly byGroup: Readonly<Record<string, number>>
  readonly falseAnswers: number
}

/** A little below what it reaches: what is recalled counts as used, and when that is noted is a matter of chance. */
const KEYWORD: Floors = {
  all: 0.82,
  byGroup: {
    exact: 0.96,
    forms: 0.89,
    synonym: 0.64,
    typo: 0.73,
    date: 0.84,
    negation: 0.93,
    conversation: 0.25,
    code: 0.96
  },
  falseAnswers: 0.84
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
  it.live("by keywords alone finds as much as it did", () =>
    Effect.map(measured(keyword), (measured) => assertAbove(measured, KEYWORD)))
})
