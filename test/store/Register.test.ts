import { assert, describe, it } from "@effect/vitest"
import type Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Memory from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { type Operation, seal, type VersionRef } from "../../src/replication/Operation.js"
import * as Register from "../../src/store/Register.js"
import { scratchDatabase } from "./scratch.js"

/** What the register must come to, as a plain function of the set of operations. */
const model = (operations: ReadonlyArray<Operation>) => {
  const covered = new Set(operations.flatMap(({ covers }) => covers.map(keyOf)))
  const live = operations.filter((op) => op.kind === "store" && !covered.has(keyOf(refOf(op)))).sort(newestFirst)
  const winners = firstOfEach(live, ({ entity }) => entity)
  const visible = firstOfEach(winners, slotOf)
  const ids = (ops: ReadonlyArray<Operation>) => ops.map((op) => keyOf(refOf(op))).sort()
  return {
    visible: ids(visible),
    shadows: ids(winners.filter((op) => !visible.includes(op))),
    conflicts: ids(live.filter((op) => !winners.includes(op)))
  }
}

const actual = (db: Database.Database) => {
  const keys = (sql: string) => db.prepare<[], VersionRef>(sql).all().map(keyOf).sort()
  return {
    visible: keys("SELECT id, updated_at AS hlc, origin FROM memories WHERE visible = 1"),
    shadows: keys("SELECT id, updated_at AS hlc, origin FROM memories WHERE visible = 0"),
    conflicts: keys("SELECT memory_id AS id, hlc, origin FROM conflicts")
  }
}

const firstOfEach = (ops: ReadonlyArray<Operation>, group: (op: Operation) => string) =>
  ops.filter((op, index) => ops.findIndex((other) => group(other) === group(op)) === index)
const keyOf = ({ hlc, id, origin }: VersionRef) => `${id} ${hlc} ${origin}`
const refOf = (op: Operation): VersionRef => ({ id: op.entity, hlc: op.hlc, origin: op.origin })
const slotOf = (op: Operation) => String(JSON.parse(op.body ?? "{}").title)
const newestFirst = (a: Operation, b: Operation) => {
  const [x, y] = [`${a.hlc} ${a.origin}`, `${b.hlc} ${b.origin}`]
  return x < y ? 1 : x > y ? -1 : 0
}

const memory = (id: string, title: string, stamp: Stamp.Stamp): Memory.Memory => ({
  id,
  tier: "long",
  namespace: "n",
  title,
  content: `content of ${title}`,
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: {}
})

/** A step of a history: a node writes or deletes, having seen some of what was written before. */
interface Step {
  readonly node: number
  readonly id: number
  readonly title: number
  readonly kind: "store" | "delete"
  readonly millis: number
  /** Bit i: the version of step i was seen, and is ended. */
  readonly seen: number
}

const bits = FastCheck.integer({ min: 0, max: 255 })

const steps = (max: number): FastCheck.Arbitrary<ReadonlyArray<Step>> =>
  FastCheck.array(
    FastCheck.record({
      node: FastCheck.integer({ min: 0, max: 2 }),
      id: FastCheck.integer({ min: 0, max: 2 }),
      title: FastCheck.integer({ min: 0, max: 1 }),
      kind: FastCheck.constantFrom("store" as const, "store" as const, "delete" as const),
      millis: FastCheck.integer({ min: 0, max: 5 }),
      seen: FastCheck.tuple(bits, bits).map(([a, b]) => a & b)
    }),
    { minLength: 1, maxLength: max }
  )

const historyOf = (given: ReadonlyArray<Step>): ReadonlyArray<Operation> => {
  const made: Array<Operation> = []
  given.forEach((step, index) => {
    // The counter keeps (hlc, origin) unique, as the clock of a node does.
    const hlc = Stamp.fromMillis(1_700_000_000_000 + step.millis, index)
    const entity = `id-${step.id}`
    const stored = step.kind === "store" ? Memory.encodeJson(memory(entity, `title-${step.title}`, hlc)) : null
    const seen = made.filter((op, at) => op.kind === "store" && (step.seen >> at) % 2 === 1)
    made.push(seal({
      opId: `op-${index}`,
      origin: `node-${step.node}/1`,
      oseq: index + 1,
      hlc,
      kind: step.kind,
      entity,
      body: stored,
      baseHlc: null,
      covers: seen.map(refOf),
      idempotency: null
    }))
  })
  return made
}

const applyAll = (db: Database.Database, operations: ReadonlyArray<Operation>) => {
  const register = Register.make(db)
  const log = db.prepare(
    `INSERT OR IGNORE INTO oplog (origin, oseq, op_id, hlc, kind, entity, body, base_hlc, covers, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, NULL, '[]', ?)`
  )
  const known = new Set<string>()
  for (const op of operations) {
    if (known.has(op.opId)) continue
    known.add(op.opId)
    register.apply(op, op.body === null ? null : memory(op.entity, slotOf(op), op.hlc))
    log.run(op.origin, op.oseq, op.opId, op.hlc, op.kind, op.entity, op.body, op.hash)
  }
  register.finish()
}

/** The search index answers by the rows that are there, and by no others. */
const checkIndex = (db: Database.Database) => {
  db.prepare("INSERT INTO memories_fts (memories_fts, rank) VALUES ('integrity-check', 1)").run()
}

describe("Register", () => {
  it.effect(
    "is a function of the set of operations: any order, any duplication, one result",
    () =>
      Effect.gen(function*() {
        const scratch = yield* Effect.cached(scratchDatabase)
        const blank = (yield* scratch).serialize()
        const { default: Sqlite } = yield* Effect.promise(() => import("better-sqlite3"))
        let exercised = 0
        FastCheck.assert(
          FastCheck.property(
            steps(8),
            FastCheck.infiniteStream(FastCheck.double({ min: 0, max: 1, noNaN: true })),
            (given, chance) => {
              const history = historyOf(given)
              const shuffled = [...history, ...history.slice(0, 3)]
                .map((op) => ({ op, key: chance.next().value }))
                .sort((a, b) => a.key - b.key)
                .map(({ op }) => op)
              const expected = model(history)
              for (const order of [history, shuffled, [...history].reverse()]) {
                const db = new Sqlite(blank)
                applyAll(db, order)
                assert.deepStrictEqual(actual(db), expected)
                checkIndex(db)
                db.close()
              }
              exercised += expected.shadows.length + expected.conflicts.length
            }
          ),
          { numRuns: 700, verbose: 1 }
        )
        assert.isAbove(exercised, 300, "the histories must bring about shadows and conflicts")
      }),
    60_000
  )
})
