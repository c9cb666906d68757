import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as FastCheck from "effect/FastCheck"
import { MemoryId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { archivedId, archivedIdSql, chainOf, liveId, liveIdSql, namesSql } from "../../src/store/deciding/liveId.js"
import type { Held } from "../../src/store/deciding/Transaction.js"

const IDS = ["a", "b", "c", "d", "e"]

/** How each id stands (2: archived, 1: visible, 0: shadow, null: not at all), and which id took it over. */
interface World {
  readonly places: ReadonlyArray<0 | 1 | 2 | null>
  readonly targets: ReadonlyArray<number | null>
}

const worlds: FastCheck.Arbitrary<World> = FastCheck.record({
  places: FastCheck.array(FastCheck.constantFrom(0 as const, 1 as const, 2 as const, null, null), {
    minLength: IDS.length,
    maxLength: IDS.length
  }),
  targets: FastCheck.array(FastCheck.option(FastCheck.nat(IDS.length - 1)), {
    minLength: IDS.length,
    maxLength: IDS.length
  })
})

const stamp = Stamp.fromMillis(1_700_000_000_000)

const heldOf = (id: string, place: 0 | 1 | 2): Held => ({
  memory: {
    id: MemoryId.make(id),
    tier: "long",
    namespace: "n",
    title: id,
    content: "c",
    tags: [],
    priority: 5,
    confidence: 1,
    source: "api",
    access_count: 0,
    created_at: stamp,
    updated_at: stamp,
    metadata: {}
  },
  version: { id, hlc: stamp, origin: Origin.make("o/1") },
  visible: place === 1,
  archived: place === 2 ? { at: stamp, reason: "" } : null,
  expiresAt: null
})

/** The world as a transaction sees it. */
const transactionOf = ({ places, targets }: World) => {
  const placeOf = (id: string) => places[IDS.indexOf(id)] ?? null
  const held = (id: string, wanted: (place: 0 | 1 | 2) => boolean): Held | null => {
    const place = placeOf(id)
    return place === null || !wanted(place) ? null : heldOf(id, place)
  }
  return {
    alias: (id: string) => IDS[targets[IDS.indexOf(id)] ?? -1] ?? null,
    byId: (id: string) => held(id, (place) => place !== 2),
    archivedById: (id: string) => held(id, (place) => place === 2)
  }
}

const TABLES =
  "CREATE TABLE memories (id TEXT PRIMARY KEY, visible INTEGER); CREATE TABLE aliases (id TEXT PRIMARY KEY, target TEXT)"

/** Worlds as tables, one after the other: making a database and statements for each takes longer than all else. */
const tables = () => {
  const db = new Database(":memory:")
  db.exec(TABLES)
  const memory = db.prepare("INSERT INTO memories VALUES (?, ?)")
  const alias = db.prepare("INSERT INTO aliases VALUES (?, ?)")
  const hold = db.transaction(({ places, targets }: World) => {
    db.exec("DELETE FROM memories; DELETE FROM aliases")
    IDS.forEach((id, index) => {
      const place = places[index]
      const target = IDS[targets[index] ?? -1]
      if (place !== null) memory.run(id, place)
      if (target !== undefined) alias.run(id, target)
    })
  })
  return { db, hold }
}

const asking = (db: Database.Database, expression: (id: string) => string) => {
  const statement = db.prepare<[string], string | null>(
    `WITH given (id) AS (SELECT ?) SELECT ${expression("given.id")} FROM given`
  ).pluck()
  return (id: string) => statement.get(id)
}

describe("which memory an id stands for", () => {
  it("is the same in a transaction and in SQL, whatever the ids took over", () => {
    const { db, hold } = tables()
    const [live, archived] = [asking(db, liveIdSql), asking(db, archivedIdSql)]
    FastCheck.assert(
      FastCheck.property(worlds, (world) => {
        const now = transactionOf(world)
        hold(world)
        for (const id of [...IDS, "unknown"]) {
          assert.strictEqual(live(id), liveId(now, id)?.memory.id ?? null, `live ${id}`)
          assert.strictEqual(archived(id), archivedId(now, id)?.memory.id ?? null, `archived ${id}`)
        }
      }),
      { numRuns: 2_000 }
    )
    db.close()
  })

  it("has the names that lead to it", () => {
    const { db, hold } = tables()
    const names = db.prepare(
      `WITH RECURSIVE root (id) AS (SELECT ?), ${namesSql} SELECT id FROM names ORDER BY id`
    ).pluck()
    FastCheck.assert(
      FastCheck.property(worlds, FastCheck.constantFrom(...IDS), (world, root) => {
        const now = transactionOf(world)
        hold(world)
        assert.deepStrictEqual(names.all(root), IDS.filter((id) => chainOf(now, id).includes(root)))
      }),
      { numRuns: 500 }
    )
    db.close()
  })

  it("is followed to the end, however long that is, and ends in a circle", () => {
    const length = 300
    const db = new Database(":memory:")
    db.exec(TABLES)
    const live = asking(db, liveIdSql)
    for (let at = 0; at < length; at++) db.prepare("INSERT INTO aliases VALUES (?, ?)").run(`id-${at}`, `id-${at + 1}`)
    db.prepare("INSERT INTO memories VALUES (?, 1)").run(`id-${length}`)
    assert.strictEqual(live("id-0"), `id-${length}`)
    const alias = (id: string) => {
      const at = Number(id.slice(3))
      return at < length ? `id-${at + 1}` : null
    }
    const byId = (id: string) => id === `id-${length}` ? heldOf(id, 1) : null
    assert.strictEqual(liveId({ alias, byId }, "id-0")?.memory.id, `id-${length}`)
    db.prepare("INSERT INTO aliases VALUES (?, 'id-0')").run(`id-${length}`)
    db.exec("DELETE FROM memories")
    assert.strictEqual(live("id-7"), null)
    db.close()
  })
})
