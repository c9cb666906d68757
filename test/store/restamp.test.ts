import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { NodeId } from "../../src/domain/ids.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { uuid } from "../operations/node.js"
import { memory } from "./memories.js"

const layer = MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) }).pipe(
  Layer.provideMerge(Sqlite.layer({ file: ":memory:" })),
  Layer.provide(Layer.merge(uuid, Metrics.layer)),
  Layer.orDie
)

describe("what a wrong clock stamped", () => {
  it.effect("is stamped anew later, where it could not be written at first", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      yield* TestClock.setTime(Date.UTC(2030, 0, 2))
      const { operation } = yield* store.commit((now) =>
        Either.right({
          payload: { kind: "store", memory: memory("one", "title", now.stamp) },
          baseHlc: null,
          covers: []
        }), null)
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      writer.exec("CREATE TEMP TRIGGER full BEFORE INSERT ON oplog BEGIN SELECT RAISE(ABORT, 'no room'); END")
      assert.isTrue(Either.isLeft(yield* Effect.either(store.restamp)))
      writer.exec("DROP TRIGGER full")
      assert.deepStrictEqual((yield* store.restamp).map(({ opId }) => opId), [operation.opId])
      assert.deepStrictEqual(yield* store.restamp, [])
    }).pipe(Effect.provide(layer)))

  it.effect("is found wherever it stands in the log, however much of it there is", () =>
    Effect.gen(function*() {
      const store = yield* MemoryStore.MemoryStore
      const { writer } = yield* Sqlite.Sqlite
      const stores = (titles: ReadonlyArray<string>) =>
        Effect.forEach(titles, (title) =>
          Effect.map(
            store.commit((now) =>
              Either.right({
                payload: { kind: "store", memory: memory(title, title, now.stamp) },
                baseHlc: null,
                covers: []
              }), null),
            ({ operation }) => operation.opId
          ))
      const title = (at: number) => `title ${at}`
      yield* TestClock.setTime(Date.UTC(2030, 0, 2))
      const ahead = yield* stores(Arr.makeBy(260, title))
      // What came from elsewhere in between, more than one look takes in.
      writer.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001)
        INSERT INTO oplog (origin, oseq, op_id, hlc, kind, entity, covers, hash)
        SELECT 'other/1', i, 'op ' || i, '2030-01-03T00:00:00.000000000+00:00', 'delete', 'e', '[]', '' FROM n`)
      const later = yield* stores(["the last one"])
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      assert.deepStrictEqual((yield* store.restamp).map(({ opId }) => opId), [...ahead, ...later])
      assert.deepStrictEqual(yield* store.restamp, [])
    }).pipe(Effect.provide(layer)))
})
