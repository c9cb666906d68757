import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import * as chosen from "../../src/embedding/chosen.js"
import { Embedder, type Model } from "../../src/embedding/Embedder.js"
import * as Server from "./server.js"

let server: Server.Server
beforeEach(async () => {
  server = await Server.make(Server.well)
})
afterEach(() => server.stop())

const KEY = "sk-of-a-test"

const modelOf = (settings: Partial<NodeConfig.Settings> = {}) =>
  Effect.flatMap(
    Layer.build(
      Layer.provide(
        chosen.layer,
        NodeConfig.layerWith({
          embedder: "openai",
          embedderUrl: Option.some(server.url),
          embedderModel: Option.some("small"),
          embedderKey: Option.some(Redacted.make(KEY)),
          ...settings
        })
      )
    ),
    (context) => Effect.map(Effect.flatten(Effect.provide(Embedder, context)), (model): Model => model)
  )

const numbersOf = (vectors: ReadonlyArray<Float32Array | null>) => vectors.map((vector) => Array.from(vector ?? []))
const expected = (texts: ReadonlyArray<string>) =>
  numbersOf(texts.map((text) => Float32Array.from(Server.vectorOf(text))))

const failure = (model: Model) => Effect.flip(model.embed(["one", "two"], "document"))

describe("a server of OpenAI's API", () => {
  it.scopedLive("is asked for some texts at a time, and answers count by their index", () =>
    Effect.gen(function*() {
      const model = yield* modelOf()
      const texts = Array.from({ length: 40 }, (_, at) => `text ${"x".repeat(at)}`)
      assert.deepStrictEqual(numbersOf(yield* model.embed(texts, "document")), expected(texts))
      assert.deepStrictEqual(server.asked.map(({ body }) => body.input.length), [16, 16, 8])
      const [first] = server.asked
      assert.strictEqual(first?.path, "/v1/embeddings")
      assert.strictEqual(first?.headers.authorization, `Bearer ${KEY}`)
      assert.isUndefined(first?.headers["traceparent"])
      assert.deepStrictEqual(first?.body, { model: "small", input: texts.slice(0, 16) })
    }))

  it.scopedLive("is asked below the path that is given, without a key where there is none", () =>
    Effect.gen(function*() {
      for (const path of ["/v1", "/v1/", "/engines/v3"]) {
        const model = yield* modelOf({ embedderUrl: Option.some(server.url + path), embedderKey: Option.none() })
        yield* model.embed(["one"], "query")
      }
      assert.deepStrictEqual(server.asked.map(({ path }) => path), [
        "/v1/embeddings",
        "/v1/embeddings",
        "/engines/v3/embeddings"
      ])
      assert.isUndefined(server.asked[0]?.headers.authorization)
    }))

  it.scopedLive("has the dimensions of its first answer, and keeps them", () =>
    Effect.gen(function*() {
      const model = yield* modelOf()
      assert.deepStrictEqual([model.id, model.dimensions], ["openai:small", 0])
      yield* model.embed(["one"], "document")
      assert.deepStrictEqual([model.id, model.dimensions], ["openai:small@8", 8])
      server.answer((_, response) => Server.send(response, 200, { data: [{ index: 0, embedding: [1, 2, 3] }] }))
      const error = yield* Effect.flip(model.embed(["one"], "document"))
      assert.deepStrictEqual([error.reason, error.detail], ["malformed", "a vector of 3 numbers instead of 8"])
      assert.strictEqual(model.id, "openai:small@8")
    }))

  it.scopedLive("is asked for the dimensions that are given, and must have them from the first on", () =>
    Effect.gen(function*() {
      const model = yield* modelOf({ embedderDimensions: Option.some(4) })
      assert.deepStrictEqual([model.id, model.dimensions], ["openai:small@4", 4])
      assert.strictEqual((yield* failure(model)).detail, "a vector of 8 numbers instead of 4")
      assert.strictEqual(server.asked[0]?.body.dimensions, 4)
    }))

  it.scopedLive("is told what a text is to the model, where the model wants to know", () =>
    Effect.gen(function*() {
      const told = Effect.fnUntraced(function*(name: string) {
        const model = yield* modelOf({ embedderModel: Option.some(name) })
        yield* model.embed(["a"], "query")
        yield* model.embed(["a"], "document")
        return server.asked.slice(-2).flatMap(({ body }) => body.input)
      })
      assert.deepStrictEqual(yield* told("nomic-embed-text:v1.5"), ["search_query: a", "search_document: a"])
      assert.deepStrictEqual(yield* told("intfloat/multilingual-E5-large"), ["query: a", "passage: a"])
      assert.deepStrictEqual(yield* told("text-embedding-3-small"), ["a", "a"])
    }))
})

it.scopedLive("Ollama is asked in its own way, and needs no key", () =>
  Effect.gen(function*() {
    server.answer(Server.asOllama)
    const model = yield* modelOf({
      embedder: "ollama",
      embedderModel: Option.some("bge-m3"),
      embedderKey: Option.none()
    })
    const texts = ["one", "two"]
    assert.deepStrictEqual(numbersOf(yield* model.embed(texts, "document")), expected(texts))
    assert.strictEqual(model.id, "ollama:bge-m3@8")
    assert.deepStrictEqual(server.asked.map(({ body, path }) => ({ path, body })), [{
      path: "/api/embed",
      body: { model: "bge-m3", input: texts }
    }])
  }))

describe("an answer that is of no use", () => {
  const twice = (embedding: unknown) => ({ data: [0, 1].map((index) => ({ index, embedding })) })
  const garbage: ReadonlyArray<readonly [name: string, body: unknown, detail: RegExp]> = [
    ["no JSON", "<html>", /JSON/],
    ["NaN", "{\"data\":[{\"index\":0,\"embedding\":[NaN]}]}", /JSON/],
    ["null for a number", twice([1, null]), /data 0 embedding 1 Expected number, actual null/],
    [
      "a number too large",
      "{\"data\":[{\"index\":0,\"embedding\":[1e999]},{\"index\":1,\"embedding\":[1]}]}",
      /finite/
    ],
    ["a number too large for a vector", twice([1e300, 1]), /no direction/],
    ["text for a vector", twice("AAAA"), /data 0 embedding/],
    ["nothing but zeros", twice([0, 0]), /no direction/],
    ["no numbers", twice([]), /no direction/],
    [
      "vectors of two lengths",
      { data: [{ index: 0, embedding: [1] }, { index: 1, embedding: [1, 2] }] },
      /2 numbers instead of 1/
    ],
    ["too few", { data: [{ index: 0, embedding: [1] }] }, /1 vectors for 2 texts/],
    ["one index twice", { data: [{ index: 0, embedding: [1] }, { index: 0, embedding: [2] }] }, /each index once/],
    ["an index too high", { data: [{ index: 0, embedding: [1] }, { index: 2, embedding: [2] }] }, /each index once/],
    ["something else", { embeddings: [[1], [2]] }, /data is missing/]
  ]
  for (const [name, body, detail] of garbage) {
    it.scopedLive(`is malformed: ${name}`, () =>
      Effect.gen(function*() {
        server.answer((_, response) => Server.send(response, 200, body))
        const model = yield* modelOf()
        const error = yield* failure(model)
        assert.strictEqual(error.reason, "malformed")
        assert.match(error.detail, detail)
        assert.strictEqual(model.dimensions, 0, "nothing was learned from it")
      }))
  }

  it.scopedLive("is not read to an end that it does not have", () =>
    Effect.gen(function*() {
      let sent = 0
      server.answer((_, response) => {
        response.writeHead(200)
        const more = () => {
          while (!response.destroyed && response.write("0,".repeat(8192))) sent += 16_384
        }
        response.on("drain", more)
        more()
      })
      const model = yield* modelOf({ embedderDimensions: Option.some(8) })
      const error = yield* failure(model)
      assert.deepStrictEqual([error.reason, error.detail], ["malformed", "more than 16832 bytes"])
      yield* Effect.repeat(Effect.zipRight(Effect.sleep(10), Effect.promise(server.connections)), {
        until: (open) => open === 0,
        times: 200
      })
      assert.strictEqual(yield* Effect.promise(server.connections), 0)
      assert.isBelow(sent, 8 * 1024 * 1024)
    }))
})

describe("an answer that says no", () => {
  const answers: ReadonlyArray<readonly [status: number, reason: string]> = [
    [400, "refused"],
    [413, "refused"],
    [422, "refused"],
    [500, "refused"],
    [307, "refused"],
    [401, "unavailable"],
    [403, "unavailable"],
    [404, "unavailable"],
    [429, "unavailable"],
    [502, "unavailable"],
    [503, "unavailable"]
  ]
  for (const [status, reason] of answers) {
    it.scopedLive(`${status} is ${reason}, with the server's words and without the key`, () =>
      Effect.gen(function*() {
        const words = `no: ${KEY}\n${"long ".repeat(100)}`
        server.answer((_, response) => Server.send(response, status, words, { "retry-after": "7", location: "/other" }))
        const error = yield* failure(yield* modelOf())
        assert.strictEqual(error.reason, reason)
        assert.isTrue(error.detail.startsWith(`${status} no: <redacted> long`), error.detail)
        assert.isAtMost(error.detail.length, 204)
        assert.strictEqual(error.retryAfterMillis, 7000)
        assert.lengthOf(server.asked, 1)
      }))
  }
})

describe("no answer", () => {
  it.scopedLive("is unavailable when nobody listens, and there again when somebody does", () =>
    Effect.gen(function*() {
      const model = yield* modelOf()
      yield* Effect.promise(server.stop)
      const error = yield* failure(model)
      assert.strictEqual(error.reason, "unavailable")
      assert.include(error.detail, "ECONNREFUSED")
      yield* Effect.promise(server.start)
      assert.lengthOf(yield* model.embed(["one"], "query"), 1)
    }))

  for (const headers of [false, true]) {
    it.scoped(`is unavailable after half a minute${headers ? ", when an answer stops in the middle" : ""}`, () =>
      Effect.gen(function*() {
        let heard = () => {}
        const hears = new Promise<void>((resolve) => {
          heard = resolve
        })
        server.answer((_, response) => {
          if (headers) response.writeHead(200).write("{")
          heard()
        })
        const fiber = yield* Effect.fork(Effect.either(failure(yield* modelOf())))
        yield* Effect.promise(() => hears)
        yield* TestClock.adjust("30 seconds")
        const error = Either.getOrThrow(yield* Fiber.join(fiber))
        assert.deepStrictEqual([error.reason, error.detail], ["unavailable", "no answer within 30s"])
      }))
  }
})
