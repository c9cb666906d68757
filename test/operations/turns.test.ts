import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { bulk } from "../../src/operations/memories/bulk.js"
import { importData } from "../../src/operations/transfer/importData.js"
import { currentTurn } from "../../src/store/log/eventLoopTurn.js"
import { ROWS_A_TURN } from "../../src/store/log/inTurns.js"
import * as Node from "./node.js"

/*
 * One thread serves everybody: what is long lets others have their turns. They are counted, as time tells nothing on a machine
 * that has other work.
 */

const ROWS = 1000

/** How often others had a turn, beside what the verb came to. */
const counting = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    let turns = 0
    const turn = Effect.zipRight(Effect.sync(() => turns++), Effect.yieldNow())
    return Effect.map(Effect.locally(effect, currentTurn, turn), (answer) => ({ answer, turns }))
  })

const row = (at: number) => ({ title: `title ${at}`, content: "c", namespace: "many" })

const exported = (at: number) => ({
  kind: "memory" as const,
  at: `memories[${at}]`,
  value: {
    ...{ id: `id-${at}`, tier: "mid", namespace: "imported", title: `t ${at}`, content: "c", tags: [], priority: 5 },
    ...{ confidence: 1, source: "api", access_count: 0, last_accessed_at: null, expires_at: null, metadata: {} },
    ...{ created_at: "2025-01-01T00:00:00.000000000+00:00", updated_at: "2025-01-01T00:00:00.000000000+00:00" }
  }
})

describe("a request of many rows", () => {
  it.live("lets others have a turn between any hundred that are read", () =>
    Effect.gen(function*() {
      const stored = yield* counting(bulk(Array.from({ length: ROWS }, (_, at) => row(at)), Node.anonymous))
      assert.strictEqual(stored.answer.created, ROWS)
      assert.isAtLeast(stored.turns, ROWS / ROWS_A_TURN)
      const imported = yield* counting(
        importData(Array.from({ length: ROWS }, (_, at) => exported(at)), Node.anonymous)
      )
      assert.strictEqual(imported.answer.created, ROWS)
      assert.isAtLeast(imported.turns, ROWS / ROWS_A_TURN)
    }).pipe(Effect.provide(Node.layer())), 20_000)
})
