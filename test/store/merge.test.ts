import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import type { VersionRef } from "../../src/replication/Operation.js"
import { places } from "../../src/store/log/Digest.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import { breathe } from "../breathe.js"
import { endedBy, type Family, historyOf, keyOf, refOf, steps, versionsOf } from "./histories.js"
import { buckets, model, type State, twinsOf } from "./model.js"
import * as Node from "./node.js"
import { scratchDatabase } from "./scratch.js"
import * as SiteLog from "./siteLog.js"

const HISTORIES = 2_000 * SiteLog.share
const PARTS = 8
/** Of fewer histories some have fewer than their share, by chance. */
const LEAST = SiteLog.share === 1 ? 800 : 400 * SiteLog.share
const MAX_OPERATIONS = 6
/** One history in so many goes through each of its orders literally. */
const LITERAL_EVERY = 40

const seed = Math.floor(Math.random() * 2 ** 30)
const started = performance.now()

/** Bit i: operation i is held. */
type Held = number
const includes = (held: Held, index: number): boolean => (held >> index) % 2 === 1
const add = (held: Held, index: number): Held => held | (1 << index)
const pick = (history: ReadonlyArray<Entry>, held: Held) => history.filter((_, index) => includes(held, index))

/** What the tests went through, so that one that goes through too little fails. */
const exercised = {
  histories: 0,
  orders: 0,
  applied: 0,
  duplicates: 0,
  sets: 0,
  literalOrders: 0,
  rows: { visible: 0, shadows: 0, archived: 0, conflicts: 0, objects: 0, covered: 0, ended: 0, aliases: 0 },
  overruled: 0
}

/** Texts are compared, for that is cheap; what differs is shown part by part. */
const assertSame = (actual: State, expected: State, expectedText: string) => {
  if (JSON.stringify(actual) === expectedText) return
  for (const part of parts) {
    const [is, should] = [actual[part], expected[part]].map((value) => JSON.stringify(value))
    assert.isTrue(is === should, `${part}\n  is        ${is}\n  should be ${should}`)
  }
}

const parts = ["memories", "conflicts", "objects", "covered", "ended", "aliases", "digest"] as const

/**
 * Every order of a history, with a duplicate of any operation at any place. Where all ways to hold a set of operations lead
 * to one state, what comes next depends on that set alone: so it is enough to apply to the state of each set each operation,
 * known or not, and to compare with the state of the set that comes of it. 6 operations have 64 sets and so 384 steps, which
 * stand for all of their 720 orders.
 */
const everyOrder = (node: Node.Node, history: ReadonlyArray<Entry>) => {
  const states = Array.from({ length: 1 << history.length }, (_, held) => {
    const expected = model(pick(history, held))
    return { expected, text: JSON.stringify(expected) }
  })
  const isAsExpected = (held: Held) => {
    const state = states[held]
    if (state !== undefined) assertSame(node.state(), state.expected, state.text)
  }
  const visit = (held: Held, next: number) => {
    checkSet(node.state(), pick(history, held))
    for (const [index, entry] of history.entries()) {
      node.trying(() => {
        node.apply(entry)
        isAsExpected(add(held, index))
        exercised.applied++
        if (includes(held, index)) exercised.duplicates++
        else if (index >= next) visit(add(held, index), index + 1)
      })
    }
  }
  isAsExpected(0)
  visit(0, 0)
  exercised.orders += factorial(history.length)
}

/** What holds of every set of operations, and so at every moment of every order, said without the model. */
const checkSet = (state: State, held: ReadonlyArray<Entry>) => {
  const rows = state.memories.map(readRow)
  const conflicts = state.conflicts.map((text) => `memory ${words(text, 3)}`)
  const objects = state.objects.map((text) => words(text, 4))
  const shown = new Set([...rows.map(({ key }) => `memory ${key}`), ...conflicts, ...objects])
  const ended = new Set(
    held.flatMap(({ operation: { covers, entity, kind } }) =>
      covers.filter(({ id }) => kind !== "earn" || id === entity).map(textOf(endedBy(kind)))
    )
  )
  for (const version of ended) assert.isFalse(shown.has(version), `${version} was ended, and is there`)
  const slots = rows.flatMap(({ place, slot }) => place === places.visible ? [slot] : [])
  assert.strictEqual(new Set(slots).size, slots.length, "one visible row for each slot")
  for (const { place, slot } of rows) if (place === places.shadow) assert.include(slots, slot)
  // Nothing that was written is absent, but for what an overruled decision stored.
  for (const entry of held) {
    for (const { family, ref } of versionsOf(entry)) {
      const version = textOf(family)(ref)
      const isOverruled = family === "memory" && entry.operation.kind === "decision" && !counts(entry, held)
      const isThere = shown.has(version) || ended.has(version) ||
        twinsOf(held, entry.operation).some((twin) =>
          shown.has(textOf(family)(refOf(twin))) || ended.has(textOf(family)(refOf(twin)))
        )
      assert.isTrue(isOverruled ? !shown.has(version) : isThere, version)
      if (isOverruled) exercised.overruled++
    }
  }
  exercised.sets++
  exercised.rows.visible += slots.length
  exercised.rows.shadows += rows.filter(({ place }) => place === places.shadow).length
  exercised.rows.archived += rows.filter(({ place }) => place === places.archived).length
  exercised.rows.conflicts += conflicts.length
  exercised.rows.objects += objects.length
  exercised.rows.covered += state.covered.length
  exercised.rows.ended += state.ended.length
  exercised.rows.aliases += state.aliases.length
}

/** The earliest decision of an action. */
const counts = ({ operation }: Entry, held: ReadonlyArray<Entry>) =>
  held.every((other) =>
    other.operation.kind !== "decision" || other.operation.entity !== operation.entity ||
    `${operation.hlc} ${operation.origin}` <= `${other.operation.hlc} ${other.operation.origin}`
  )

const readRow = (text: string) => {
  const row: ReadonlyArray<unknown> = JSON.parse(text)
  return { key: `${row[0]} ${row[15]} ${row[3]}`, place: row[2], slot: `${row[8]} ${row[9]}` }
}
const words = (text: string, count: number) => text.split(" ").slice(0, count).join(" ")
const textOf = (family: Family) => (ref: VersionRef) => `${family} ${keyOf(ref)}`

const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1)

/** One order as a node goes through it, in several transactions. */
const oneOrder = (
  node: Node.Node,
  order: ReadonlyArray<Entry>,
  endsTransaction: () => boolean,
  then: (held: ReadonlyArray<Entry>) => void
) => {
  const held = Array.from(new Set(order))
  const expected = model(held)
  const text = JSON.stringify(expected)
  node.trying(() => {
    for (const entry of order) {
      node.apply(entry)
      if (endsTransaction()) node.finish()
    }
    node.finish()
    assertSame(node.state(), expected, text)
    then(held)
  })
  exercised.literalOrders++
}

/** The index and the sums, kept on the way, are those of the rows that are there, and of a sum made anew. */
const checkKept = (node: Node.Node, chance: FastCheck.Stream<number>) => (held: ReadonlyArray<Entry>) => {
  node.checkIndex()
  const kept = node.buckets()
  assert.deepStrictEqual(kept, buckets(held))
  if (chance.next().value > 0.25) return
  node.rebuildDigest()
  assert.deepStrictEqual(node.buckets(), kept)
}

const chances = FastCheck.infiniteStream(FastCheck.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }))

const shuffled = <A>(items: ReadonlyArray<A>, chance: FastCheck.Stream<number>): ReadonlyArray<A> =>
  items.map((item) => ({ item, key: chance.next().value })).sort((a, b) => a.key - b.key).map(({ item }) => item)

const permutations = <A>(items: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  items.length === 0
    ? [[]]
    : items.flatMap((item, at) => permutations(items.filter((_, other) => other !== at)).map((rest) => [item, ...rest]))

const report = () => {
  const millis = Math.round(performance.now() - started)
  console.log(`merge.test.ts: seed ${seed}, ${millis} ms: ${JSON.stringify(exercised)}`)
}

describe("merge", () => {
  it.scoped.each(Array.from({ length: PARTS }, (_, part) => part))(
    `is one state for all orders of histories of up to ${MAX_OPERATIONS} operations: part %i`,
    (part) =>
      Effect.gen(function*() {
        const node = Node.make(yield* scratchDatabase)
        const kept = yield* SiteLog.keeping
        const property = FastCheck.asyncProperty(steps(MAX_OPERATIONS), chances, async (given, chance) => {
          await breathe()
          const history = await kept(historyOf(given))
          const ends = () => chance.next().value < 0.4
          everyOrder(node, history)
          oneOrder(node, shuffled([...history, ...history.slice(0, 2)], chance), ends, checkKept(node, chance))
          // That all orders follow from the steps between sets is itself put to the test, one order after the other.
          if (exercised.histories++ % LITERAL_EVERY === 0) {
            for (const order of permutations(history)) oneOrder(node, order, ends, () => {})
          }
        })
        yield* Effect.promise(() => FastCheck.assert(property, { seed: seed + part, numRuns: HISTORIES / PARTS }))
      }),
    120_000
  )

  it("went through enough of everything for that to mean anything", () => {
    report()
    const { histories, orders, overruled, rows } = exercised
    assert.isAtLeast(histories, HISTORIES)
    assert.isAbove(orders, 100_000 * SiteLog.share)
    for (const [name, times] of Object.entries({ ...rows, overruled })) assert.isAbove(times, LEAST, name)
  })

  it.scoped(
    "is one state for any orders of longer histories",
    () =>
      Effect.gen(function*() {
        const node = Node.make(yield* scratchDatabase)
        const kept = yield* SiteLog.keeping
        const property = FastCheck.asyncProperty(steps(24), chances, async (given, chance) => {
          await breathe()
          const history = await kept(historyOf(given))
          const ends = () => chance.next().value < 0.2
          for (const order of [history, shuffled(history, chance), [...history].reverse()]) {
            oneOrder(node, [...order, ...shuffled(history, chance).slice(0, 3)], ends, checkKept(node, chance))
          }
        })
        yield* Effect.promise(() => FastCheck.assert(property, { seed, numRuns: 300 * SiteLog.share }))
      }),
    120_000
  )
})
