import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Sqlite } from "../../src/store/log/Sqlite.js"
import { MemoryReader } from "../../src/store/read/MemoryReader.js"
import * as PlainReader from "../../src/store/read/PlainReader.js"
import * as Scope from "../../src/store/Scope.js"
import { after, type Given, insert, layer, now } from "./library.js"

const both = Layer.provideMerge(PlainReader.layer, layer)

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

describe("a memory that is sent as it stands", () => {
  it.effect("has the text that its decoded form is encoded to", () =>
    Effect.gen(function*() {
      const rows = FastCheck.sample(row, 300).map((
        { expires_at, extendedUntil, last_accessed_at, ...given },
        at
      ): Given => ({
        ...given,
        title: `${at} ${given.title}`,
        id: `m${at} é"`,
        ...(expires_at === undefined ? {} : { expires_at }),
        ...(extendedUntil === undefined ? {} : { extendedUntil }),
        ...(last_accessed_at === undefined ? {} : { last_accessed_at })
      }))
      yield* insert(rows)
      const reader = yield* MemoryReader
      for (const { id } of rows) {
        const plain = yield* read(id)
        const memory = Option.getOrThrow(yield* reader.byId(id))
        assert.deepStrictEqual(plain, { text: JSON.stringify(memory), updatedAt: memory.updated_at })
      }
    }).pipe(Effect.provide(both)))

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
    }).pipe(Effect.provide(both)))

  it.effect("is none where the file can not be read", () =>
    Effect.gen(function*() {
      yield* insert([{ id: "plain" }])
      assert.isNotNull(yield* read("plain"))
      yield* run("ALTER TABLE memories RENAME TO elsewhere")
      assert.isNull(yield* read("plain"))
    }).pipe(Effect.provide(both)))
})
