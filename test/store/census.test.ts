import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { eventLoopTurn } from "../../src/store/log/eventLoopTurn.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as Census from "../../src/store/vectors/census.js"

/** More than two parts of what is looked at in one go. */
const ROWS = 9_000
const EMBEDDER = 1

/** So many rows; every third has no vectors, the others have two, and of every fifth the row has gone. */
const filled = Effect.gen(function*() {
  const { writer } = yield* Sqlite.Sqlite
  const memory = writer.prepare(
    `INSERT INTO memories (rid, id, tier, namespace, title, content, tags, priority, confidence, source, access_count, created_at,
       updated_at, metadata, origin, oseq, hash, visible)
     VALUES (?, ?, 'long', 'n', ?, 'text', '[]', 5, 1, 'api', 0, '', '', '{}', 'o', ?, '', 1)`
  )
  const vector = writer.prepare("INSERT INTO vectors (place, embedder, vector) VALUES (?, ?, x'00')")
  writer.transaction(() => {
    writer.prepare("INSERT INTO embedders (id, name, dimensions) VALUES (?, 'model', 2), (2, 'before', 2)").run(
      EMBEDDER
    )
    for (let rid = 1; rid <= ROWS; rid++) {
      if (rid % 5 !== 0) memory.run(rid, `id ${rid}`, `title ${rid}`, rid)
      if (rid % 3 === 0) continue
      for (const part of [0, 1]) vector.run(rid * 256 + part, rid % 7 === 0 ? 2 : EMBEDDER)
    }
  })()
  return Census.make(yield* SqlClient.SqlClient)
})

const rows = Array.from({ length: ROWS }, (_, at) => at + 1)
const standing = rows.filter((rid) => rid % 5 !== 0)
const gone = rows.filter((rid) => rid % 5 === 0 && rid % 3 !== 0)

/** What it comes to, and how many turns others had meanwhile. */
const withTurns = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    let turns = 0
    const others = yield* Effect.fork(Effect.forever(Effect.zipRight(eventLoopTurn, Effect.sync(() => turns++))))
    const value = yield* effect
    yield* Fiber.interrupt(others)
    return { value, turns }
  })

describe("the census of vectors", () => {
  it.effect("counts rows with vectors of a model, a part of them a turn", () =>
    Effect.gen(function*() {
      const census = yield* filled
      const { turns, value } = yield* withTurns(census.coverage(EMBEDDER))
      assert.deepStrictEqual(value, {
        memories: standing.length,
        embedded: standing.filter((rid) => rid % 3 !== 0 && rid % 7 !== 0).length
      })
      assert.isAtLeast(turns, 2)
      assert.deepStrictEqual(yield* census.coverage(null), { memories: standing.length, embedded: 0 })
    }).pipe(Effect.provide(Sqlite.layer({ file: ":memory:" }))))

  it.effect("has what is left of rows that have gone removed, whatever it is of, some at once", () =>
    Effect.gen(function*() {
      const census = yield* filled
      const { writer } = yield* Sqlite.Sqlite
      const batches: Array<ReadonlyArray<number>> = []
      const remove = writer.prepare("DELETE FROM vectors WHERE place >> 8 = ?")
      const { turns, value } = yield* withTurns(census.sweep((rids) =>
        Effect.sync(() => {
          batches.push(rids)
          for (const rid of rids) remove.run(rid)
        })
      ))
      assert.strictEqual(value, gone.length)
      assert.deepStrictEqual(batches.flat(), gone)
      assert.isAtMost(Math.max(...batches.map(({ length }) => length)), 500)
      assert.isAtLeast(turns, 2)
      assert.strictEqual(yield* census.sweep(() => Effect.die("nothing is left")), 0)
    }).pipe(Effect.provide(Sqlite.layer({ file: ":memory:" }))))
})
