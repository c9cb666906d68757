import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as packages from "../../src/embedding/packages.js"
import * as Tokenizer from "../../src/operations/recall/Tokenizer.js"
import { tokensOf } from "../../src/operations/recall/tokens.js"

const TEXTS = ["The laundry smelled.", "東京大学", "", "<|endoftext|>"]

/** A package of one module, in a folder that is gone with the scope. */
const installed = (source: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-tokens-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ),
    (folder) => {
      const place = join(folder, "gpt-tokenizer")
      mkdirSync(join(place, "cjs"), { recursive: true })
      writeFileSync(join(place, "package.json"), JSON.stringify(MANIFEST))
      writeFileSync(join(place, "cjs/words.js"), source)
      return () => packages.required("gpt-tokenizer", "words", [folder])
    }
  )
const MANIFEST = { name: "gpt-tokenizer", exports: { "./*": { import: "./esm/*.js", require: "./cjs/*.js" } } }

/** What was counted, and the lines of the log meanwhile. */
const counting = (load: () => Option.Option<unknown>, texts: ReadonlyArray<string>, most = Infinity) => {
  const lines: Array<string> = []
  const tokenizer = Tokenizer.make(load)
  return Effect.gen(function*() {
    const first = yield* tokenizer(texts, most)
    const second = yield* tokenizer(texts, most)
    assert.deepStrictEqual(first, second)
    return { ...first, lines }
  }).pipe(Effect.provide(Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => {
      lines.push(String(message))
    })
  )))
}

const estimated = (texts: ReadonlyArray<string>): Tokenizer.Counted => ({
  by: "estimate",
  tokens: texts.map(tokensOf)
})

const real = () => packages.required("gpt-tokenizer", "encoding/cl100k_base")
const isInstalled = Option.isSome(packages.urlOf("gpt-tokenizer"))
console.log(`Tokenizer.test.ts: the library is ${isInstalled ? "tried" : "not installed: a stand-in is"}`)

describe("tokens of a budget", () => {
  it.scopedLive("are counted by the library where it is installed", () =>
    Effect.gen(function*() {
      const library = yield* installed("exports.countTokens = (text) => text.length")
      const counted = yield* counting(library, TEXTS)
      assert.deepStrictEqual(counted, { by: "cl100k_base", tokens: TEXTS.map(({ length }) => length), lines: [] })
    }))

  it.live("are estimated where it is not", () =>
    Effect.map(
      counting(Option.none, TEXTS),
      (counted) => assert.deepStrictEqual(counted, { ...estimated(TEXTS), lines: [] })
    ))

  for (
    const [what, source] of [
      ["has no such function", "exports.encode = () => []"],
      ["can not be loaded", "throw new Error(\"broken\")"],
      ["fails", "exports.countTokens = (text) => { throw new Error(text) }"],
      ["counts nonsense", "exports.countTokens = () => Number.NaN"]
    ] as const
  ) {
    it.scopedLive(`are estimated, and the log says so once, where it ${what}`, () =>
      Effect.gen(function*() {
        const { lines, ...counted } = yield* counting(yield* installed(source), TEXTS)
        assert.deepStrictEqual(counted, estimated(TEXTS))
        assert.lengthOf(lines, 1)
        assert.include(lines[0], "tokens are estimated")
      }))
  }

  it.scopedLive("are not counted beyond what the budget has room for", () =>
    Effect.gen(function*() {
      const library = yield* installed("exports.countTokens = (text) => text.length")
      const { tokens } = yield* counting(library, ["ab", "abc", "abcd", "abcde"], 4)
      assert.deepStrictEqual(tokens, [2, 3])
    }))

  it.scopedLive("are those of the parts of a long text: the library takes the square of a long word's time", () =>
    Effect.gen(function*() {
      const library = yield* installed(
        "exports.countTokens = (text) => { if (text.length > 1000) throw new Error(); return text.length }"
      )
      const texts = ["a".repeat(64_000), "one word after the other ".repeat(2000), "🚀".repeat(3001)]
      const { by, tokens } = yield* counting(library, texts)
      assert.deepStrictEqual({ by, tokens }, { by: "cl100k_base", tokens: texts.map(({ length }) => length) })
    }))

  if (isInstalled) {
    it.live("are right, and quick whatever the text", () =>
      Effect.gen(function*() {
        const begin = performance.now()
        const texts = [...TEXTS, "a".repeat(64_000), "東京大学図書館".repeat(3000), " ".repeat(64_000)]
        const { by, tokens } = yield* counting(real, texts)
        assert.strictEqual(by, "cl100k_base")
        assert.deepStrictEqual(tokens.slice(0, 4), [4, 5, 0, 7])
        assert.isBelow(performance.now() - begin, 2000)
      }))
  }
})
