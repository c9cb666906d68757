import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { randomUUID } from "node:crypto"
import { NodeId } from "../../src/domain/ids.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { checked, Embedder, EmbeddingFailed, type Model } from "../../src/embedding/Embedder.js"
import * as Federation from "../../src/federation/Federation.js"
import * as Embedding from "../../src/operations/recall/Embedding.js"
import { turnsWith } from "../../src/operations/recall/turnsOfWrites.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as VectorStore from "../../src/store/vectors/VectorStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { insert } from "../store/library.js"
import { until } from "./node.js"

type Failure = (texts: ReadonlyArray<string>) => Partial<EmbeddingFailed> | undefined

/** A model that fails as it is told, and notes what it was asked for. */
const scripted = (id = "model@2") => {
  const asked: Array<ReadonlyArray<string>> = []
  let failing: Failure = () => undefined
  const model: Model = checked({
    id,
    dimensions: 2,
    maxTokens: 100,
    embed: (texts) =>
      Effect.suspend(() => {
        asked.push(texts)
        const failure = failing(texts)
        return failure === undefined
          ? Effect.succeed(texts.map((text) => Float32Array.of(1, text.length)))
          : Effect.fail(new EmbeddingFailed({ reason: "unavailable", detail: "it is away", ...failure }))
      })
  })
  return {
    model,
    asked,
    fail: (how: Failure) => {
      failing = how
    }
  }
}

const said: Array<string> = []
const logs = Logger.replace(
  Logger.defaultLogger,
  Logger.make(({ message }) => {
    said.push(String(Array.isArray(message) ? message[0] : message))
  })
)

const embedding = (model: Model) => Embedding.layer.pipe(Layer.provide(Layer.succeed(Embedder, Option.some(model))))

const uuid = Layer.succeed(Uuid, { make: () => randomUUID() })

const beneath = Layer.merge(VectorStore.layer, Federation.layerAlone).pipe(
  Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("node")) })),
  Layer.provideMerge(Layer.mergeAll(Sqlite.layer({ file: ":memory:" }), Metrics.layer, uuid)),
  Layer.orDie,
  Layer.provideMerge(Layer.effectDiscard(Effect.sync(() => said.splice(0)))),
  Layer.provide(logs)
)

const withModel = <A, E, R>(model: Model, test: Effect.Effect<A, E, R>) =>
  Effect.provide(test, Layer.provide(embedding(model), logs))

const store = (count: number, from = 0) =>
  insert(Array.from({ length: count }, (_, at) => ({ id: `m${from + at}`, title: `m${from + at}`, content: "text" })))

const progress = Effect.flatMap(Embedding.Embedding, ({ progress }) => Effect.flatten(progress))

/** Waits for the work that needs no time. */
const embedded = (count: number) =>
  Effect.gen(function*() {
    yield* until(Effect.map(progress, ({ embedded }) => embedded >= count))
    assert.strictEqual((yield* progress).embedded, count)
  })

const failed = until(Effect.map(progress, ({ failure }) => Option.isSome(failure)))

const metric = (name: string) =>
  Effect.gen(function*() {
    const text = yield* (yield* Metrics.Metrics).render
    return Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.slice(name.length + 1))
  })

const has = (title: string) => (texts: ReadonlyArray<string>) => texts.some((text) => text.startsWith(`${title}\n`))

describe("embedding", () => {
  it.effect("keeps no other memory waiting for one that is refused, which is told once and passed over", () => {
    const { asked, fail, model } = scripted()
    return Effect.gen(function*() {
      const bad = [has("m20"), has("m33")]
      fail((texts) => bad.some((each) => each(texts)) ? { reason: "refused", detail: "400 no" } : undefined)
      yield* store(40)
      yield* withModel(
        model,
        Effect.gen(function*() {
          yield* embedded(38)
          yield* until(Effect.map(metric("memory_embedding_lag"), (lag) => lag === 2))
          const { failure, memories, passedOver } = yield* progress
          assert.deepStrictEqual([memories, passedOver, Option.isNone(failure)], [40, 2, true])
          assert.strictEqual(yield* metric("memory_embeddings_total{outcome=\"embedded\"}"), 38)
          assert.strictEqual(yield* metric("memory_embeddings_total{outcome=\"passed_over\"}"), 2)
          assert.lengthOf(said.filter((line) => line.includes("makes nothing of a memory")), 1)
          const requests = asked.length
          assert.isBelow(requests, 40)
          yield* store(1, 40)
          yield* TestClock.adjust("1 second")
          yield* embedded(39)
          assert.isFalse(asked.slice(requests).some((texts) => bad.some((each) => each(texts))), "not tried again")
        })
      )
      fail(() => undefined)
      yield* withModel(model, embedded(41))
    }).pipe(Effect.provide(beneath))
  })

  it.effect("passes nothing over while the model answers garbage to everything", () => {
    const { fail, model } = scripted()
    return Effect.gen(function*() {
      fail(() => ({ reason: "malformed", detail: "garbage" }))
      yield* store(40)
      yield* withModel(
        model,
        Effect.gen(function*() {
          yield* failed
          yield* TestClock.adjust("10 minutes")
          const { failure, passedOver } = yield* progress
          assert.deepStrictEqual([passedOver, Option.getOrNull(failure)], [0, "embedder malformed: garbage"])
          assert.lengthOf(said.filter((line) => /can not be embedded.* until they are: embedder \w+: /.test(line)), 1)
          fail(() => undefined)
          yield* TestClock.adjust("1 minute")
          yield* embedded(40)
          assert.isTrue(Option.isNone((yield* progress).failure))
        })
      )
    }).pipe(Effect.provide(beneath))
  })

  it.effect("passes nothing over that fails just before the model is back", () => {
    const { fail, model } = scripted()
    return Effect.gen(function*() {
      yield* store(1)
      let failures = 0
      fail((texts) => {
        const isOver = texts[0] === "memory"
        if (!isOver) failures += 1
        return isOver || failures > 1 ? undefined : { reason: "refused", detail: "500 not yet" }
      })
      yield* withModel(
        model,
        Effect.zipRight(
          embedded(1),
          Effect.map(progress, ({ passedOver }) => {
            assert.strictEqual(passedOver, 0)
          })
        )
      )
    }).pipe(Effect.provide(beneath))
  })

  it.effect("rests while nobody answers, longer each time and as long as it is told, and goes on then", () => {
    const { asked, fail, model } = scripted()
    return Effect.gen(function*() {
      fail(() => ({ reason: "unavailable" }))
      yield* store(40)
      yield* withModel(
        model,
        Effect.gen(function*() {
          yield* failed
          yield* TestClock.adjust("14 seconds")
          assert.deepStrictEqual(asked.map((texts) => texts.length), [32, 16, 8, 4])
          fail(() => ({ reason: "unavailable", retryAfterMillis: 300_000 }))
          yield* TestClock.adjust("1 second")
          assert.lengthOf(asked, 5)
          fail(() => undefined)
          yield* TestClock.adjust("299 seconds")
          assert.lengthOf(asked, 5)
          yield* TestClock.adjust("1 second")
          yield* embedded(40)
          assert.strictEqual((yield* progress).passedOver, 0)
          assert.strictEqual(yield* metric("memory_embeddings_total{outcome=\"failed\"}"), 5)
        })
      )
    }).pipe(Effect.provide(beneath))
  })

  it.effect("passes over the one memory that there is never an answer to, while there is one to another text", () => {
    const { fail, model } = scripted()
    return Effect.gen(function*() {
      fail((texts) => has("m1")(texts) ? { reason: "unavailable", detail: "its thread ended" } : undefined)
      yield* store(3)
      yield* withModel(
        model,
        Effect.gen(function*() {
          yield* failed
          yield* TestClock.adjust("1 minute")
          yield* embedded(2)
          yield* until(Effect.map(progress, ({ passedOver }) => passedOver === 1))
        })
      )
    }).pipe(Effect.provide(beneath))
  })

  it.effect("replaces the vectors of another model, whose are skipped meanwhile", () => {
    const before = scripted("before@2")
    const after = scripted("after@2")
    return Effect.gen(function*() {
      yield* store(40)
      yield* withModel(before.model, embedded(40))
      after.fail(() => ({}))
      yield* withModel(
        after.model,
        Effect.gen(function*() {
          yield* failed
          const kept = yield* VectorStore.VectorStore
          assert.strictEqual((yield* progress).embedded, 0)
          const nearest = kept.nearest(after.model, Float32Array.of(1, 0), { limit: 10 })
          assert.strictEqual((yield* nearest).size, 0)
          after.fail(() => undefined)
          yield* TestClock.adjust("1 second")
          yield* embedded(40)
          assert.strictEqual((yield* nearest).size, 10)
        })
      )
    }).pipe(Effect.provide(beneath))
  })
})

describe("what waits for writes", () => {
  let use = 0
  let writes = 0
  /** A write in each tenth of a second, so many times; then it tells after how many milliseconds the work went on. */
  const waited = (took: Duration.DurationInput, { tenths, then = use }: { tenths: number; then?: number }) =>
    Effect.gen(function*() {
      const turn = turnsWith({ vector: () => writes, loopUse: () => use })
      writes += 1
      const begin = yield* Clock.currentTimeMillis
      const work = yield* Effect.fork(Effect.zipRight(turn(Duration.decode(took)), Clock.currentTimeMillis))
      for (let tenth = 0; tenth < 100; tenth++) {
        yield* TestClock.adjust("100 millis")
        if (tenth < tenths) writes += 1
        else use = then
      }
      return (yield* Fiber.join(work)) - begin
    })

  it.effect("goes on by its share where there is time to spare", () =>
    Effect.gen(function*() {
      use = 0.3
      assert.strictEqual(yield* waited("3 millis", { tenths: 100 }), 57)
      assert.strictEqual(yield* waited("3 seconds", { tenths: 100 }), 250)
    }))

  it.effect("waits while writes keep the node busy, but not for ever", () =>
    Effect.gen(function*() {
      use = 0.5
      assert.strictEqual(yield* waited("3 millis", { tenths: 100 }), 2000)
    }))

  it.effect("goes on within a pause after the last write, however busy the node is", () =>
    Effect.gen(function*() {
      use = 0.5
      assert.strictEqual(yield* waited("3 millis", { tenths: 12 }), 1500)
    }))

  it.effect("goes on within a pause when there is time again, whoever writes", () =>
    Effect.gen(function*() {
      use = 0.5
      const writing = yield* Effect.fork(Effect.forever(Effect.zipRight(
        Effect.sleep("10 millis"),
        Effect.sync(() => writes += 1)
      )))
      assert.strictEqual(yield* waited("3 millis", { tenths: 12, then: 0.3 }), 1500)
      yield* Fiber.interrupt(writing)
    }))

  it.effect("does not wait where nobody writes", () =>
    Effect.suspend(() => {
      use = 1
      return turnsWith({ vector: () => writes, loopUse: () => use })(Duration.seconds(1))
    }))

  it.effect("takes no more than its share between two bursts of writes", () =>
    Effect.gen(function*() {
      use = 0.1
      const turn = turnsWith({ vector: () => writes, loopUse: () => use })
      writes += 1
      const waits: Array<number> = []
      for (let batch = 0; batch < 4; batch++) {
        const begin = yield* Clock.currentTimeMillis
        const work = yield* Effect.fork(Effect.zipRight(turn(Duration.millis(10)), Clock.currentTimeMillis))
        yield* TestClock.adjust("400 millis")
        waits.push((yield* Fiber.join(work)) - begin)
      }
      assert.deepStrictEqual(waits, [190, 190, 190, 0])
    }))
})
