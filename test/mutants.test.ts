import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Table from "../packaging/mutants/table.mjs"
import { isNamed } from "./mutants/names.js"

const Guard = Schema.Struct({
  promise: Schema.NonEmptyString,
  file: Schema.NonEmptyString,
  search: Schema.NonEmptyString,
  replace: Schema.String,
  test: Schema.TemplateLiteral("test/", Schema.String, ".test.ts"),
  name: Schema.NonEmptyString,
  table: Schema.String
})

/** No fewer: what is promised does not become less. */
const LEAST = 60

const root = fileURLToPath(new URL("..", import.meta.url))
const guards = Table.read(root)

const textOf = (file: string) => existsSync(`${root}${file}`) ? readFileSync(`${root}${file}`, "utf8") : ""

/** The promises that a rule does not hold for: the test fails with the list of what is to be mended. */
const assertNone = (found: ReadonlyArray<Table.Guard>) =>
  assert.deepStrictEqual(found.map(({ promise, table }) => `${table}: ${promise}`), [])

describe("every guard", () => {
  it("says what it needs", () => {
    Schema.decodeUnknownSync(Schema.Array(Guard), { onExcessProperty: "error" })(guards)
    assert.isAtLeast(guards.length, LEAST)
    console.log(`${guards.length} promises are guarded`)
  })

  it("is of another promise", () => {
    const seen = new Set<string>()
    assertNone(guards.filter(({ promise }) => seen.size === seen.add(promise).size))
  })

  it("changes a text that is in its source exactly once", () => {
    assertNone(
      guards.filter((guard) => (Table.applied(guard, textOf(`src/${guard.file}`)) ?? guard.search) === guard.search)
    )
    assertNone(guards.filter(({ replace, search }) => replace === search))
  })

  it("names a test that there is", () => {
    assertNone(guards.filter(({ name, test }) => !isNamed(textOf(test), name)))
  })
})

describe("a guard", () => {
  const guard: Table.Guard = {
    promise: "It counts.",
    file: "a.ts",
    search: "count++",
    replace: "$&",
    test: "test/a.test.ts",
    name: "counts",
    table: "test/mutants/a.json"
  }

  it("changes its text, as it stands, where there is one", () => {
    assert.strictEqual(Table.applied(guard, "a; count++; b"), "a; $&; b")
    assert.isNull(Table.applied(guard, "a"))
    assert.isNull(Table.applied(guard, "count++; count++"))
  })

  it("is drawn by a seed", () => {
    const many = Array.from({ length: 20 }, (_, index) => ({ ...guard, promise: `It counts to ${index}.` }))
    const drawn = (seed: string) => Table.some(many, 5, seed).map(({ promise }) => promise)
    assert.lengthOf(new Set(drawn("a")), 5)
    assert.deepStrictEqual(drawn("a"), drawn("a"))
    assert.notDeepEqual(drawn("a"), drawn("b"))
    assert.lengthOf(Table.some(many, 30, "a"), 20)
  })

  it("finds its test by a part of the names around it and its own", () => {
    const source = "describe(\"a peer\", () => {\n  it.effect(\"answers\", () => f())\n" +
      "  for (const [n] of all) it(`counts to ${n} or more`, f)\n  it.each(all)(\"takes %s in turn\", f)\n})\n"
    for (const words of ["a peer answers", "answers", "peer counts to 4 or more", "or more", "takes b and c in turn"]) {
      assert.isTrue(isNamed(source, words), words)
    }
    for (const words of ["answers nothing", "a peer counts nothing"]) {
      assert.isFalse(isNamed(source, words), words)
    }
  })
})
