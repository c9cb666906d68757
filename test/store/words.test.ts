import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Languages } from "../../src/store/Languages.js"
import * as Search from "../../src/store/read/Search.js"
import { insert, layer, now } from "./library.js"
import { SAID } from "./said.js"

const rows = SAID.map(([stored], at) => ({ id: `row-${at}`, title: `t${at}`, content: `q${at} ${stored} z${at}` }))

describe("whatever is stored is found, whole and by part, in a search and in a recall", () => {
  it.effect(`${SAID.length} texts`, () =>
    Effect.gen(function*() {
      yield* insert(rows)
      const { candidates, search } = yield* Search.Search
      const missed: Array<string> = []
      for (const [at, words] of SAID.entries()) {
        for (const text of words) {
          const found = yield* search({ now, text, limit: 1000 })
          const recalled = yield* candidates({ now, text, limit: 1000 })
          const id = `row-${at}`
          const isFound = found.rows.some(({ matched, memory }) => memory.id === id && matched === "all")
          if (!isFound) missed.push(`search: ${words[0]} by ${text}`)
          if (!recalled.rows.some((row) => row.id === id)) missed.push(`recall: ${words[0]} by ${text}`)
        }
      }
      assert.deepStrictEqual(missed, [])
    }).pipe(Effect.provide(layer)))

  it.effect("what is asked for whole is found nowhere else", () =>
    Effect.gen(function*() {
      yield* insert(rows)
      const { search } = yield* Search.Search
      for (const text of ["localhost:9077", "std::vector", "index.js:12:7", "anna+bot@example.org", "图书馆", "C++"]) {
        const { rows } = yield* search({ now, text, limit: 1000 })
        assert.lengthOf(rows.filter(({ matched }) => matched === "all"), 1, text)
      }
    }).pipe(Effect.provide(layer)))

  it.effect("dates: by the day on which it was made, and by those written in it", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "made", title: "t1", content: "lunch", created_at: "2025-05-06T10:00:00.000Z" },
        { id: "written", title: "t2", content: "the dentist is on 6 May 2025", created_at: "2025-03-01T10:00:00.000Z" },
        { id: "other", title: "t3", content: "dinner", created_at: "2025-06-02T10:00:00.000Z" }
      ])
      const { candidates } = yield* Search.Search
      for (const text of ["what happened in May", "on Tuesday", "6 May", "May 6th, 2025", "2025-05-06", "am 6. Mai"]) {
        const ids = (yield* candidates({ now, text, limit: 10 })).rows.map(({ id }) => id)
        assert.sameMembers(ids, ["made", "written"], text)
      }
    }).pipe(Effect.provide(layer)))
})

describe("a namespace that has a language", () => {
  const setting = new Map([["nord", "de"]] as const)
  it.effect("has its memories found by the forms of that language, however little they tell of it", () =>
    Effect.gen(function*() {
      const house = { title: "Merkzettel", content: "Häuser" }
      yield* insert(
        [{ ...house, id: "nord", namespace: "nord/a" }, { ...house, id: "sued", namespace: "sued" }],
        setting
      )
      const { candidates, search } = yield* Search.Search
      const query = { now, text: "Haus", limit: 10 }
      const found = yield* search(query)
      assert.deepStrictEqual(found.rows.map(({ memory }) => memory.id), ["nord"])
      assert.deepStrictEqual((yield* candidates(query)).rows.map(({ id }) => id), ["nord"])
    }).pipe(Effect.provide(layer)))

  it.effect("has small words of its questions left out by that language", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "one", namespace: "nord", content: "Katze" },
        { id: "two", namespace: "nord", content: "die Würfel" }
      ], setting)
      const { search } = yield* Search.Search
      const found = yield* search({ now, text: "die Katze", namespace: "nord", limit: 10 })
      assert.deepStrictEqual(found.rows.map(({ memory: { id }, matched }) => [id, matched]), [["one", "all"]])
    }).pipe(Effect.provide(layer.pipe(Layer.provide(Layer.succeed(Languages, setting))))))
})
