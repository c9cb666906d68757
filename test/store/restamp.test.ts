import { assert, describe, it } from "@effect/vitest"
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
})
