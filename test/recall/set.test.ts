import { assert, describe, it } from "@effect/vitest"
import { CROSS, languageOf } from "./measure.js"
import { GROUPS, memories, NOW_MILLIS, questions, unanswerable } from "./set.js"

/** Languages in which questions are asked, by the script that they are written in. */
const SCRIPTS: Readonly<Record<string, ReadonlyArray<string>>> = {
  Latin: ["en", "de", "fr", "es", "it", "pt", "pl", "tr", "vi", "da"],
  Cyrillic: ["ru", "uk"],
  Greek: ["el"],
  Arabic: ["ar"],
  Hebrew: ["he"],
  Devanagari: ["hi"],
  Han: ["zh"],
  Kana: ["ja"],
  Hangul: ["ko"],
  Thai: ["th"]
}

const asks = [...questions, ...unanswerable]
const ids = new Set(memories.map(({ id }) => id))
const doubles = (texts: ReadonlyArray<string>) => texts.filter((text, at) => texts.indexOf(text) !== at)
const folded = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim()

describe("the set", () => {
  it("has 300 memories and more, of two years, of people of many kinds", () => {
    assert.isAtLeast(memories.length, 300)
    assert.strictEqual(ids.size, memories.length)
    assert.deepStrictEqual(doubles(memories.map(({ namespace, title }) => `${namespace}: ${title}`)), [])
    assert.isAtLeast(new Set(memories.map(({ namespace }) => namespace.split("/")[0])).size, 5)
    const times = memories.map(({ created_at }) => Date.parse(created_at)).toSorted((a, b) => a - b)
    assert.isAtMost(times.at(-1) ?? Infinity, NOW_MILLIS)
    assert.isAtLeast((times.at(-1) ?? 0) - (times[0] ?? 0), 700 * 86_400_000)
  })

  it("has conversations: memories of one session, minutes or days apart, in one namespace", () => {
    const sessions = new Set(memories.flatMap(({ session }) => session ?? []))
    assert.isAtLeast(sessions.size, 10)
    for (const one of sessions) {
      const told = memories.filter(({ session }) => session === one)
      assert.isAtLeast(told.length, 3)
      assert.strictEqual(new Set(told.map(({ namespace }) => namespace)).size, 1)
    }
  })

  it("has 200 questions and more that memories of it answer, and 40 and more that none does", () => {
    assert.isAtLeast(questions.length, 200)
    assert.isAtLeast(unanswerable.length, 40)
    const unknown = questions.flatMap(({ answers }) => answers.filter((id) => !ids.has(id)))
    assert.deepStrictEqual(unknown, [])
    for (const { answers, ask } of questions) {
      assert.isAtMost(answers.length, 3, ask)
      assert.deepStrictEqual(doubles(answers), [], ask)
    }
  })

  it("asks nothing twice", () => {
    assert.deepStrictEqual(doubles(asks.map(({ ask, namespace }) => `${namespace ?? ""} ${folded(ask)}`)), [])
  })

  it("has enough of each group", () => {
    for (const group of GROUPS) {
      assert.isAtLeast(questions.filter((question) => question.group === group).length, 20, group)
    }
  })

  it("asks in ten languages of six scripts and more, a few times from one to another", () => {
    const asked = new Set(questions.map(languageOf))
    assert.isAtLeast(asked.size - 1, 10)
    assert.isTrue(asked.delete(CROSS))
    assert.deepStrictEqual(Object.values(SCRIPTS).flat().toSorted(), Array.from(asked).toSorted())
    assert.isAtLeast(Object.keys(SCRIPTS).length, 6)
    assert.isAtLeast(new Set(unanswerable.map(({ lang }) => lang)).size, 10)
  })

  it("asks in namespaces that there are", () => {
    const namespaces = new Set(memories.map(({ namespace }) => namespace))
    for (const { namespace } of asks) assert.isTrue(namespace === undefined || namespaces.has(namespace), namespace)
  })
})
