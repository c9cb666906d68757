import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { NodeId, Origin } from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import * as Payload from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import * as driver from "../../src/store/postgres/driver.js"
import * as PostgresLog from "../../src/store/postgres/PostgresLog.js"
import { SiteLog } from "../../src/store/site/SiteLog.js"
import { engine, storeOf } from "../http/engine.js"

/** The log that a file shares with others, where the engine of the run has one. */
export const layer = (file: string, nodeId?: string) =>
  Layer.unwrapEffect(Effect.gen(function*() {
    const { quorumTimeout, store } = yield* Effect.promise(() => storeOf(file))
    if (store === undefined || quorumTimeout === undefined || Option.isNone(store)) return Layer.empty
    return PostgresLog.layer({
      driver: yield* driver.load,
      address: store.value,
      expected: Option.none(),
      isMade: false,
      nodeId: Option.map(Option.fromNullable(nodeId), (id) => NodeId.make(id)),
      standby: Option.none(),
      standbys: 0,
      timeout: quorumTimeout
    })
  })).pipe(Layer.provide(Uuid.layer(randomUUID)), Layer.orDie)

type Kept = (history: ReadonlyArray<Entry>) => Promise<ReadonlyArray<Entry>>

/** Histories as the log of the engine gives them back to who reads it: what a site has, another daemon of it applies. */
export const keeping: Effect.Effect<Kept, never, Scope.Scope> = Effect.gen(function*() {
  const built = yield* Layer.build(layer(":memory:"))
  const log = Option.getOrNull(yield* Effect.provide(Effect.serviceOption(SiteLog), built))
  if (log === null) return (history) => Promise.resolve(history)
  let histories = 0
  return async (history) => {
    // No node: a key is nobody's there, as with what comes from peers.
    const writer = Origin.make(`history-${++histories}/1`)
    const items = history.map(({ operation }) => ({ operation }))
    const brought = log.append({ writer, after: 0, items, isKnown: () => true })
    const read = log.after({ writer, place: 0 }, history.length)
    const placed = items.length === 0 ? [] : await Effect.runPromise(Effect.zipRight(brought, read))
    assert.deepStrictEqual(placed, items.map((item, at) => ({ place: at + 1, item })))
    return placed.flatMap(({ item }) =>
      "stub" in item ? [] : [{ operation: item.operation, payload: Payload.ofLog(item.operation) }]
    )
  }
})

/** How much of the work of a test is done: what has to ask a server takes longer. */
export const share = engine === "sqlite" ? 1 : 0.1
