import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { OF_FILE } from "../../src/domain/Durability.js"
import { NodeId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { Invalid } from "../../src/domain/validate.js"
import * as Embedder from "../../src/embedding/Embedder.js"
import { Federation } from "../../src/federation/Federation.js"
import * as RecentTraces from "../../src/federation/RecentTraces.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { searchMemories } from "../../src/operations/memories/searchMemories.js"
import { namespaces } from "../../src/operations/node/namespaces.js"
import { stats } from "../../src/operations/node/stats.js"
import { withinBudget } from "../../src/operations/recall/budget.js"
import * as Recall from "../../src/operations/recall/recall.js"
import { make as makeTokenizer, Tokenizer } from "../../src/operations/recall/Tokenizer.js"
import { tokensOf } from "../../src/operations/recall/tokens.js"
import * as Uses from "../../src/operations/recall/Uses.js"
import { Background } from "../../src/operations/writing/Background.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { VectorStore } from "../../src/store/vectors/VectorStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { after, insert, layer as library, now, words } from "../store/library.js"

const touches: Array<ReadonlyArray<string>> = []

/** A recall over real tables; of its uses only what it is asked for is looked at. */
const layer = Layer.mergeAll(
  library,
  Layer.effectDiscard(TestClock.setTime(Stamp.toMillis(now))),
  Layer.effectDiscard(Effect.sync(() => touches.splice(0))),
  Layer.mock(MemoryStore, {
    nodeId: NodeId.make("me"),
    origin: () => Origin.make("me/1"),
    words,
    sealedForm: (operation) => operation,
    sealed: () => new Map(),
    durability: () => OF_FILE,
    vector: () => new Map(),
    digest: () => 0,
    withheld: () => 0
  }),
  Layer.succeed(Uses.Uses, { note: (ids) => Effect.sync(() => void touches.push(ids)), flush: Effect.void }),
  Embedder.none,
  Layer.mock(VectorStore, {}),
  Layer.mock(Federation, {
    policy: Option.none(),
    links: [],
    heard: () => Effect.void,
    run: "one",
    start: { isOver: () => true, end: () => {} },
    clockSkew: () => null,
    isDouble: () => false,
    traces: RecentTraces.make()
  }),
  Layer.succeed(Uuid, { make: () => "never asked for" }),
  Metrics.layer,
  Layer.succeed(Background, { run: (_, work) => Effect.ignore(work) })
)

const recall = (asked: Partial<Recall.RecallRequest>) => Recall.recall({ context: "plan", ...asked })

const ids = (recalled: Recall.Recalled) => recalled.memories.map(({ id }) => id)

/** Four memories of 40, 20, 20 and 12 bytes, best first. */
const plans = insert([
  { id: "first", content: `plan ${"x".repeat(35)}`, priority: 9 },
  { id: "second", content: `plan ${"x".repeat(15)}`, priority: 7 },
  { id: "third", content: `plan ${"é".repeat(7)}x`, priority: 5 },
  { id: "fourth", content: `plan ${"x".repeat(4)}`, priority: 3 }
])

describe("withinBudget", () => {
  it("keeps all without a budget", () => {
    assert.deepStrictEqual(withinBudget([5, 6], undefined), { kept: 2, used: 11 })
    assert.deepStrictEqual(withinBudget([], undefined), { kept: 0, used: 0 })
  })

  it("keeps the best that fit together, and nothing after one that does not", () => {
    assert.deepStrictEqual(withinBudget([5, 6, 1], 12), { kept: 3, used: 12 })
    assert.deepStrictEqual(withinBudget([5, 6, 1], 11), { kept: 2, used: 11 })
    assert.deepStrictEqual(withinBudget([5, 6, 1], 10), { kept: 1, used: 5 })
  })

  it("keeps one whatever it takes, but none for 0", () => {
    assert.deepStrictEqual(withinBudget([5, 1], 4), { kept: 1, used: 5 })
    assert.deepStrictEqual(withinBudget([5, 1], 0), { kept: 0, used: 0 })
    assert.deepStrictEqual(withinBudget([], 4), { kept: 0, used: 0 })
  })
})

describe("tokensOf", () => {
  it("is estimated by the script: four letters of English, two of other alphabets, one of a script without blanks", () => {
    assert.strictEqual(tokensOf(""), 0)
    assert.strictEqual(tokensOf("abcd"), 1)
    assert.strictEqual(tokensOf("abcde"), 2)
    assert.strictEqual(tokensOf("éé"), 1)
    assert.strictEqual(tokensOf("привет мир"), 5)
    assert.strictEqual(tokensOf("数据库"), 3)
    assert.strictEqual(tokensOf("🚀🚀"), 3)
  })
})

describe("recall", () => {
  it.effect("answers a question of many words at once, however many the memories have", () =>
    Effect.provide(
      Effect.gen(function*() {
        const many = (seed: number, count: number) =>
          Array.from({ length: count }, (_, at) => Math.sin(seed + at).toString(36).replaceAll(/[^a-z]/g, "")).join(" ")
        yield* insert(["a", "b", "c"].map((id, at) => ({ id, content: `plan ${many(at * 10_000, 6000)}` })))
        const millisOf = (words: number) =>
          Effect.gen(function*() {
            const before = performance.now()
            const { count } = yield* recall({ context: `plan ${many(50_000, words)}` })
            assert.strictEqual(count, 3)
            return performance.now() - before
          })
        yield* millisOf(400)
        const some = yield* millisOf(400)
        // Word by word against word it would be a hundred times as long.
        assert.isBelow(yield* millisOf(4000), 20 * some + 500)
      }),
      layer
    ), 60_000)

  it.effect("gives memories with their scores, and touches them", () =>
    Effect.gen(function*() {
      yield* plans
      const recalled = yield* recall({ limit: 2 })
      assert.deepStrictEqual(ids(recalled), ["first", "second"])
      assert.strictEqual(recalled.count, 2)
      assert.strictEqual(recalled.mode, "keyword")
      assert.strictEqual(recalled.tokensUsed, 15)
      assert.strictEqual(recalled.tokensCountedBy, "estimate")
      assert.isFalse("budget" in recalled)
      for (const { score } of recalled.memories) assert.strictEqual(score, Number(score.toFixed(3)))
      assert.isAbove(recalled.memories[0]?.score ?? 0, recalled.memories[1]?.score ?? 0)
      assert.deepStrictEqual(touches, [["first", "second"]])
    }).pipe(Effect.provide(layer)))

  it.effect("counts a budget as the tokenizer does that is there, and says so", () =>
    Effect.gen(function*() {
      yield* plans
      const recalled = yield* recall({ budgetTokens: 60 }).pipe(
        Effect.provideService(Tokenizer, (texts) =>
          Effect.succeed({ by: "cl100k_base", tokens: texts.map(({ length }) => length) }))
      )
      assert.deepStrictEqual(ids(recalled), ["first", "second"])
      assert.strictEqual(recalled.tokensCountedBy, "cl100k_base")
      assert.strictEqual(recalled.budget?.used, 60)
    }).pipe(Effect.provide(layer)))

  it.effect("keeps to a budget, and touches only what it gives", () =>
    Effect.gen(function*() {
      yield* plans
      const fits = yield* recall({ budgetTokens: 15 })
      assert.deepStrictEqual(ids(fits), ["first", "second"])
      assert.deepStrictEqual(fits.budget, { tokens: 15, used: 15, remaining: 0, dropped: 2, overflow: false })
      const overflows = yield* recall({ budgetTokens: 9 })
      assert.deepStrictEqual(ids(overflows), ["first"])
      assert.deepStrictEqual(overflows.budget, { tokens: 9, used: 10, remaining: 0, dropped: 3, overflow: true })
      const nothing = yield* recall({ budgetTokens: 0 })
      assert.deepStrictEqual(ids(nothing), [])
      assert.deepStrictEqual(nothing.budget, { tokens: 0, used: 0, remaining: 0, dropped: 4, overflow: false })
      const roomy = yield* recall({ budgetTokens: 1000 })
      assert.deepStrictEqual(roomy.budget, { tokens: 1000, used: 23, remaining: 977, dropped: 0, overflow: false })
      assert.deepStrictEqual(touches, [["first", "second"], ["first"], ["first", "second", "third"]])
    }).pipe(Effect.provideService(Tokenizer, makeTokenizer(Option.none)), Effect.provide(layer)))

  it.effect("gives 10 unless told otherwise, and 50 at most", () =>
    Effect.gen(function*() {
      yield* insert(Array.from({ length: 60 }, (_, at) => ({ id: `${at}`, content: "plan" })))
      assert.strictEqual((yield* recall({})).count, 10)
      assert.strictEqual((yield* recall({ limit: 50 })).count, 50)
      assert.strictEqual((yield* recall({ limit: 1000 })).count, 50)
      assert.strictEqual((yield* recall({ limit: 0 })).count, 0)
    }).pipe(Effect.provide(layer)))

  it.effect("leaves out what has nothing of the question, neither words nor meaning", () => {
    const model = { id: "m", dimensions: 1, maxTokens: 256, embed: () => Effect.succeed([Float32Array.of(1)]) }
    const near = (cosines: ReadonlyArray<number>) => new Map(cosines.map((cosine, at) => [at + 1, cosine]))
    return Effect.gen(function*() {
      yield* insert([{ id: "close" }, { id: "far", namespace: "a" }, { id: "farther", namespace: "b" }])
      const recalled = yield* recall({ context: "unheard-of" })
      assert.deepStrictEqual([recalled.mode, ids(recalled)], ["hybrid", ["close"]])
    }).pipe(
      Effect.provide(Layer.mock(VectorStore, {
        nearest: () => Effect.succeed(near([0.9, 0.1, 0.1])),
        cosines: () => Effect.succeed(new Map())
      })),
      Effect.provide(Layer.succeed(Embedder.Embedder, Option.some(model))),
      Effect.provide(layer)
    )
  })

  it.effect("hides what has expired by the clock of now", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "brief", content: "plan", expires_at: after(60) }])
      assert.deepStrictEqual(ids(yield* recall({})), ["brief"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(ids(yield* recall({})), [])
    }).pipe(Effect.provide(layer)))

  it.effect("passes every filter on, with any RFC 3339 stamp", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "in", content: "plan", namespace: "a/b", tags: ["x"], created_at: after(-60) },
        { id: "elsewhere", content: "plan", namespace: "a/c", tags: ["x"], created_at: after(-60) },
        { id: "untagged", content: "plan", namespace: "a/b", created_at: after(-60) },
        { id: "old", content: "plan", namespace: "a/b", tags: ["x"], created_at: after(-3600) },
        { id: "new", content: "plan", namespace: "a/b", tags: ["x"], created_at: after(0) }
      ])
      const since = "2026-01-15T12:59:00.000+01:00"
      const until = "2026-01-15T11:59:30Z"
      assert.deepStrictEqual(ids(yield* recall({ namespace: "a/b", tag: "x", since, until })), ["in"])
      assert.sameMembers(ids(yield* recall({ asAgent: "a/c" })), ["elsewhere"])
    }).pipe(Effect.provide(layer)))

  it.effect("refuses what is out of bounds, and names the field", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [string, Partial<Recall.RecallRequest>]> = [
        ["context", { context: " \n\u0085" }],
        ["context", { context: "x".repeat(65_537) }],
        ["context", { context: "é".repeat(32_769) }],
        ["limit", { limit: -1 }],
        ["limit", { limit: 1.5 }],
        ["limit", { limit: Number.NaN }],
        ["budget_tokens", { budgetTokens: -1 }],
        ["budget_tokens", { budgetTokens: 1_000_000_001 }],
        ["namespace", { namespace: "a//b" }],
        ["as_agent", { asAgent: "a b" }],
        ["as_agent", { asAgent: "" }],
        ["tags", { tag: "" }],
        ["tags", { tag: "x".repeat(129) }],
        ["since", { since: "yesterday" }],
        ["until", { until: "2026-02-30T00:00:00Z" }]
      ]
      for (const [field, asked] of wrong) {
        const error = yield* Effect.flip(recall(asked))
        assert.instanceOf(error, Invalid)
        if (error._tag === "Invalid") assert.strictEqual(error.field, field)
        assert.isTrue(error.message.startsWith(field), error.message)
      }
      assert.strictEqual((yield* Effect.flip(recall({ context: "" }))).message, "context is required")
      assert.deepStrictEqual(touches, [])
      yield* recall({ context: "x".repeat(65_536), limit: 0, budgetTokens: 1_000_000_000 })
    }).pipe(Effect.provide(layer)))
})

describe("the other reads", () => {
  it.effect("find one memory, or say why not", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "abc1" }, { id: "abc2" }])
      assert.strictEqual((yield* getMemory("abc1")).id, "abc1")
      assert.strictEqual((yield* Effect.flip(getMemory("nothing")))._tag, "NotFound")
      assert.strictEqual((yield* Effect.flip(getMemory("")))._tag, "NotFound")
      const ambiguous = yield* Effect.flip(getMemory("abc"))
      assert.strictEqual(ambiguous._tag, "AmbiguousPrefix")
      assert.include(ambiguous.message, "ambiguous ID prefix: it begins abc1, abc2 and perhaps more")
    }).pipe(Effect.provide(layer)))

  it.effect("list and search within bounds, and touch nothing", () =>
    Effect.gen(function*() {
      yield* insert(Array.from({ length: 30 }, (_, at) => ({ id: `${at}`, content: "plan", priority: at % 10 + 1 })))
      assert.lengthOf(yield* listMemories({}), 20)
      assert.lengthOf(yield* listMemories({ limit: 1000, offset: 25 }), 5)
      assert.lengthOf(yield* listMemories({ limit: 0 }), 0)
      assert.lengthOf(yield* listMemories({ minPriority: 10 }), 3)
      assert.lengthOf(yield* searchMemories({ q: "plan" }), 20)
      assert.lengthOf(yield* searchMemories({ q: "plan", limit: 1000 }), 30)
      assert.strictEqual((yield* stats).total, 30)
      assert.deepStrictEqual(yield* namespaces, [{ namespace: "global", count: 30 }])
      const refused = [
        yield* Effect.flip(listMemories({ limit: 1001 })),
        yield* Effect.flip(listMemories({ offset: -1 })),
        yield* Effect.flip(listMemories({ minPriority: 1.5 })),
        yield* Effect.flip(listMemories({ agentId: "no spaces" })),
        yield* Effect.flip(searchMemories({ q: " " })),
        yield* Effect.flip(searchMemories({ q: "x".repeat(4097) })),
        yield* Effect.flip(searchMemories({ q: "x", limit: 1001 }))
      ]
      assert.deepStrictEqual(refused.map((error) => error.message), [
        "limit must be a whole number from 0 to 1000",
        "offset must be a whole number from 0 to 1000000000",
        "min_priority must be a whole number",
        "agent_id must be 1 to 128 characters of A-Z a-z 0-9 _ : @ . / -",
        "query is required",
        "query must be at most 4096 bytes of UTF-8",
        "limit must be a whole number from 0 to 1000"
      ])
      assert.deepStrictEqual(touches, [])
    }).pipe(Effect.provide(layer)))
})
