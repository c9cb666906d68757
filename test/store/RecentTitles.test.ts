import { assert, describe, it } from "@effect/vitest"
import * as RecentTitles from "../../src/store/state/RecentTitles.js"

const noted = (...titles: ReadonlyArray<readonly [id: string, title: string, namespace?: string]>) => {
  const recent = RecentTitles.make()
  for (const [id, title, namespace = "a"] of titles) recent.note({ id, namespace, words: title.split(" ") })
  return recent
}

const before = (recent: RecentTitles.RecentTitles, id: string) =>
  RecentTitles.newestFirst(Array.from(recent.of(id)?.values() ?? []))

describe("recent titles", () => {
  it("are found by any of their words, the newest first, each once", () => {
    const recent = noted(["one", "deploy window"], ["two", "window"], ["three", "deploy window"], [
      "new",
      "deploy window"
    ])
    assert.deepStrictEqual(before(recent, "new"), ["three", "two", "one"])
    assert.deepStrictEqual(recent.having("a", "window").map(({ id }) => id), ["one", "two", "three", "new"])
  })

  it("are those that were there before, also after many more have come", () => {
    const recent = noted(["one", "window"], ["new", "window"])
    for (let at = 0; at < 100; at++) recent.note({ id: `later ${at}`, namespace: "a", words: ["window"] })
    assert.deepStrictEqual(before(recent, "new"), ["one"])
    assert.deepStrictEqual(before(recent, "later 99"), Array.from({ length: 8 }, (_, at) => `later ${98 - at}`))
  })

  it("are those of the namespace", () => {
    const recent = noted(["one", "window", "b"], ["new", "window"])
    assert.deepStrictEqual(before(recent, "new"), [])
    assert.deepStrictEqual(recent.having("b", "window").map(({ id }) => id), ["one"])
  })

  it("are forgotten when there are too many", () => {
    const recent = noted(["one", "window"])
    for (let at = 0; at < 20_000; at++) recent.note({ id: `${at}`, namespace: "a", words: [`w${at}`] })
    assert.deepStrictEqual(recent.having("a", "window"), [])
    assert.isUndefined(recent.of("one"))
  })
})
