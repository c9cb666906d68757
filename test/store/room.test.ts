import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { NodeId } from "../../src/domain/ids.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { currentTurn } from "../../src/store/log/eventLoopTurn.js"
import * as OpLog from "../../src/store/log/OpLog.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { operation } from "./letters.js"

const layer = MemoryStore.layer({ nodeId: Option.some(NodeId.make("here")) }).pipe(
  Layer.provide(Sqlite.layer({ file: ":memory:" })),
  Layer.provide([Layer.succeed(Uuid, { make: () => "0" }), Metrics.layer])
)

const receive = (...of: ReadonlyArray<readonly [oseq: number, origin?: string]>) =>
  Effect.flatMap(MemoryStore.MemoryStore, (store) =>
    Effect.map(
      store.receive(of.map(([oseq, origin]) => {
        const op = operation(oseq, origin)
        return { operation: op, payload: { kind: "delete" as const, entity: op.entity } }
      })),
      (receipts) => receipts.map(({ result, why }) => why ?? result)
    ))

describe("what a node takes of others", () => {
  it.live("is of no more origins than its bound; of those it knows it takes all", () =>
    Effect.gen(function*() {
      const known = Array.from({ length: OpLog.MAX_ORIGINS }, (_, at) => [1, `node-${at}/1`] as const)
      assert.isTrue((yield* receive(...known)).every((result) => !result.startsWith("full")))
      const store = yield* MemoryStore.MemoryStore
      assert.strictEqual(store.vector().size, OpLog.MAX_ORIGINS)
      assert.deepStrictEqual(yield* receive([1, "one-more/1"]), [
        `full: ${OpLog.MAX_ORIGINS} origins are known already`
      ])
      assert.notMatch((yield* receive([2, "node-7/1"])).join(), /full/)
      assert.strictEqual(store.vector().size, OpLog.MAX_ORIGINS)
    }).pipe(Effect.provide(layer)))

  it.live("has no more gaps than its bound, and what fills one always has room", () =>
    Effect.gen(function*() {
      const apart = Array.from({ length: OpLog.MAX_GAPS }, (_, at) => [2 * at + 3, "gappy/1"] as const)
      assert.isTrue((yield* receive(...apart)).every((result) => !result.startsWith("full")))
      assert.match((yield* receive([100_000, "gappy/1"])).join(), /^full: 256 gaps of gappy\/1 are to be filled first$/)
      const filling = [4, 1, 2, 2 * OpLog.MAX_GAPS + 2]
      for (const oseq of filling) assert.notMatch((yield* receive([oseq, "gappy/1"])).join(), /full/, String(oseq))
      const store = yield* MemoryStore.MemoryStore
      assert.isBelow([...store.vector().values()][0]?.beyond.length ?? 0, OpLog.MAX_GAPS)
      assert.isTrue(VersionVector.contains(store.vector(), operation(1, "gappy/1").origin, 4))
      assert.notMatch((yield* receive([100_000, "gappy/1"])).join(), /full/)
    }).pipe(Effect.provide(layer)))

  it.live("is committed a few together, in their order, and others have their turns between", () =>
    Effect.suspend(() => {
      let turns = 0
      const turn = Effect.zipRight(Effect.sync(() => turns++), Effect.yieldNow())
      return Effect.gen(function*() {
        const before = turns
        const receipts = yield* receive(...Array.from({ length: 1_000 }, (_, at) => [at + 1, "many/1"] as const))
        assert.lengthOf(receipts, 1_000)
        assert.isAtMost(MemoryStore.MAX_TOGETHER, 128)
        assert.isAtLeast(turns - before, Math.ceil(1_000 / MemoryStore.MAX_TOGETHER))
        const store = yield* MemoryStore.MemoryStore
        assert.strictEqual(VersionVector.upto(store.vector(), operation(1, "many/1").origin), 1_000)
      }).pipe(Effect.provide(layer), Effect.locally(currentTurn, turn))
    }))
})
