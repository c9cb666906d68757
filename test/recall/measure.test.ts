import { assert, describe, it } from "@effect/vitest"
import { abstaining, type Answered, foundByGroup, measure, recalled } from "./measure.js"
import type { Asked, Question } from "./set.js"

const answered = (
  answers: Question["answers"],
  ids: ReadonlyArray<string>,
  more: Partial<Question> & { readonly strength?: number } = {}
): Answered<Question> => {
  const { strength, ...question } = more
  return { question: { ask: "?", lang: "en", group: "exact", answers, ...question }, ids, strength }
}

const unanswered = (ids: ReadonlyArray<string>, strength?: number): Answered<Asked> => ({
  question: { ask: "?", lang: "en" },
  ids,
  strength
})

describe("the figures", () => {
  it("count the right memories that have room among the first", () => {
    const both = answered(["a", "b"], ["a", "x", "y", "b"])
    assert.deepStrictEqual([1, 3, 10].map((k) => recalled(both, k)), [1, 0.5, 1])
    assert.deepStrictEqual([1, 3, 10].map((k) => recalled(answered(["a"], ["x", "y", "z", "a"]), k)), [0, 0, 1])
    assert.strictEqual(recalled(answered(["a"], []), 10), 0)
  })

  it("are means, of all, by group and by language", () => {
    const { all, byGroup, byLanguage, falseAnswers } = measure(
      [
        answered(["a"], ["a"]),
        answered(["a"], ["x", "a"], { group: "typo", lang: "de" }),
        answered(["a"], ["x"], { group: "typo", cross: true })
      ],
      [unanswered(["x"]), unanswered([])]
    )
    assert.deepStrictEqual(all, { questions: 3, at1: 1 / 3, at3: 2 / 3, at10: 2 / 3, mrr: 0.5 })
    assert.deepInclude(byGroup.get("typo"), { questions: 2, at1: 0, at3: 0.5, mrr: 0.25 })
    assert.deepStrictEqual(Array.from(byLanguage, ([one, { at3 }]) => [one, at3]), [["across", 0], ["de", 1], [
      "en",
      1
    ]])
    assert.strictEqual(falseAnswers, 0.5)
  })

  it("count a question as found when one right memory is among the first three", () => {
    const found = foundByGroup([
      answered(["a", "b"], ["x", "y", "b", "a"]),
      answered(["a"], ["x", "y", "z", "a"]),
      answered(["a"], ["a"], { group: "code" })
    ])
    assert.deepStrictEqual([found.get("exact"), found.get("code"), found.get("date")], [1, 1, 0])
  })

  it("tell what saying nothing costs: no more right answers than may be lost", () => {
    const right = [0.9, 0.4, 0.6].map((strength) => answered(["a"], ["a"], { strength }))
    const wrong = answered(["a"], ["x"], { strength: 0.1 })
    const none = [unanswered([]), unanswered(["x"], 0.3), unanswered(["x"], 0.5), unanswered(["x"], 0.8)]
    assert.deepStrictEqual(abstaining([...right, wrong], none, 0), { below: 0.4, lost: 0, empty: 0.5 })
    assert.deepStrictEqual(abstaining([...right, wrong], none, 1), { below: 0.6, lost: 1, empty: 0.75 })
    assert.isNull(abstaining([answered(["a"], ["a"])], none, 0))
  })
})
