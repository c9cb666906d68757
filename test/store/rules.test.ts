import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { MemoryId, OpId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import type { Kind } from "../../src/replication/kinds.js"
import { hashed, type VersionRef } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import { apply } from "../../src/store/state/apply.js"
import { type Change, places, type Row, type Slice, slotKey } from "../../src/store/state/Slice.js"
import { historyOf, steps } from "./histories.js"
import * as InMemory from "./inMemory.js"
import { model } from "./model.js"

const seed = Math.floor(Math.random() * 2 ** 30)
console.log(`rules.test.ts: seed ${seed}`)

const empty: Slice = {
  rows: new Map(),
  next: new Map(),
  claims: new Map(),
  ends: [],
  older: [],
  standing: null,
  isCovered: false,
  isEnded: false,
  former: null,
  objects: new Map()
}

const memoryOf = (id: string, title: string, stamp: Stamp.Stamp): Memory => ({
  id: MemoryId.make(id),
  tier: "long",
  namespace: "n",
  title,
  content: "c",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: {}
})

const at = (millis: number) => Stamp.fromMillis(1_700_000_000_000 + millis)

const entryOf = (
  payload: Payload.Payload,
  options: { readonly millis: number; readonly covers?: ReadonlyArray<VersionRef> }
): Entry => ({
  payload,
  operation: hashed({
    format: 2,
    opId: OpId.make(`op-${options.millis}`),
    origin: Origin.make("node/1"),
    oseq: options.millis,
    hlc: at(options.millis),
    kind: payload.kind,
    entity: Payload.entityOf(payload),
    body: Payload.encode(payload),
    baseHlc: null,
    covers: options.covers ?? [],
    idempotency: null
  })
})

const storeOf = (id: string, title: string, millis: number, covers: ReadonlyArray<VersionRef> = []): Entry =>
  entryOf({ kind: "store", memory: memoryOf(id, title, at(millis)) }, { millis, covers })

const rowOf = ({ operation }: Entry, title: string, place: Row["place"]): Row => ({
  id: operation.entity,
  hlc: operation.hlc,
  origin: operation.origin,
  oseq: operation.oseq,
  hash: operation.hash,
  namespace: "n",
  title,
  place,
  use: { accessCount: 3, lastAccessedAt: null, extendedUntil: null },
  rid: 1
})

const refOf = ({ operation: { entity, hlc, origin } }: Entry): VersionRef => ({ id: entity, hlc, origin })

const applied = (slice: Partial<Slice>, { operation, payload }: Entry) =>
  apply({ ...empty, ends: operation.covers, ...slice }, operation, payload)

const tags = (changes: ReadonlyArray<Change>) => changes.map(({ _tag }) => _tag)

describe("the rules of the state", () => {
  it("put a memory into a slot that is free", () => {
    const { changes, outcome } = applied({}, storeOf("a", "t", 1))
    assert.strictEqual(outcome, "applied")
    assert.deepStrictEqual(changes.map((change) => [change._tag, "place" in change && change.place]), [
      ["RowInserted", places.visible]
    ])
  })

  it("let the greater of two claims be seen, whichever comes first", () => {
    const [older, newer] = [storeOf("a", "t", 1), storeOf("b", "t", 2)]
    const slot = slotKey({ namespace: "n", title: "t" })
    const behind = applied({ claims: new Map([[slot, rowOf(newer, "t", places.visible)]]) }, older)
    assert.strictEqual(behind.outcome, "shadowed")
    assert.deepStrictEqual(tags(behind.changes), ["RowInserted"])
    const before = applied({ claims: new Map([[slot, rowOf(older, "t", places.visible)]]) }, newer)
    assert.strictEqual(before.outcome, "applied")
    assert.deepStrictEqual(tags(before.changes), ["RowMoved", "RowInserted"])
  })

  it("let a shadow come forward when the one before it ends", () => {
    const [shadow, holder] = [storeOf("a", "t", 1), storeOf("b", "t", 2)]
    const end = entryOf({ kind: "delete", entity: "b" }, { millis: 3, covers: [refOf(holder)] })
    const { changes } = applied({
      rows: new Map([["b", rowOf(holder, "t", places.visible)]]),
      claims: new Map([[slotKey({ namespace: "n", title: "t" }), rowOf(shadow, "t", places.shadow)]])
    }, end)
    assert.deepStrictEqual(tags(changes), ["Covered", "RowRemoved", "RowMoved"])
  })

  it("never let a version live that was ended before it came", () => {
    const { changes, outcome } = applied({ isCovered: true }, storeOf("a", "t", 1))
    assert.deepStrictEqual([changes, outcome], [[], "superseded"])
  })

  it("keep what lost, and the use that a node made of the memory", () => {
    const [seen, concurrent] = [storeOf("a", "t", 1), storeOf("a", "t", 2)]
    const { changes } = applied({ rows: new Map([["a", rowOf(seen, "t", places.visible)]]) }, concurrent)
    assert.deepStrictEqual(tags(changes), ["RowRemoved", "RowInserted", "ConflictAdded"])
    assert.deepStrictEqual(changes.flatMap((change) => change._tag === "RowInserted" ? change.use?.accessCount : []), [
      3
    ])
  })

  it("have the id of an ended memory stand for what ended it", () => {
    const [ended, kept] = [storeOf("a", "old", 1), storeOf("b", "t", 2)]
    const { changes } = applied(
      { rows: new Map([["a", rowOf(ended, "old", places.visible)]]) },
      storeOf("b", "t", 3, [refOf(ended), refOf(kept)])
    )
    assert.deepStrictEqual(
      changes.flatMap((change) => change._tag === "Aliased" ? [[change.id, change.target]] : []),
      [["a", "b"]]
    )
  })

  it("come to the state of the model in any order, with any duplicates, without a database", () => {
    let operations = 0
    const kinds = new Set<Kind>()
    FastCheck.assert(
      FastCheck.property(steps(10), FastCheck.infiniteStream(FastCheck.nat()), (given, chance) => {
        const history = historyOf(given)
        const shuffled = history.flatMap((entry) => (chance.next().value ?? 0) % 4 === 0 ? [entry, entry] : [entry])
          .map((entry) => ({ entry, turn: chance.next().value ?? 0 }))
          .sort((a, b) => a.turn - b.turn).map(({ entry }) => entry)
        const node = InMemory.make()
        for (const entry of shuffled) {
          node.apply(entry)
          operations++
          kinds.add(entry.operation.kind)
        }
        const { digest: _, ...expected } = model(history)
        assert.deepStrictEqual(node.state(), expected)
      }),
      { seed, numRuns: 3_000 }
    )
    assert.isAbove(operations, 15_000)
    assert.strictEqual(kinds.size, 16)
  }, 120_000)
})
