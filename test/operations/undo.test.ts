import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { MemoryId, OpId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as quorate from "../../src/index.js"
import { quarantine, release } from "../../src/operations/undo/quarantine.js"
import { revert } from "../../src/operations/undo/revert.js"
import { linkId } from "../../src/replication/kinds.js"
import { hashed, type VersionRef } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import { type Entry, MemoryStore } from "../../src/store/MemoryStore.js"

/*
 * Whatever was done before and beside it: what a quarantine hides is as if it had never been, a revert writes that down once, and
 * it stays so after a release, on another node as well.
 */

const HISTORIES = 120
const seed = Math.floor(Math.random() * 2 ** 30)

const at = (index: number) => Stamp.fromMillis(1_700_000_000_000 + index)

interface Step {
  readonly kind: string
  readonly node: number
  readonly key: number
  readonly seen: number
  readonly isBad: boolean
}

const history = FastCheck.record({
  steps: FastCheck.array(
    FastCheck.record({
      kind: FastCheck.constantFrom(
        "store",
        "store",
        "store",
        "delete",
        "archive",
        "consolidate",
        "link",
        "link",
        "unlink"
      ),
      node: FastCheck.integer({ min: 0, max: 2 }),
      key: FastCheck.integer({ min: 0, max: 3 }),
      seen: FastCheck.integer({ min: 0, max: 2 ** 12 - 1 }),
      isBad: FastCheck.boolean()
    }),
    { minLength: 3, maxLength: 12, size: "max" }
  ),
  byAgent: FastCheck.boolean(),
  since: FastCheck.integer({ min: 0, max: 6 })
})

/** Two of four memories have one title. */
const memoryOf = (space: string, { isBad, key }: Step, index: number): Memory => ({
  id: MemoryId.make(`${space}-m-${key}`),
  tier: "long",
  namespace: space,
  title: `title ${key % 3}`,
  content: `text ${index}`,
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: at(0),
  updated_at: at(index),
  metadata: { agent_id: isBad ? `${space}-bad` : "good" }
})

const payloadOf = (space: string, step: Step, index: number): Payload.Payload => {
  const memory = memoryOf(space, step, index)
  const link = {
    source_id: memory.id,
    target_id: `${space}-m-${(step.key + 1) % 4}`,
    relation: "related_to",
    created_at: at(index)
  }
  switch (step.kind) {
    case "delete":
      return { kind: "delete", entity: memory.id }
    case "archive":
      return { kind: "archive", memory, archivedAt: at(index), reason: "archive" }
    case "consolidate":
      return { kind: "consolidate", memory: { ...memory, id: MemoryId.make(`${space}-whole`) } }
    case "link":
      return { kind: "link", link }
    case "unlink":
      return { kind: "unlink", entity: linkId(link) }
    default:
      return { kind: "store", memory }
  }
}

const isOfLinks = (kind: string): boolean => kind === "link" || kind === "unlink"

const entriesOf = (space: string, steps: ReadonlyArray<Step>): ReadonlyArray<Entry> => {
  const made: Array<Entry> = []
  const counts = new Map<Origin, number>()
  for (const [index, step] of steps.entries()) {
    const origin = Origin.make(`${space}-${["alpha", "beta", "mallory"][step.node]}/1`)
    const oseq = (counts.get(origin) ?? 0) + 1
    counts.set(origin, oseq)
    const payload = payloadOf(space, step, index + 1)
    const entity = Payload.entityOf(payload)
    const covers = made.flatMap(({ operation }, before): ReadonlyArray<VersionRef> =>
      (step.seen >> before) % 2 === 1 && operation.body !== null &&
        isOfLinks(operation.kind) === isOfLinks(payload.kind) &&
        (!isOfLinks(payload.kind) || operation.entity === entity)
        ? [{ id: operation.entity, hlc: operation.hlc, origin: operation.origin }]
        : []
    )
    const operation = hashed({
      format: 2,
      opId: OpId.make(`${space}-op-${index}`),
      origin,
      oseq,
      hlc: at(index + 1),
      kind: payload.kind,
      entity,
      body: Payload.encode(payload),
      baseHlc: covers.find(({ id }) => id === entity)?.hlc ?? null,
      covers,
      idempotency: null,
      agent: step.isBad ? `${space}-bad` : "good"
    })
    made.push({ operation, payload })
  }
  return made
}

const node = quorate.MemoryNode.layer.pipe(
  Layer.provide(quorate.NodeConfig.layerWith({ db: ":memory:" })),
  Layer.provideMerge(quorate.Metrics.layer),
  Layer.provide(Logger.remove(Logger.defaultLogger))
)

/** What stands of a space, whoever wrote it last. */
const standing = (space: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const memories = yield* sql`SELECT id, title, content, visible, metadata FROM memories
      WHERE namespace = ${space} ORDER BY id`
    const links = yield* sql`SELECT key, body FROM objects
      WHERE type = 'link' AND current = 1 AND instr(body, ${`"${space}-m-`}) > 0 ORDER BY key`
    return JSON.stringify({ memories, links }, null, 1)
  })

const everything = Effect.gen(function*() {
  const store = yield* MemoryStore
  const all: Array<Entry> = []
  for (const origin of store.vector().keys()) {
    const found = yield* store.operations({ origin, from: 1, to: 100_000 }, 100_000)
    all.push(...found.map((operation) => ({ operation, payload: Payload.ofLog(operation) })))
  }
  return { all, digest: store.digest() }
})

const described = (entries: ReadonlyArray<Entry>) =>
  entries.map(({ operation: { agent, covers, entity, hlc, kind, opId, origin } }) =>
    `${opId} ${hlc.slice(17, 29)} ${kind} ${entity} by ${origin} for ${agent} ends ${
      covers.map(({ hlc, id }) => `${id}@${hlc.slice(17, 29)}`).join(" ")
    }`
  ).join("\n")

describe("a revert", () => {
  it.live(
    `writes what stands while the quarantine does, whatever was done before (seed ${seed})`,
    () =>
      Effect.gen(function*() {
        let reverted = 0
        const samples = FastCheck.sample(history, { numRuns: HISTORIES, seed })
        const { all, digest } = yield* Effect.gen(function*() {
          const { receive } = yield* MemoryStore
          for (const [run, { byAgent, since, steps }] of samples.entries()) {
            const space = `s${run}`
            const entries = entriesOf(space, steps)
            yield* receive(entries)
            const whose = byAgent ? { agent: `${space}-bad` } : { peer: `${space}-mallory` }
            const { quarantine: { id } } = yield* quarantine({ ...whose, since: at(since), reason: "test" })
            const before = yield* standing(space)
            const what = `${described(entries)}\n${JSON.stringify(whose)} since ${at(since)}`
            const first = yield* revert(id)
            assert.strictEqual(yield* standing(space), before, `reverted\n${what}`)
            const { deleted, links, restored } = yield* revert(id)
            assert.deepStrictEqual(
              { deleted, links, restored },
              { deleted: 0, links: 0, restored: 0 },
              `again\n${what}`
            )
            yield* release(id)
            assert.strictEqual(yield* standing(space), before, `released\n${what}`)
            reverted += first.restored + first.deleted + first.links
          }
          return yield* everything
        }).pipe(Effect.provide(node))
        assert.isAbove(reverted, HISTORIES / 2)
        const shuffled = all.map((entry, index) => ({ entry, by: (index * 7919) % 104_729 }))
          .sort((a, b) => a.by - b.by).map(({ entry }) => entry)
        const other = yield* Effect.gen(function*() {
          const store = yield* MemoryStore
          yield* store.receive(shuffled)
          return store.digest()
        }).pipe(Effect.provide(node))
        assert.strictEqual(other, digest)
      }),
    { timeout: 120_000 }
  )
})
