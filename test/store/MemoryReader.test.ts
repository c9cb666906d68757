import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MemoryId } from "../../src/domain/ids.js"
import * as Memory from "../../src/domain/Memory.js"
import { Sqlite } from "../../src/store/log/Sqlite.js"
import { MemoryReader } from "../../src/store/read/MemoryReader.js"
import * as arbitraries from "../domain/arbitraries.js"
import { after, type Given, insert, layer, memoryOf, now } from "./library.js"

const seed = Math.floor(Math.random() * 2 ** 31)
console.log(`MemoryReader.test.ts: seed ${seed}`)

const resolved = (text: string) =>
  Effect.flatMap(MemoryReader, (reader) => Effect.map(reader.resolve(text), ({ ids }) => ids))

const alias = (id: string, target: string) =>
  Effect.map(
    Sqlite,
    ({ writer }) =>
      writer.prepare("INSERT INTO aliases (id, target, hlc, origin) VALUES (?, ?, ?, 'node/1')").run(id, target, now)
  )

describe("byId", () => {
  it.effect("gives every memory back as it was, byte for byte", () =>
    Effect.gen(function*() {
      const reader = yield* MemoryReader
      const samples = FastCheck.sample(arbitraries.memory, { seed, numRuns: 60 })
      for (const [at, memory] of samples.entries()) {
        const id = MemoryId.make(`${at} ${memory.id}`)
        yield* insert([{ ...memory, id }])
        const found = yield* reader.byId(id)
        assert.strictEqual(Memory.encodeJson(Option.getOrThrow(found)), Memory.encodeJson({ ...memory, id }))
      }
    }).pipe(Effect.provide(layer)))

  it.effect("knows shadows and what has expired, and nothing by a prefix", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "shadow", visible: false }, { id: "expired", expires_at: after(-60) }])
      const reader = yield* MemoryReader
      assert.isTrue(Option.isSome(yield* reader.byId("shadow")))
      assert.isTrue(Option.isSome(yield* reader.byId("expired")))
      assert.isTrue(Option.isNone(yield* reader.byId("shad")))
    }).pipe(Effect.provide(layer)))

  it.effect("tells the expiry that holds here", () =>
    Effect.gen(function*() {
      const reader = yield* MemoryReader
      yield* insert([
        { id: "own", expires_at: after(60), extendedUntil: after(30) },
        { id: "extended", expires_at: after(60), extendedUntil: after(90) },
        { id: "none", extendedUntil: after(90) }
      ])
      const expiry = (id: string) => Effect.map(reader.byId(id), (found) => Option.getOrThrow(found).expires_at)
      assert.strictEqual(yield* expiry("own"), after(60))
      assert.strictEqual(yield* expiry("extended"), after(90))
      assert.isUndefined(yield* expiry("none"))
    }).pipe(Effect.provide(layer)))

  it.effect("fails with ReadFailed where a row is damaged", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "damaged" }])
      const { writer } = yield* Sqlite
      writer.exec("UPDATE memories SET tags = 'no json'")
      const reader = yield* MemoryReader
      assert.strictEqual((yield* Effect.flip(reader.byId("damaged")))._tag, "ReadFailed")
      assert.strictEqual((yield* Effect.flip(reader.find("damaged")))._tag, "ReadFailed")
      writer.exec("DROP TABLE memories")
      assert.strictEqual((yield* Effect.flip(reader.list({ now, limit: 1, offset: 0 })))._tag, "ReadFailed")
      assert.strictEqual((yield* Effect.flip(reader.stats(now)))._tag, "ReadFailed")
    }).pipe(Effect.provide(layer)))
})

describe("resolve", () => {
  it.effect("prefers the visible one, then its successor, then a shadow, then what begins with it", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "abc1" }, { id: "abc2" }, { id: "target" }])
      assert.deepStrictEqual(yield* resolved("abc"), ["abc1", "abc2"])
      yield* insert([{ id: "abc", title: "title of abc1", visible: false }])
      assert.deepStrictEqual(yield* resolved("abc"), ["abc"])
      yield* alias("abc", "target")
      assert.deepStrictEqual(yield* resolved("abc"), ["target"])
      const { writer } = yield* Sqlite
      writer.exec("UPDATE memories SET visible = 1, title = 'other' WHERE id = 'abc'")
      assert.deepStrictEqual(yield* resolved("abc"), ["abc"])
    }).pipe(Effect.provide(layer)))

  it.effect("finds by a prefix only what is visible, and nothing by the empty text", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "one-1" },
        { id: "one-2", title: "title of one-1", visible: false },
        { id: "two", expires_at: after(-60) }
      ])
      assert.deepStrictEqual(yield* resolved("one"), ["one-1"])
      assert.deepStrictEqual(yield* resolved("one-2"), ["one-2"])
      assert.deepStrictEqual(yield* resolved("tw"), ["two"])
      assert.deepStrictEqual(yield* resolved(""), [])
      assert.deepStrictEqual(yield* resolved("three"), [])
    }).pipe(Effect.provide(layer)))

  it.effect("takes a prefix as it is", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "a%b" }, { id: "axb" }, { id: "a_c" }, { id: "Axd" }, { id: "ü1" }, { id: "u\u{10FFFE}x" }])
      assert.deepStrictEqual(yield* resolved("a%"), ["a%b"])
      assert.deepStrictEqual(yield* resolved("a_"), ["a_c"])
      assert.deepStrictEqual(yield* resolved("_"), [])
      assert.deepStrictEqual(yield* resolved("%"), [])
      assert.deepStrictEqual(yield* resolved("A"), ["Axd"])
      assert.deepStrictEqual(yield* resolved("u"), ["u\u{10FFFE}x"])
      assert.deepStrictEqual(yield* resolved("' OR 1 = 1 --"), [])
    }).pipe(Effect.provide(layer)))

  it.effect("follows the ids that took one another over to the end", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "end" }])
      const chain = Array.from({ length: 40 }, (_, at) => `old-${at}`)
      for (const [at, id] of chain.entries()) yield* alias(id, chain[at + 1] ?? "end")
      assert.deepStrictEqual(yield* resolved("old-39"), ["end"])
      assert.deepStrictEqual(yield* resolved("old-0"), ["end"])
      yield* alias("x", "y")
      yield* alias("y", "x")
      assert.deepStrictEqual(yield* resolved("x"), [])
    }).pipe(Effect.provide(layer)))
})

describe("find", () => {
  it.effect("gives what resolve names", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "abc1" }, { id: "abc2" }, { id: "xyz" }])
      yield* alias("gone", "xyz")
      const reader = yield* MemoryReader
      const ids = (text: string) => Effect.map(reader.find(text), (found) => found.map(({ id }) => id))
      assert.deepStrictEqual(yield* ids("abc1"), ["abc1"])
      assert.deepStrictEqual(yield* ids("abc"), ["abc1", "abc2"])
      assert.deepStrictEqual(yield* ids("x"), ["xyz"])
      assert.deepStrictEqual(yield* ids("gone"), ["xyz"])
      assert.deepStrictEqual(yield* ids("nothing"), [])
    }).pipe(Effect.provide(layer)))
})

/** More rows than one turn counts, and a namespace large enough to be listed in the order of all. */
const many = Array.from({ length: 10_500 }, (_, at): Given => ({
  id: `m${at}`,
  title: `t${at}`,
  namespace: at % 3 === 0 ? "small" : "large",
  tier: (["short", "mid", "long"] as const)[at % 7 % 3] ?? "mid",
  priority: at * 7 % 10 + 1,
  tags: at % 11 === 0 ? ["eleventh"] : [],
  created_at: after(-at),
  updated_at: after(-(at * 7919 % 10_500)),
  ...(at % 5 === 0 ? { expires_at: after(at % 10 === 0 ? -60 : at % 15 === 0 ? 3600 : 3601) } : {}),
  ...(at % 25 === 0 ? { extendedUntil: after(60) } : {}),
  ...(at % 13 === 0 ? { visible: false, title: `t${at - 1}` } : {})
}))

const alive = many.filter((row) =>
  row.visible !== false &&
  (row.expires_at === undefined || row.expires_at > now || (row.extendedUntil !== undefined && row.extendedUntil > now))
)

const inOrder = (a: Given, b: Given) => {
  const [x, y] = [memoryOf(a), memoryOf(b)]
  if (x.priority !== y.priority) return y.priority - x.priority
  return x.updated_at === y.updated_at ? (x.id < y.id ? -1 : 1) : x.updated_at < y.updated_at ? 1 : -1
}

const countBy = (rows: ReadonlyArray<Given>, keyOf: (memory: Memory.Memory) => string) => {
  const counts: Record<string, number> = {}
  for (const row of rows) counts[keyOf(memoryOf(row))] = (counts[keyOf(memoryOf(row))] ?? 0) + 1
  return counts
}

describe("many rows", () => {
  it.effect("are listed and counted as a model of them is", () =>
    Effect.gen(function*() {
      yield* insert(many)
      const reader = yield* MemoryReader
      const listed = (page: Partial<Parameters<typeof reader.list>[0]>) =>
        Effect.map(reader.list({ now, limit: 25, offset: 0, ...page }), (found) => found.rows.map(({ id }) => id))
      const expected = (keep: (row: Given) => boolean, offset = 0, limit = 25) =>
        alive.filter(keep).sort(inOrder).slice(offset, offset + limit).map(({ id }) => id)

      assert.deepStrictEqual(yield* listed({}), expected(() => true))
      assert.deepStrictEqual(yield* listed({ offset: 40, limit: 1000 }), expected(() => true, 40, 1000))
      assert.deepStrictEqual(yield* listed({ namespace: "large" }), expected((row) => row.namespace === "large"))
      assert.deepStrictEqual(yield* listed({ namespace: "small" }), expected((row) => row.namespace === "small"))
      assert.deepStrictEqual(yield* listed({ namespace: "none" }), [])
      assert.deepStrictEqual(yield* listed({ tier: "short" }), expected((row) => row.tier === "short"))
      assert.deepStrictEqual(yield* listed({ tag: "eleventh" }), expected((row) => row.tags?.length === 1))
      assert.deepStrictEqual(
        yield* listed({ since: after(-200), until: after(-100), limit: 1000 }),
        expected(({ created_at = "" }) => created_at >= after(-200) && created_at <= after(-100), 0, 1000)
      )
      assert.deepStrictEqual(yield* listed({ limit: 0 }), [])
      assert.deepStrictEqual(yield* listed({ offset: alive.length }), [])

      const stats = yield* reader.stats(now)
      assert.strictEqual(stats.total, alive.length)
      assert.deepStrictEqual(
        Object.fromEntries(stats.by_tier.map(({ count, tier }) => [tier, count])),
        countBy(alive, ({ tier }) => tier)
      )
      assert.deepStrictEqual(
        Object.fromEntries(stats.by_namespace.map(({ count, namespace }) => [namespace, count])),
        countBy(alive, ({ namespace }) => namespace)
      )
      const soon = alive.filter(({ expires_at = "9", extendedUntil = "" }) =>
        (expires_at > extendedUntil ? expires_at : extendedUntil) <= after(3600)
      )
      assert.isAbove(soon.length, 0)
      assert.strictEqual(stats.expiring_soon, soon.length)
      assert.isAbove(stats.db_size_bytes, 1_000_000)
      assert.deepStrictEqual(
        { links: stats.links_count, dim: stats.dim_violations, index: stats.index_evictions_total },
        { links: 0, dim: 0, index: 0 }
      )
      assert.deepStrictEqual(yield* reader.namespaces(now), stats.by_namespace)
      assert.deepStrictEqual(stats.by_namespace.map(({ namespace }) => namespace), ["large", "small"])
    }).pipe(Effect.provide(layer)))
})

describe("an empty node", () => {
  it.effect("holds nothing", () =>
    Effect.gen(function*() {
      const reader = yield* MemoryReader
      const { by_namespace, by_tier, expiring_soon, total } = yield* reader.stats(now)
      assert.deepStrictEqual({ by_namespace, by_tier, expiring_soon, total }, {
        by_namespace: [],
        by_tier: [],
        expiring_soon: 0,
        total: 0
      })
      assert.deepStrictEqual(yield* reader.namespaces(now), [])
      assert.deepStrictEqual(yield* reader.list({ now, limit: 10, offset: 0 }), { rows: [], truncated: false })
    }).pipe(Effect.provide(layer)))
})

describe("changedSince", () => {
  it.effect("gives what changed after a stamp, oldest first, as it replicates", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "c", updated_at: after(3) },
        { id: "a", updated_at: after(1), expires_at: after(-60), extendedUntil: after(60) },
        { id: "b", updated_at: after(2) },
        { id: "shadow", updated_at: after(2), title: "title of b", visible: false }
      ])
      const reader = yield* MemoryReader
      const ids = (since: string, limit: number) =>
        Effect.map(Stream.runCollect(reader.changedSince(since, limit)), (found) => Array.from(found, ({ id }) => id))
      assert.deepStrictEqual(yield* ids("", 10), ["a", "b", "c"])
      assert.deepStrictEqual(yield* ids("", 2), ["a", "b"])
      assert.deepStrictEqual(yield* ids(after(1), 10), ["b", "c"])
      assert.deepStrictEqual(yield* ids(after(3), 10), [])
      const first = yield* Stream.runHead(reader.changedSince("", 1))
      assert.strictEqual(Option.getOrThrow(first).expires_at, after(-60))
    }).pipe(Effect.provide(layer)))

  it.effect("holds no more than a page of them, and loses none between two pages", () =>
    Effect.gen(function*() {
      const ids = Array.from({ length: 120 }, (_, at) => `id ${String(at).padStart(3, "0")}`)
      // Fewer stamps than rows: those of one stamp are on both sides of where a page ends.
      yield* insert(
        ids.map((id, at) => ({ id, title: id, priority: 1 + at % 10, updated_at: after(Math.floor(at / 40)) }))
      )
      const reader = yield* MemoryReader
      const chunks = yield* Stream.runCollect(Stream.chunks(reader.changedSince("", 110)))
      assert.deepStrictEqual(Array.from(chunks, (page) => page.length), [50, 50, 10])
      assert.deepStrictEqual(Array.from(chunks).flatMap((page) => Array.from(page, ({ id }) => id)), ids.slice(0, 110))
    }).pipe(Effect.provide(layer)))
})
