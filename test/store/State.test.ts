import { assert, describe, it } from "@effect/vitest"
import type Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { MemoryId, OpId, Origin } from "../../src/domain/ids.js"
import * as Memory from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hashed, type Operation, type VersionRef } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import * as Digest from "../../src/store/log/Digest.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import * as State from "../../src/store/state/State.js"
import { breathe } from "../breathe.js"
import * as index from "./index.js"
import * as Node from "./node.js"
import { scratchDatabase } from "./scratch.js"
import * as SiteLog from "./siteLog.js"

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
  id: MemoryId.make(id),
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
    made.push(hashed({
      format: 2,
      opId: OpId.make(`op-${index}`),
      origin: Origin.make(`node-${step.node}/1`),
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
  const digest = Digest.make(db)
  const state = State.make(db, digest)
  const log = db.prepare(
    `INSERT OR IGNORE INTO oplog (origin, oseq, op_id, hlc, kind, entity, body, base_hlc, covers, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, NULL, '[]', ?)`
  )
  const known = new Set<string>()
  for (const op of operations) {
    if (known.has(op.opId)) continue
    known.add(op.opId)
    state.apply(
      op,
      op.body === null
        ? { kind: "delete", entity: op.entity }
        : { kind: "store", memory: memory(op.entity, slotOf(op), op.hlc) }
    )
    log.run(op.origin, op.oseq, op.opId, op.hlc, op.kind, op.entity, op.body, op.hash)
  }
  state.finish()
}

describe("Register", () => {
  it.scoped(
    "is a function of the set of operations: any order, any duplication, one result",
    () =>
      Effect.gen(function*() {
        const scratch = yield* scratchDatabase
        // With the sums of nothing, which else each copy would write for itself.
        Digest.make(scratch)
        const blank = scratch.serialize()
        const { default: Sqlite } = yield* Effect.promise(() => import("better-sqlite3"))
        const kept = yield* SiteLog.keeping
        let exercised = 0
        const property = FastCheck.asyncProperty(
          steps(8),
          FastCheck.infiniteStream(FastCheck.double({ min: 0, max: 1, noNaN: true })),
          async (given, chance) => {
            await breathe()
            const entries = historyOf(given).map((operation) => ({ operation, payload: Payload.ofLog(operation) }))
            const history = (await kept(entries)).map(({ operation }) => operation)
            const shuffled = [...history, ...history.slice(0, 3)]
              .map((op) => ({ op, key: chance.next().value }))
              .sort((a, b) => a.key - b.key)
              .map(({ op }) => op)
            const expected = model(history)
            for (const order of [history, shuffled, [...history].reverse()]) {
              const db = new Sqlite(blank)
              applyAll(db, order)
              assert.deepStrictEqual(actual(db), expected)
              index.check(db)
              db.close()
            }
            exercised += expected.shadows.length + expected.conflicts.length
          }
        )
        yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 700 * SiteLog.share, verbose: 1 }))
        assert.isAbove(exercised, 300 * SiteLog.share, "the histories must bring about shadows and conflicts")
      }),
    60_000
  )

  /** Operations in one transaction each, or several in one; the index is checked after each. */
  const transactions = (db: Database.Database, groups: ReadonlyArray<ReadonlyArray<Entry>>) => {
    const node = Node.make(db)
    for (const group of groups) {
      for (const entry of group) node.apply(entry)
      node.finish()
      node.checkIndex()
    }
    return node
  }

  const entry = (index: number, payload: Payload.Payload, covers: ReadonlyArray<Entry | VersionRef> = []): Entry => ({
    payload,
    operation: hashed({
      format: 2,
      opId: OpId.make(`op-${index}`),
      origin: Origin.make(`node-${index % 2}/1`),
      oseq: index,
      hlc: stampAt(index),
      kind: payload.kind,
      entity: Payload.entityOf(payload),
      body: Payload.encode(payload),
      baseHlc: null,
      covers: covers.map((seen) => "operation" in seen ? refOf(seen.operation) : seen),
      idempotency: null
    })
  })
  const stampAt = (index: number) => Stamp.fromMillis(1_700_000_000_000 + index)
  const stored = (index: number, id: string, title: string, covers: ReadonlyArray<Entry | VersionRef> = []) =>
    entry(index, { kind: "store", memory: memory(id, title, stampAt(index)) }, covers)
  const deleted = (index: number, id: string, covers: ReadonlyArray<Entry | VersionRef>) =>
    entry(index, { kind: "delete", entity: id }, covers)
  const decided = (index: number, approved: boolean, covers: ReadonlyArray<Entry | VersionRef> = []) =>
    entry(index, {
      kind: "decision",
      decision: {
        id: "action",
        approved,
        decider: "tester",
        decided_at: stampAt(index),
        ...(approved ? { memory: memory("made", "title", stampAt(index)) } : {})
      }
    }, covers)
  /** The version of the memory that an approval stored. */
  const madeBy = ({ operation: { hlc, origin } }: Entry): VersionRef => ({ id: "made", hlc, origin })

  /** Where the versions of a set of operations stand, in every order of them; one answer, or they differ. */
  const everyOrder = (entries: ReadonlyArray<Entry>) =>
    Effect.map(
      Effect.forEach(permutations(entries), (order) => Effect.map(scratchDatabase, (db) => ({ db, order }))),
      (runs) => {
        const found = runs.map(({ db, order }) => {
          const node = transactions(db, order.map((one) => [one]))
          const summary = JSON.stringify({ ...actual(db), digest: node.state().digest })
          db.close()
          return summary
        })
        assert.deepStrictEqual(Array.from(new Set(found)), found.slice(0, 1))
        const { conflicts, shadows, visible }: ReturnType<typeof actual> = JSON.parse(found[0] ?? "")
        return { visible, shadows, conflicts }
      }
    )

  it.effect("indexes what is there and weighs it by that alone, whatever was edited, deleted or undone in a transaction", () =>
    Effect.map(scratchDatabase, (db) => {
      const node = Node.make(db)
      const within = (entries: ReadonlyArray<Entry>) => {
        db.exec("BEGIN")
        for (const entry of entries) node.apply(entry)
        node.finish()
        node.catchUp()
        db.exec("COMMIT")
        node.checkIndex()
      }
      const [one, two] = [stored(1, "one", "first title"), stored(2, "two", "second")]
      const edited = stored(3, "one", "a title that is longer", [one])
      within([one, two])
      db.exec("BEGIN")
      node.trying(() => void node.apply(edited))
      node.finish()
      db.exec("COMMIT")
      node.checkIndex()
      within([edited])
      within([stored(4, "three", "third"), deleted(5, "two", [two])])
      within([deleted(6, "one", [edited])])
    }))

  it.effect("gives a row a number that no row had before, also when the last one went", () =>
    Effect.gen(function*() {
      const db = yield* scratchDatabase
      const old = stored(1, "old", "a")
      const passing = stored(2, "passing", "b")
      transactions(db, [[old], [passing, deleted(3, "passing", [passing]), stored(4, "old", "c", [old])]])
      assert.deepStrictEqual(
        db.prepare(
          "SELECT m.id || m.rid FROM memory_words w JOIN memories m ON m.rid = w.rowid WHERE w.title MATCH 'c'"
        ).pluck().all(),
        ["old3"]
      )
    }))

  it.effect("lets the origin decide between versions of one stamp, of one memory and of one slot alike", () =>
    Effect.gen(function*() {
      const hlc = stampAt(1)
      const atOnce = (node: number, id: string, variant: number): Entry => {
        const payload: Payload.Payload = { kind: "store", memory: memory(id, "title", hlc) }
        const { operation } = entry(1, payload)
        const renamed = { opId: OpId.make(`op-${variant}`), origin: Origin.make(`node-${node}/1`) }
        return { payload, operation: hashed({ ...operation, ...renamed }) }
      }
      // The hashes, which would decide after the origins, differ from one variant to the next.
      for (const variant of [0, 1, 2, 3, 4, 5]) {
        const slot = [0, 1, 2].map((node) => atOnce(node, `id-${node}`, variant))
        const shown = yield* everyOrder([...slot, deleted(2, "id-2", slot.slice(2))])
        assert.deepStrictEqual(shown.visible, slot.slice(1, 2).map(({ operation }) => keyOf(refOf(operation))))
        const one = [0, 1, 2].map((node) => atOnce(node, "id", variant))
        const left = yield* everyOrder([...one, deleted(2, "id", one.slice(2))])
        assert.deepStrictEqual(left.visible, one.slice(1, 2).map(({ operation }) => keyOf(refOf(operation))))
      }
    }))

  it.effect("changes nothing when an operation is applied again", () =>
    Effect.gen(function*() {
      const db = yield* scratchDatabase
      const first = stored(1, "a", "title")
      const behind = stored(2, "b", "title")
      const rejected = decided(3, false)
      const all = [first, behind, stored(4, "b", "title"), rejected, decided(5, true), stored(6, "a", "title", [first])]
      const node = transactions(db, [all])
      const before = node.state()
      for (const one of all) {
        transactions(db, [[one]])
        assert.deepStrictEqual(node.state(), { ...before, digest: node.state().digest })
      }
    }))

  it.effect("lets an operation end versions of its own kind of thing alone, whatever it names", () =>
    Effect.gen(function*() {
      const target = stored(1, "a", "title")
      const vote = entry(2, { kind: "vote", vote: { id: "action", agent_id: "x", approved_at: stampAt(2) } })
      const unlink = entry(3, { kind: "unlink", entity: "link" }, [target])
      const { visible } = yield* everyOrder([target, unlink, vote, deleted(4, "b", [vote])])
      assert.deepStrictEqual(visible, [keyOf(refOf(target.operation))])
    }))

  it.effect("counts the earliest decision, takes out what a later one stored, and keeps an edit of it", () =>
    Effect.gen(function*() {
      const [first, second] = [decided(1, true), decided(2, true)]
      const approved = yield* everyOrder([first, second])
      assert.deepStrictEqual(approved, { visible: [keyOf(madeBy(first))], shadows: [], conflicts: [] })
      const overruled = yield* everyOrder([decided(1, false), second])
      assert.deepStrictEqual(overruled, { visible: [], shadows: [], conflicts: [] })
      const edit = stored(3, "made", "title", [madeBy(second)])
      const edited = yield* everyOrder([decided(1, false), second, edit])
      assert.deepStrictEqual(edited, { visible: [keyOf(refOf(edit.operation))], shadows: [], conflicts: [] })
      const both = yield* everyOrder([first, second, edit])
      assert.deepStrictEqual(both, {
        visible: [keyOf(refOf(edit.operation))],
        shadows: [],
        conflicts: [keyOf(madeBy(first))]
      })
    }))

  it.effect("ends what a decision covers, and never a decision", () =>
    Effect.gen(function*() {
      const target = stored(1, "a", "other")
      const [first, second] = [decided(2, true), decided(3, true)]
      const { visible } = yield* everyOrder([target, second, decided(4, false, [target, second]), first])
      assert.deepStrictEqual(visible, [keyOf(madeBy(first))])
    }))
})

const permutations = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  items.length === 0
    ? [[]]
    : items.flatMap((item, at) =>
      permutations([...items.slice(0, at), ...items.slice(at + 1)]).map((rest) => [item, ...rest])
    )
