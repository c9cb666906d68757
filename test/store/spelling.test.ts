import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Search from "../../src/store/read/Search.js"
import { insert, layer, now } from "./library.js"

const recalled = (text: string) =>
  Effect.flatMap(
    Search.Search,
    ({ candidates }) => Effect.map(candidates({ now, text, limit: 10 }), ({ rows }) => rows.map(({ id }) => id))
  )

const searched = (text: string) =>
  Effect.flatMap(
    Search.Search,
    ({ search }) => Effect.map(search({ now, text, limit: 10 }), ({ rows }) => rows.map(({ memory }) => memory.id))
  )

const library = insert([
  { id: "back", title: "appointments", content: "physiotherapy for the back on Tuesdays" },
  { id: "bread", title: "starter", content: "the sourdough is fed with rye" },
  { id: "cruise", title: "cruise", content: "the ship leaves for Svalbard in April" },
  { id: "port", title: "ports", content: "the database listens on 54321" },
  { id: "van", title: "przegląd", content: "za rok będą potrzebne nowe hamulce" }
])

describe("a recall by words that no memory has", () => {
  it.effect.each([
    { typed: "physioterapy", id: "back" },
    { typed: "sourdogh", id: "bread" },
    { typed: "Svalbrad", id: "cruise" },
    { typed: "hamulców", id: "van" }
  ])("finds what $typed was meant to be", ({ id, typed }) =>
    Effect.gen(function*() {
      yield* library
      assert.deepStrictEqual(yield* recalled(typed), [id])
    }).pipe(Effect.provide(layer)))

  it.effect.each(["sorry", "rxy", "54322", "sxurdough", "sourcough1", "physiologist"])(
    "takes %s for what it is",
    (typed) =>
      Effect.gen(function*() {
        yield* library
        assert.deepStrictEqual(yield* recalled(typed), [])
      }).pipe(Effect.provide(layer))
  )

  it.effect("leaves a word that some memory has as it is, and a search as it was typed", () =>
    Effect.gen(function*() {
      yield* library
      yield* insert([{ id: "exact", content: "sourdogh" }])
      assert.deepStrictEqual(yield* recalled("sourdogh"), ["exact"])
      assert.deepStrictEqual(yield* searched("physioterapy"), [])
    }).pipe(Effect.provide(layer)))
})
