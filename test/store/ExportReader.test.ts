import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Sqlite } from "../../src/store/log/Sqlite.js"
import * as ExportReader from "../../src/store/read/ExportReader.js"
import { MEMORIES_PER_PAGE } from "../../src/store/read/pages.js"
import { after, insert, layer as library } from "./library.js"

const layer = ExportReader.layer.pipe(Layer.provideMerge(library))

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), (all) => Array.from(all))

const PAGE = MEMORIES_PER_PAGE

describe("ExportReader", () => {
  for (const count of [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE]) {
    it.effect(`gives each of ${count} memories once, and a page at a time`, () =>
      Effect.gen(function*() {
        yield* insert(Array.from({ length: count }, (_, at) => ({ id: `${at}`, expires_at: after(-1) })))
        const { memories } = yield* ExportReader.ExportReader
        const ids = (yield* collect(memories)).map(({ id }) => id)
        assert.deepStrictEqual(ids, Array.from({ length: count }, (_, at) => `${at}`).sort())
        const pages = yield* collect(Stream.chunks(memories))
        assert.isTrue(pages.every((page) => page.length <= PAGE))
      }).pipe(Effect.provide(layer)))
  }

  it.effect("passes over shadows, and gives archived memories apart, the latest first", () =>
    Effect.gen(function*() {
      yield* insert(Array.from({ length: 4 * PAGE }, (_, at) => ({
        id: String(at).padStart(3, "0"),
        visible: at % 4 === 0
      })))
      const { writer } = yield* Sqlite
      // Six are archived in each moment, so that pages end within one.
      writer.prepare(
        `UPDATE memories SET visible = 2, archive_reason = 'r',
          archived_at = '2026-01-15T12:00:00.' || (100 + rid / 12) || '000000+00:00' WHERE rid % 4 > 1`
      ).run()
      const reader = yield* ExportReader.ExportReader
      const ids = (yield* collect(reader.memories)).map(({ id }) => id)
      assert.deepStrictEqual(ids, Array.from({ length: PAGE }, (_, at) => String(4 * at).padStart(3, "0")))
      const archived = yield* collect(reader.archived)
      assert.lengthOf(new Set(archived.map(({ memory: { id } }) => id)), 2 * PAGE)
      const order = archived.map(({ archivedAt }) => archivedAt)
      assert.deepStrictEqual(order, order.toSorted().toReversed())
    }).pipe(Effect.provide(layer)))

  it.effect("gives each link once, in the version that counts", () =>
    Effect.gen(function*() {
      const { writer } = yield* Sqlite
      const put = writer.prepare(
        "INSERT INTO objects (type, key, hlc, origin, oseq, hash, body, current) VALUES (?, ?, ?, 'node/1', ?, '', ?, ?)"
      )
      // An id that something took over is known; "gone" is not.
      const know = writer.prepare("INSERT INTO aliases (id, target, hlc, origin) VALUES (?, 't', '', '')")
      const count = 2 * ExportReader.LINKS_PER_PAGE + 1
      writer.transaction(() => {
        know.run("t")
        put.run("link", "gone", after(1), -1, JSON.stringify({ source_id: "gone", target_id: "t" }), 1)
        for (let at = 0; at < count; at++) {
          const key = String(at).padStart(5, "0")
          const body = (valid_from: string) =>
            JSON.stringify({ source_id: key, target_id: "t", relation: "related_to", created_at: after(0), valid_from })
          know.run(key)
          put.run("link", key, after(1), at, body("old"), 0)
          put.run("link", key, after(2), count + at, body("new"), 1)
        }
        put.run("vote", "v", after(3), 0, "{}", 1)
      })()
      const links = yield* collect((yield* ExportReader.ExportReader).links)
      assert.lengthOf(new Set(links.map(({ source_id }) => source_id)), count)
      assert.isTrue(links.length === count && links.every(({ valid_from }) => valid_from === "new"))
    }).pipe(Effect.provide(layer)))
})
