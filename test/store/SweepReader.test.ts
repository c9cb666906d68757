import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Origin } from "../../src/domain/ids.js"
import * as SweepReader from "../../src/store/read/SweepReader.js"
import { after, type Given, insert, layer as library, now } from "./library.js"

const layer = SweepReader.layer.pipe(Layer.provideMerge(library))

const idsOf = <E>(found: Stream.Stream<{ readonly id: string }, E>) =>
  Effect.map(Stream.runCollect(found), (refs) => Array.from(refs, ({ id }) => id))

const matching = (wanted: Partial<SweepReader.Wanted>) =>
  Effect.flatMap(
    SweepReader.SweepReader,
    (reader) => idsOf(reader.matching({ upTo: Number.MAX_SAFE_INTEGER, ...wanted }))
  )

const HOUR = 3600

describe("SweepReader", () => {
  it.effect("finds by namespace, tier and words, together", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "a", namespace: "n", tier: "short", title: "blue plan" },
        { id: "b", namespace: "n", tier: "long", content: "the plan" },
        { id: "c", namespace: "m", tier: "short", tags: ["plan"] },
        { id: "d", namespace: "n", tier: "short", title: "nothing" },
        { id: "e", namespace: "n", title: "plan, expired", expires_at: after(-60) },
        { id: "f", namespace: "n", title: "plan, hidden", visible: false }
      ])
      assert.deepStrictEqual(yield* matching({ namespace: "n" }), ["a", "b", "d", "e"])
      assert.deepStrictEqual(yield* matching({ tier: "short" }), ["a", "c", "d"])
      assert.deepStrictEqual(yield* matching({ pattern: "PLAN" }), ["a", "b", "c", "e"])
      assert.deepStrictEqual(yield* matching({ pattern: "nothing OR blue" }), ["a", "d"])
      assert.deepStrictEqual(yield* matching({ pattern: "plan", namespace: "n", tier: "short" }), ["a"])
      assert.deepStrictEqual(yield* matching({ namespace: "elsewhere" }), [])
    }).pipe(Effect.provide(layer)))

  it.effect("finds what is at a version that was there at the moment, whatever its stamp, and says which", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "old", updated_at: after(1) }, { id: "new", updated_at: after(0) }])
      const reader = yield* SweepReader.SweepReader
      const found = yield* Stream.runCollect(reader.matching({ upTo: 1 }))
      assert.deepStrictEqual(Chunk.toReadonlyArray(found), [{
        id: "old",
        hlc: after(1),
        origin: Origin.make("node/1")
      }])
    }).pipe(Effect.provide(layer)))

  it.effect("finds what has expired here, shadows too, by the deadline of its tier", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "now", tier: "short", expires_at: now },
        { id: "soon", tier: "short", expires_at: after(1) },
        { id: "shadow", tier: "mid", expires_at: after(-1), visible: false },
        { id: "extended", tier: "mid", expires_at: after(-HOUR), extendedUntil: after(1) },
        { id: "was extended", tier: "mid", expires_at: after(-2 * HOUR), extendedUntil: now },
        { id: "long", tier: "long", expires_at: after(-1) },
        { id: "never", tier: "long" }
      ])
      const { expired } = yield* SweepReader.SweepReader
      const at = (short: number, mid: number) =>
        idsOf(expired(now, { short: after(short), mid: after(mid), long: now }))
      assert.deepStrictEqual(yield* at(0, 0), ["now", "shadow", "was extended", "long"])
      assert.deepStrictEqual(yield* at(-1, 0), ["shadow", "was extended", "long"])
      assert.deepStrictEqual(yield* at(0, -2 * HOUR), ["now", "was extended", "long"])
    }).pipe(Effect.provide(layer)))

  it.effect("goes over all parts of a large table, in order", () =>
    Effect.gen(function*() {
      const rows = SweepReader.ROWS_PER_TURN * 2 + 10
      const special = new Map<number, Partial<Given>>([
        [9, { namespace: "rare", content: "needle", metadata: { topic: "t" } }],
        [SweepReader.ROWS_PER_TURN + 9, { namespace: "rare", content: "needle", metadata: { topic: "t" } }],
        [rows - 1, { namespace: "other", title: "t" }]
      ])
      yield* insert(Array.from({ length: rows }, (_, at) => ({ id: `${at}`, ...special.get(at) })))
      assert.deepStrictEqual(yield* matching({ namespace: "rare" }), ["9", "10009"])
      assert.deepStrictEqual(yield* matching({ pattern: "needle" }), ["9", "10009"])
      assert.lengthOf(yield* matching({}), rows)
      const { ofTopic } = yield* SweepReader.SweepReader
      const topic = (limit: number, namespace?: string) =>
        Effect.map(ofTopic({ now, topic: "t", limit, namespace }), ({ rows }) => rows.map(({ id }) => id))
      assert.deepStrictEqual(yield* topic(10), [`${rows - 1}`, "10009", "9"])
      assert.deepStrictEqual(yield* topic(2), [`${rows - 1}`, "10009"])
      assert.deepStrictEqual(yield* topic(2, "rare"), ["10009", "9"])
    }).pipe(Effect.provide(layer)), 60_000)

  it.effect("finds nothing in an empty table", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* matching({}), [])
      const { expired, ofTopic } = yield* SweepReader.SweepReader
      assert.deepStrictEqual(yield* idsOf(expired(now, { short: now, mid: now, long: now })), [])
      assert.deepStrictEqual(yield* ofTopic({ now, topic: "t", limit: 1 }), { rows: [], truncated: false })
    }).pipe(Effect.provide(layer)))
})
