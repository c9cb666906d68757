import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Stamp from "../../src/domain/Stamp.js"
import { bulk } from "../../src/operations/memories/bulk.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { importData } from "../../src/operations/transfer/importData.js"
import { currentTurn } from "../../src/store/log/eventLoopTurn.js"
import { ROWS_A_TURN } from "../../src/store/log/inTurns.js"
import { TURN } from "../../src/store/log/Steps.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { writtenElsewhere } from "../store/elsewhere.js"
import * as Node from "./node.js"

/*
 * One thread serves everybody: what is long lets others have their turns. They are counted, as time tells nothing on a machine
 * that has other work.
 */

const ROWS = 1000

type Services = Layer.Layer.Success<ReturnType<typeof Node.layer>>

/** A node that counts how often others had a turn; whatever `look` is set to is run in each. */
const counting = <A, E>(
  test: (turns: { count: number; look: Effect.Effect<void> }) => Effect.Effect<A, E, Services>
) =>
  Effect.suspend(() => {
    const turns: { count: number; look: Effect.Effect<void> } = { count: 0, look: Effect.void }
    const turn = Effect.suspend(() => {
      turns.count += 1
      return Effect.zipRight(turns.look, Effect.yieldNow())
    })
    return test(turns).pipe(Effect.provide(Node.layer()), Effect.locally(currentTurn, turn))
  })

const many = <A>(row: (at: number) => A, count = ROWS) => Array.from({ length: count }, (_, at) => row(at))

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

/** Reading the rows and writing them. */
const TURNS = ROWS / ROWS_A_TURN + ROWS / TURN.parts

describe("a request of many rows", () => {
  it("does so much in a turn that it takes no fiftieth of a second", () => {
    assert.isAtMost(TURN.parts, 50)
    assert.isAtMost(TURN.bytes, 256 * 1024)
  })

  it.live(
    "lets others have a turn between any few that are read or written",
    () =>
      counting((turns) =>
        Effect.gen(function*() {
          const of = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
            Effect.suspend(() => {
              const before = turns.count
              return Effect.map(effect, (answer) => ({ answer, turns: turns.count - before }))
            })
          const rows = many(row)
          const stored = yield* of(bulk(rows, Node.keyed("k")))
          assert.strictEqual(stored.answer.created, ROWS)
          assert.isAtLeast(stored.turns, TURNS)
          // Found by its key, then compared with what is there.
          const again = yield* of(bulk(rows, Node.keyed("k")))
          assert.deepStrictEqual(again.answer, stored.answer)
          assert.isAtLeast(again.turns, TURNS + 2 * ROWS / TURN.parts)
          const same = yield* of(bulk(rows, Node.anonymous))
          assert.strictEqual(same.answer.unchanged, ROWS)
          assert.isAtLeast(same.turns, TURNS)

          const items = many(exported)
          const imported = yield* of(importData(items, Node.keyed("i")))
          assert.strictEqual(imported.answer.created, ROWS)
          assert.isAtLeast(imported.turns, TURNS)
          const anew = yield* of(importData(items, Node.keyed("i")))
          assert.deepStrictEqual(anew.answer, imported.answer)
          assert.isAtLeast(anew.turns, TURNS + 2 * ROWS / TURN.parts)
        })
      ),
    20_000
  )

  it.live("lets others have a turn between any few that are large", () =>
    counting((turns) =>
      Effect.gen(function*() {
        const [count, bytes] = [30, 60_000]
        const before = turns.count
        const { created } = yield* bulk(many((at) => ({ ...row(at), content: `${at} `.padEnd(bytes, "word ") }), count))
        assert.strictEqual(created, count)
        assert.isAtLeast(turns.count - before, Math.floor(count * bytes / (TURN.bytes + bytes)))
      })
    ))

  it.live("is there whole or not at all, for who looks meanwhile", () =>
    counting((turns) =>
      Effect.gen(function*() {
        const store = yield* MemoryStore
        const list = yield* Effect.map(
          Effect.context<Services>(),
          (context) => Effect.provide(Effect.orDie(listMemories({ namespace: "many", limit: 1000 })), context)
        )
        const seen = new Set<string>()
        const before = store.vector()
        turns.look = Effect.map(list, (found) => {
          seen.add(`${found.length}, ${store.vector() === before}, ${store.digest() === 0}`)
        })
        yield* bulk(many(row))
        turns.look = Effect.void
        assert.deepStrictEqual([...seen].filter((one) => !one.startsWith(`${ROWS},`)), ["0, true, true"])
        assert.lengthOf(yield* list, ROWS)
      })
    ), 20_000)

  it.live(
    "lets others have a turn while what a peer brings makes it hide many",
    () =>
      counting((turns) =>
        Effect.gen(function*() {
          const store = yield* MemoryStore
          yield* bulk(many(row))
          const quarantine = { id: "q", peer: store.nodeId, reason: "test", by: "root", at: Stamp.fromMillis(1000) }
          const before = turns.count
          const [receipt] = yield* store.receive([
            writtenElsewhere({ kind: "quarantine", quarantine }, Stamp.fromMillis(1000))
          ])
          assert.strictEqual(receipt?.result, "applied")
          assert.lengthOf(yield* listMemories({ namespace: "many", limit: 1000 }), 0)
          // Each is found, found again by what it touches, and applied.
          assert.isAtLeast(turns.count - before, 3 * ROWS / TURN.parts)
        })
      ),
    20_000
  )

  it.live("is undone whole when it fails on the way", () =>
    counting(() =>
      Effect.gen(function*() {
        const store = yield* MemoryStore
        const before = [store.vector(), store.digest()]
        const failed = yield* Effect.exit(store.commitSteps(function*(batch) {
          for (let at = 0; at < 3 * TURN.parts; at++) {
            batch.write({ payload: { kind: "delete", entity: `id-${at}` }, baseHlc: null, covers: [] })
            yield 0
          }
          if (batch.now().position() > 0) throw new Error("a bug")
          return Either.right("done")
        }, null))
        assert.isTrue(Effect.isEffect(failed) && failed._tag === "Failure")
        assert.deepStrictEqual([store.vector(), store.digest()], before)
        assert.strictEqual((yield* bulk([row(1)])).created, 1)
      })
    ))

  it.live("is finished when the node ends on the way", () =>
    Effect.gen(function*() {
      const ended = yield* counting((turns) =>
        Effect.gen(function*() {
          const store = yield* MemoryStore
          yield* Effect.forkDaemon(bulk(many(row)))
          yield* Node.until(Effect.sync(() => turns.count > TURNS - 5))
          assert.strictEqual(store.vector().size, 0)
          return store
        })
      )
      assert.strictEqual(ended.vector().get(ended.origin())?.upto, ROWS)
    }), 20_000)
})
