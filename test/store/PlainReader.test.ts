import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Sqlite } from "../../src/store/log/Sqlite.js"
import { keeping } from "../../src/store/read/Kept.js"
import { MemoryReader } from "../../src/store/read/MemoryReader.js"
import * as PlainReader from "../../src/store/read/PlainReader.js"
import * as Scope from "../../src/store/Scope.js"
import { after, type Given, insert, layer, now } from "./library.js"

const whole = Layer.provideMerge(PlainReader.layer, layer)

const read = (id: string) => Effect.flatMap(PlainReader.PlainReader, (reader) => reader.get(id))

const run = (sql: string, ...params: ReadonlyArray<unknown>) =>
  Effect.map(Sqlite, ({ writer }) => writer.prepare(sql).run(...params))

const link = (source_id: string, target_id: string) =>
  run(
    `INSERT INTO objects (type, key, hlc, origin, oseq, hash, body, current) VALUES ('link', 'key', ?, 'node/1', 1, '', ?, 1)`,
    now,
    JSON.stringify({ source_id, target_id, relation: "related_to", created_at: now })
  )

const text = FastCheck.oneof(
  FastCheck.string({ unit: "binary" }),
  FastCheck.constantFrom("\"", "\\", "\u2028", "\n", "\u0000", "漢字", "👩‍👧")
)
const moment = FastCheck.option(FastCheck.integer({ min: -1000, max: 1000 }).map((seconds) => after(seconds)), {
  nil: undefined
})
const row = FastCheck.record({
  title: text,
  content: text,
  source: text,
  namespace: text.map((given) => `n${given}`),
  tags: FastCheck.array(text, { maxLength: 3 }),
  tier: FastCheck.constantFrom("short" as const, "mid" as const, "long" as const),
  priority: FastCheck.integer({ min: 1, max: 10 }),
  confidence: FastCheck.double({ min: 0, max: 1, noNaN: true }),
  access_count: FastCheck.nat(),
  metadata: FastCheck.dictionary(text, FastCheck.jsonValue()),
  last_accessed_at: moment,
  expires_at: moment,
  extendedUntil: moment
})

/** Memories of all kinds. */
const given = (count: number) =>
  FastCheck.sample(row, count).map(({ expires_at, extendedUntil, last_accessed_at, ...given }, at): Given => ({
    ...given,
    title: `${at} ${given.title}`,
    id: `m${at} é"`,
    ...(expires_at === undefined ? {} : { expires_at }),
    ...(extendedUntil === undefined ? {} : { extendedUntil }),
    ...(last_accessed_at === undefined ? {} : { last_accessed_at })
  }))

describe("a memory that is sent as it stands", () => {
  it.effect("has the text that its decoded form is encoded to", () =>
    Effect.gen(function*() {
      const rows = given(300)
      yield* insert(rows)
      const reader = yield* MemoryReader
      for (const { id } of rows) {
        const plain = yield* read(id)
        const memory = Option.getOrThrow(yield* reader.byId(id))
        assert.deepStrictEqual(plain, { text: JSON.stringify(memory), updatedAt: memory.updated_at })
        assert.deepStrictEqual((yield* PlainReader.PlainReader).now(id), plain)
      }
    }).pipe(Effect.provide(whole)))

  it.effect("is none that has more to be looked at", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "plain" },
        { id: "hidden", visible: false },
        { id: "message", namespace: "_messages/alice" },
        { id: "carrying" },
        { id: "successor" },
        { id: "source" },
        { id: "target" }
      ])
      yield* run("UPDATE memories SET carried = '{\"mood\":1}' WHERE id = 'carrying'")
      yield* run("INSERT INTO aliases (id, target, hlc, origin) VALUES ('gone', 'successor', ?, 'node/1')", now)
      yield* link("source", "target")
      for (const id of ["hidden", "message", "carrying", "successor", "gone", "source", "target", "plai", ""]) {
        assert.isNull(yield* read(id), id)
      }
      assert.isNotNull(yield* read("plain"))
      assert.isNull(yield* read("plain").pipe(Scope.within(["global"])))
    }).pipe(Effect.provide(whole)))

  it.effect("is none where the file can not be read", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "plain" }, { id: "other" }])
      assert.isNotNull(yield* read("plain"))
      yield* run("ALTER TABLE memories RENAME TO elsewhere")
      assert.isNull(yield* read("other"))
    }).pipe(Effect.provide(whole)))
})

describe("a memory that was read before", () => {
  const contentOf = (id: string) =>
    Effect.map(read(id), (plain) => {
      const { content }: { readonly content: unknown } = JSON.parse(plain?.text ?? "{}")
      return content
    })

  it.effect("is what was written since", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "plain", content: "before" }, { id: "other" }])
      assert.strictEqual(yield* contentOf("plain"), "before")
      yield* run("UPDATE memories SET content = 'after' WHERE id = 'plain'")
      assert.strictEqual(yield* contentOf("plain"), "after")
      yield* link("other", "plain")
      assert.isNull(yield* read("plain"))
    }).pipe(Effect.provide(whole)))

  it.effect("is not what stood there before the transaction that was open then", () =>
    Effect.gen(function*() {
      const { writer } = yield* Sqlite
      yield* insert([{ id: "plain", content: "before" }])
      writer.exec("BEGIN")
      yield* run("UPDATE memories SET content = 'after' WHERE id = 'plain'")
      assert.strictEqual(yield* contentOf("plain"), "before")
      writer.exec("COMMIT")
      assert.strictEqual(yield* contentOf("plain"), "after")
    }).pipe(Effect.provide(whole)))

  it.effect("is kept as long as there is room, and a large one is not", () =>
    Effect.gen(function*() {
      const { writer } = yield* Sqlite
      const asked: Array<string> = []
      const kept = keeping(writer, (id) => {
        asked.push(id)
        return { text: "x".repeat(id === "large" ? 70_000 : 60_000) }
      })
      const ids = Array.from({ length: 100 }, (_, at) => `m${at}`)
      for (const id of ids) kept(id)
      asked.length = 0
      for (const id of ["m99", "m50", "m0", "m0", "large", "large"]) assert.isNotNull(kept(id))
      assert.deepStrictEqual(asked, ["m0", "large", "large"])
    }).pipe(Effect.provide(whole)))
})

describe("a page of texts", () => {
  const both = (page: Omit<Parameters<MemoryReader["Type"]["list"]>[0], "now">) =>
    Effect.gen(function*() {
      const reader = yield* MemoryReader
      const asked = { now, ...page }
      return { decoded: yield* reader.list(asked), texts: yield* reader.listTexts(asked) }
    })

  it.effect("has what its decoded memories are encoded to, with those fields as well for which there is no word", () =>
    Effect.gen(function*() {
      yield* insert(given(300))
      yield* run("UPDATE memories SET carried = ? WHERE rowid % 3 = 0", `{"mood":1,"__proto__":{"a":"é"},"7":[null]}`)
      yield* run("UPDATE memories SET carried = '{}' WHERE rowid % 5 = 0")
      let seen = 0
      for (
        const page of [{ limit: 7, offset: 0 }, { limit: 1000, offset: 5 }, {
          limit: 10,
          offset: 300,
          tier: "mid" as const
        }]
      ) {
        const { decoded, texts } = yield* both(page)
        assert.deepStrictEqual(texts, {
          rows: decoded.rows.map((memory) => JSON.stringify(memory)),
          truncated: decoded.truncated
        })
        seen += texts.rows.length
      }
      assert.isAbove(seen, 100)
    }).pipe(Effect.provide(layer)))

  it.effect("ends where the bytes do", () =>
    Effect.gen(function*() {
      yield* insert(Array.from({ length: 100 }, (_, at) => ({ id: `m${at}`, content: "x".repeat(60_000) })))
      const { decoded, texts } = yield* both({ limit: 1000, offset: 0 })
      assert.isTrue(texts.truncated)
      assert.isBelow(texts.rows.length, 100)
      assert.deepStrictEqual(texts.rows, decoded.rows.map((memory) => JSON.stringify(memory)))
    }).pipe(Effect.provide(layer)))

  it.effect("fails where a row is damaged", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "damaged" }])
      const reader = yield* MemoryReader
      for (const column of ["tags", "metadata"]) {
        yield* run(`UPDATE memories SET ${column} = 'no json'`)
        assert.strictEqual((yield* Effect.flip(reader.listTexts({ now, limit: 1, offset: 0 })))._tag, "ReadFailed")
        yield* run(`UPDATE memories SET ${column} = '{}'`)
      }
    }).pipe(Effect.provide(layer)))
})
