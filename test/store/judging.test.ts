import { assert, describe, it } from "@effect/vitest"
import type Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Authors from "../../src/access/Authors.js"
import { MemoryId, NodeId, OpId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import type * as PendingAction from "../../src/domain/PendingAction.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hashed, type Operation, type VersionRef } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import { memoryIdOf } from "../../src/store/deciding/governed.js"
import * as Judge from "../../src/store/judging/Judge.js"
import * as Digest from "../../src/store/log/Digest.js"
import * as OpLog from "../../src/store/log/OpLog.js"
import { atOnce } from "../../src/store/log/Steps.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import * as State from "../../src/store/state/State.js"
import { breathe } from "../breathe.js"
import { scratchDatabase } from "./scratch.js"

/*
 * What operations come to is a function of their set, also where some of them are void by others: any order, one state.
 */

const HISTORIES = 200
const ORDERS = 5
const seed = Math.floor(Math.random() * 2 ** 30)
/** Histories that are the same in each run, and go through all that may happen: by chance alone some runs do not. */
const KNOWN = { numRuns: 100, seed: 3 }

const at = (index: number) => Stamp.fromMillis(1_700_000_000_000 + index)
const origins = ["alpha/1", "beta/1", "mallory/1"].map((text) => Origin.make(text))

const memory = (id: string, index: number, more: Partial<Memory> = {}): Memory => ({
  id: MemoryId.make(id),
  tier: "long",
  namespace: "ruled",
  title: `title of ${id}`,
  content: `text ${index}`,
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: at(0),
  updated_at: at(index),
  metadata: { agent_id: index % 3 === 0 ? "poisoned" : "good" },
  ...more
})

const governances = [
  { write: "any", delete: "approve", approver: "human" },
  { write: "any", delete: "approve", approver: { agent: "chief" } },
  { write: "approve", delete: "any", approver: { consensus: 2 } },
  { write: "any", delete: "any" }
]

const asked = memory("asked", 1, { title: "what was asked for" })
const askedAgent = memory("asked", 1, {
  namespace: "_agents",
  title: "agent:voter-1",
  metadata: { agent_id: "voter-1" }
})
const askedBy = (key: number) => key === 3 ? askedAgent : asked

/** What a step says, by its kind: things are few, so that they meet. */
const payloadOf = (kind: string, index: number, key: number): Payload.Payload => {
  const stamp = at(index)
  const id = `m-${key % 3}`
  const pending = `pending-${key % 3}`
  const deleted = key === 5 ? "standard" : `m-${key % 3 - 1}`
  switch (kind) {
    case "standard":
      return {
        kind: "store",
        memory: memory("standard", index, {
          namespace: key > 3 ? "ruled" : "rules",
          metadata: { governance: governances[key % 4] }
        })
      }
    case "entry":
      return {
        kind: "namespace_meta",
        meta: { namespace: "ruled", standard_id: "standard", parent_namespace: null, updated_at: stamp }
      }
    case "clear":
      return { kind: "namespace_meta_clear", entity: "ruled" }
    case "store":
      return { kind: "store", memory: memory(id, index) }
    case "delete":
      return { kind: "delete", entity: id }
    case "archive":
      return { kind: "archive", memory: memory(id, index), archivedAt: stamp, reason: "archive" }
    case "consolidate":
      return {
        kind: "consolidate",
        memory: key < 3 ? memory("whole", index) : memory(`taker-${key % 2}`, index, {
          namespace: "rules",
          metadata: key === 3 ? {} : { governance: governances[key % 4] }
        })
      }
    case "agent":
      return {
        kind: "store",
        memory: memory(`agent-${key % 3}`, index, {
          namespace: "_agents",
          title: `agent:voter-${key % 3}`,
          metadata: { agent_id: `voter-${index === 7 ? 9 : key % 3}` }
        })
      }
    case "pending":
      return {
        kind: "pending",
        action: {
          id: pending,
          action_type: key % 3 === 0 ? "store" : "delete",
          memory_id: key % 3 === 0 ? null : deleted,
          namespace: "ruled",
          payload: key % 3 === 0 ? askedBy(key) : { id: deleted, title: "t" },
          requested_by: "good",
          requested_at: stamp,
          status: "pending",
          approvals: [],
          ...key > 1 ? { approver: key > 3 ? { agent: "chief" } : { consensus: 2 } } : {}
        }
      }
    case "vote":
      return { kind: "vote", vote: { id: pending, agent_id: `voter-${key % 3}`, approved_at: stamp } }
    case "decision":
      return {
        kind: "decision",
        decision: {
          id: pending,
          approved: key !== 5,
          decider: key > 2 ? "chief" : "somebody",
          decided_at: stamp,
          ...key % 3 === 0 ? { memory: { ...askedBy(key), id: memoryIdOf(pending), updated_at: stamp } } : {}
        }
      }
    case "quarantine":
      return {
        kind: "quarantine",
        quarantine: {
          id: `q-${key % 2}`,
          ...key % 2 === 0 ? { peer: "mallory" } : { agent: "poisoned" },
          reason: "test",
          by: "admin",
          at: stamp
        }
      }
    case "subscription": {
      const by = key > 2 ? "poisoned" : "good"
      const made = { agent_id: by, created_by: by, created_at: stamp, since: `c${index}` }
      return { kind: "subscription", subscription: { id: `s-${key % 2}`, events: [], ...made } }
    }
    case "unsubscribe":
      return { kind: "unsubscribe", entity: `s-${key % 2}` }
    case "delivery":
      return { kind: "delivery", delivery: { id: `s-${key % 2}`, cursor: `c${index}`, dispatched: index, failed: 0 } }
    default:
      return { kind: "release", entity: `q-${key % 2}` }
  }
}

const KINDS = [
  ["standard", "entry", "store", "delete", "archive", "consolidate", "clear", "pending", "decision"],
  ["standard", "entry", "store", "store", "delete", "delete", "quarantine", "release"],
  ["agent", "vote", "vote", "pending", "decision", "decision", "standard", "entry", "quarantine"],
  ["standard", "entry", "pending", "pending", "decision"],
  [
    "standard",
    "entry",
    "store",
    "store",
    "delete",
    "consolidate",
    "pending",
    "decision",
    "decision",
    "quarantine",
    "release"
  ],
  ["store", "store", "delete", "decision", "pending", "quarantine", "release", "archive", "consolidate"],
  ["subscription", "subscription", "unsubscribe", "delivery", "delivery", "quarantine", "release"]
]

const history = FastCheck.constantFrom(...KINDS).chain((kinds) =>
  FastCheck.array(
    FastCheck.record({
      kind: FastCheck.constantFrom(...kinds),
      node: FastCheck.integer({ min: 0, max: 2 }),
      key: FastCheck.integer({ min: 0, max: 5 }),
      seen: FastCheck.integer({ min: 0, max: 2 ** 12 - 1 })
    }),
    { minLength: 3, maxLength: 12, size: "max" }
  )
)

const partOf = (kind: string): string =>
  ["quarantine", "release"].includes(kind)
    ? "quarantine"
    : ["namespace_meta", "namespace_meta_clear"].includes(kind)
    ? "entry"
    : ["subscription", "unsubscribe"].includes(kind)
    ? "subscription"
    : ["vote", "pending", "delivery"].includes(kind)
    ? kind
    : "memory"

interface Step {
  readonly kind: string
  readonly node: number
  readonly key: number
  readonly seen: number
}

/** The operation of this place in a history. */
const entryOf = (
  payload: Payload.Payload,
  { index, ...name }: Pick<Operation, "origin" | "oseq" | "covers" | "agent"> & { readonly index: number }
): Entry => ({
  payload,
  operation: hashed({
    format: 2,
    opId: OpId.make(`op-${index}`),
    hlc: at(index + 1),
    kind: payload.kind,
    entity: Payload.entityOf(payload),
    body: Payload.encode(payload),
    baseHlc: null,
    idempotency: null,
    ...name
  })
})

const operationsOf = (steps: ReadonlyArray<Step>): ReadonlyArray<Entry> => {
  const made: Array<Entry> = []
  const counts = new Map<Origin, number>()
  for (const [index, { key, kind, node, seen }] of steps.entries()) {
    const origin = origins[node] ?? Origin.make("none/1")
    const oseq = (counts.get(origin) ?? 0) + 1
    counts.set(origin, oseq)
    const payload = payloadOf(kind, index + 1, key)
    const covers = made.filter(({ operation }, before) =>
      (seen >> before) % 2 === 1 && partOf(operation.kind) === partOf(payload.kind) &&
      (operation.body !== null)
    ).flatMap(({ operation, payload: given }): ReadonlyArray<VersionRef> => {
      const { entity, hlc, origin: by } = operation
      const version = Payload.versionOf(given)
      return partOf(operation.kind) !== "memory"
        ? [{ id: entity, hlc, origin: by }]
        : version === undefined
        ? []
        : [{ id: version.id, hlc, origin: by }]
    })
    // No node of ours ends one of these by another; a peer may say so all the same.
    const ends = ["vote", "pending", "decision"].includes(payload.kind) && (seen >> 11) % 2 === 0 ? [] : covers
    const agent = index % 4 === 1 ? { agent: "poisoned" } : {}
    made.push(entryOf(payload, { index, origin, oseq, covers: ends, ...agent }))
  }
  return made
}

/** One node in a database in memory, which takes operations as the store does. */
const nodeOf = (db: Database.Database, clock: Effect.Effect.Success<typeof Effect.clock>) => {
  const digest = Digest.make(db)
  const log = OpLog.make(db, {
    mint: () => "me",
    configuredId: Option.some(NodeId.make("me")),
    isRenewed: false,
    clock,
    authors: Authors.none
  })
  const state = State.make(db, digest)
  const judge = Judge.make({ writer: db, log, state, clock })
  const list = (sql: string) => db.prepare<[], string>(sql).pluck().all().sort()
  return {
    take: ({ operation, payload }: Entry) => {
      if (log.holds(operation.origin, operation.oseq)) return
      judge.apply(operation, payload)
      log.append(operation)
      atOnce(judge.settle())
      state.finish()
      digest.finish()
      log.finish()
    },
    state: () => ({
      memories: list("SELECT id || ' ' || hash || ' ' || visible || ' ' || origin FROM memories"),
      conflicts: list("SELECT memory_id || ' ' || hlc || ' ' || origin FROM conflicts"),
      objects: list("SELECT type || ' ' || key || ' ' || hlc || ' ' || current FROM objects"),
      voids: list("SELECT op_id || ' ' || why || ' ' || covers FROM voids"),
      digest: digest.state().total
    }),
    voids: (): ReadonlyArray<string> => list("SELECT why FROM voids")
  }
}

const described = (entries: ReadonlyArray<Entry>) =>
  entries.map(({ operation: { covers, entity, kind, opId, origin } }: { readonly operation: Operation }) =>
    `${opId} ${kind} ${entity} by ${origin} ends ${covers.map(({ hlc, id }) => `${id}@${hlc.slice(-12)}`).join(" ")}`
  )

describe("judging", () => {
  it.effect(
    `comes to one state in any order (seed ${seed})`,
    () =>
      Effect.gen(function*() {
        const clock = yield* Effect.clock
        const whys = new Map<string, number>()
        const samples = [
          ...FastCheck.sample(history, KNOWN),
          ...FastCheck.sample(history, { numRuns: HISTORIES, seed })
        ]
        const dice = FastCheck.sample(FastCheck.infiniteStream(FastCheck.nat()), { numRuns: 1, seed })[0]
        for (const steps of samples) {
          yield* Effect.promise(breathe)
          const entries = operationsOf(steps)
          const states: Array<{ readonly order: ReadonlyArray<Entry>; readonly text: string }> = []
          for (let order = 0; order < ORDERS; order++) {
            const shuffled = order === 0
              ? entries
              : entries.map((entry) => ({ entry, by: Number(dice?.next().value ?? 0) })).sort((a, b) => a.by - b.by)
                .map(({ entry }) => entry)
            const db = yield* scratchDatabase
            const node = nodeOf(db, clock)
            for (const entry of shuffled) node.take(entry)
            states.push({ order: shuffled, text: JSON.stringify(node.state(), null, 1) })
            for (const why of node.voids()) whys.set(why, (whys.get(why) ?? 0) + 1)
            db.close()
          }
          const [first, ...others] = states
          for (const { order, text } of others) {
            if (text === first?.text) continue
            assert.fail(
              `${described(entries).join("\n")}\n\nin order ${
                order.map(({ operation }) => operation.opId).join(" ")
              }:\n${text}\nelse\n${first?.text}`
            )
          }
        }
        // It went through enough of everything for that to mean anything.
        for (
          const why of [
            "it ends what may be deleted by approval alone",
            "its agent is not registered",
            "it has not the votes that it takes",
            "its decider is not the approver",
            "what it decides about is not known",
            "it names an approver that the namespace does not have",
            "it registers another agent than it names",
            "quarantined by q-0",
            "quarantined by q-1"
          ]
        ) assert.isAbove(whys.get(why) ?? 0, 0, `${why}: ${JSON.stringify([...whys])}`)
      }),
    { timeout: 120_000 }
  )

  /** The state of a node that takes them in this order. */
  const stateOf = (entries: ReadonlyArray<Entry>) =>
    Effect.gen(function*() {
      const node = nodeOf(yield* scratchDatabase, yield* Effect.clock)
      for (const entry of entries) node.take(entry)
      return node.state()
    })

  /** Each by a node of its own, so that they may come in any order; each ends what its number says. */
  const historyOf = (steps: ReadonlyArray<readonly [Payload.Payload, ...ends: ReadonlyArray<number>]>) => {
    const made: Array<Entry> = []
    for (const [index, [payload, ...ends]] of steps.entries()) {
      const covers = ends.flatMap((end): ReadonlyArray<VersionRef> => {
        const ended = made[end]
        return ended === undefined
          ? []
          : [{ id: ended.operation.entity, hlc: ended.operation.hlc, origin: ended.operation.origin }]
      })
      made.push(entryOf(payload, { index, origin: Origin.make(`node-${index}/1`), oseq: 1, covers }))
    }
    return made
  }

  const kept = [
    [payloadOf("standard", 1, 0)],
    [payloadOf("entry", 2, 0)],
    [{ kind: "store", memory: memory("m-0", 3) }],
    [{ kind: "store", memory: memory("m-1", 4) }]
  ] as const
  const asking = (id: string, of: string, index: number): Payload.Payload => ({
    kind: "pending",
    action: {
      id,
      action_type: "delete",
      memory_id: of,
      namespace: "ruled",
      payload: { id: of, title: "t" },
      requested_by: "good",
      requested_at: at(index),
      status: "pending",
      approvals: []
    }
  })
  const deciding = (id: string, approved: boolean, index: number): Payload.Payload => ({
    kind: "decision",
    decision: { id, approved, decider: "somebody", decided_at: at(index) }
  })
  const sameState = (entries: ReadonlyArray<Entry>, last: number) =>
    Effect.gen(function*() {
      const late = entries.filter((_, index) => index !== last).concat(entries[last] ?? [])
      const state = yield* stateOf(entries)
      assert.deepStrictEqual(yield* stateOf(late), state)
      return state
    })

  it.effect("takes back what was ended by a decision that an earlier one outdoes, also by an operation on another memory", () =>
    Effect.gen(function*() {
      const { memories } = yield* sameState(
        historyOf([
          ...kept,
          [asking("a", "m-0", 5)],
          [deciding("a", false, 6)],
          [deciding("a", true, 7)],
          [{ kind: "delete", entity: "m-2" }, 2]
        ]),
        5
      )
      assert.isTrue(memories.some((row) => row.startsWith("m-0 ")))
    }))

  it.effect("lets an operation end what is approved of several memories, whichever that is", () =>
    Effect.gen(function*() {
      const { memories } = yield* sameState(
        historyOf([
          ...kept,
          [asking("b", "m-1", 5)],
          [deciding("b", true, 6)],
          [{ kind: "delete", entity: "m-2" }, 2, 3]
        ]),
        5
      )
      assert.isFalse(memories.some((row) => row.startsWith("m-1 ")))
      assert.isTrue(memories.some((row) => row.startsWith("m-0 ")))
    }))

  it.effect("takes back what was approved of an action that is set aside", () =>
    Effect.gen(function*() {
      const steps = historyOf([
        ...kept,
        [asking("a", "m-0", 5)],
        [deciding("a", true, 6)],
        [{ kind: "delete", entity: "m-2" }, 2],
        [{
          kind: "quarantine",
          quarantine: { id: "q", peer: NodeId.make("node-4"), reason: "test", by: "admin", at: at(8) }
        }]
      ])
      const state = yield* sameState(steps, 4)
      assert.deepStrictEqual(yield* sameState(steps, 5), state)
      assert.deepStrictEqual(yield* sameState(steps, 6), state)
      assert.isTrue(state.memories.some((row) => row.startsWith("m-0 ")))
    }))

  /** The state that they come to, whichever comes first or last. */
  const anyOrder = (entries: ReadonlyArray<Entry>) =>
    Effect.gen(function*() {
      const state = yield* sameState(entries, 0)
      for (const [index, entry] of entries.entries()) {
        yield* sameState(entries, index)
        assert.deepStrictEqual(yield* stateOf([entry, ...entries.filter((_, at) => at !== index)]), state)
      }
      assert.deepStrictEqual(yield* stateOf(entries.toReversed()), state)
      return state
    })
  const isThere = ({ memories }: Effect.Effect.Success<ReturnType<typeof stateOf>>, id: string) =>
    memories.some((row) => row.startsWith(`${id} `))

  it.effect("takes back what was approved of an action that asked for something else by then", () =>
    Effect.gen(function*() {
      for (const later of [asking("pending-0", "m-1", 6), payloadOf("pending", 6, 0)]) {
        const state = yield* anyOrder(historyOf([
          ...kept,
          [asking("pending-0", "m-0", 5)],
          [later],
          [deciding("pending-0", true, 7)],
          [{ kind: "delete", entity: "m-2" }, 2]
        ]))
        assert.isTrue(isThere(state, "m-0"))
      }
    }))

  it.effect("leaves what was approved before an action asks for something else, or is said to be ended", () =>
    Effect.gen(function*() {
      for (const [id, ...ends] of [["a"], ["a", 4], ["b", 4], ["b", 5]] as const) {
        const state = yield* anyOrder(historyOf([
          ...kept,
          [asking("a", "m-0", 5)],
          [deciding("a", true, 6)],
          [{ kind: "delete", entity: "m-2" }, 2],
          [asking(id, "m-1", 8), ...ends]
        ]))
        assert.isFalse(isThere(state, "m-0"))
      }
    }))

  it.effect("takes a decision for an approval of what it is about, and of what was done after it", () =>
    Effect.gen(function*() {
      const end = [{ kind: "delete", entity: "m-2" }, 2] as const
      const there = (steps: Parameters<typeof historyOf>[0], id = "m-0") =>
        Effect.map(anyOrder(historyOf(steps)), (state) => isThere(state, id))
      const made = [deciding("a", true, 5)] as const
      assert.isTrue(yield* there([...kept, [asking("a", "m-0", 5)], end, [deciding("a", true, 7)]]), "made after it")
      assert.isTrue(
        yield* there([...kept, [asking("a", "m-1", 5)], [deciding("a", true, 6)], [asking("a", "m-0", 7)], end]),
        "about something else"
      )
      // Another node may have been told of the same action by an original, later.
      assert.isFalse(
        yield* there([...kept, [asking("a", "m-0", 5)], [deciding("a", true, 6)], [asking("a", "m-0", 7)], end]),
        "told twice"
      )
      // A clock that was wrong may have stamped the action after it.
      assert.isFalse(yield* there([...kept, made, [asking("a", "m-0", 6)], end]), "stamped before the action")
      const byChief = [[payloadOf("standard", 1, 1)], ...kept.slice(1)] as const
      assert.isTrue(yield* there([...byChief, made, [asking("a", "m-0", 6)], end]), "by who may not")
    }))

  /** A standard of `rules` that says this. */
  const saying = (index: number, governance: unknown): Payload.Payload => ({
    kind: "store",
    memory: memory("standard", index, { namespace: "rules", metadata: { governance } })
  })
  const byVotes = { write: "approve", delete: "any", approver: { consensus: 1 } }
  const storing = (id: string, index: number, by: Memory): Payload.Payload => ({
    kind: "decision",
    decision: {
      id,
      approved: true,
      decider: "somebody",
      decided_at: at(index),
      memory: { ...by, id: memoryIdOf(id), updated_at: at(index) }
    }
  })
  const askingFor = (
    id: string,
    payload: Memory,
    index: number,
    more: Pick<PendingAction.PendingAction, "approver"> = {}
  ): Payload.Payload => ({
    kind: "pending",
    action: {
      ...more,
      id,
      action_type: "store",
      memory_id: null,
      namespace: "ruled",
      payload,
      requested_by: "good",
      requested_at: at(index),
      status: "pending",
      approvals: []
    }
  })

  it.effect("judges no decision by a rule that it changes itself", () =>
    Effect.gen(function*() {
      yield* anyOrder(historyOf([
        [saying(1, { write: "any", delete: "any" })],
        [saying(2, byVotes)],
        [payloadOf("entry", 3, 0)],
        [storing("p", 4, asked), 1],
        [askingFor("p", asked, 5)]
      ]))
    }))

  it.effect("keeps what a decision stored that is stamped before the action, as long as that was asked for", () =>
    Effect.gen(function*() {
      const id = memoryIdOf("p")
      const early = [
        [saying(1, { write: "approve", delete: "any", approver: "human" })],
        [payloadOf("entry", 2, 0)],
        [storing("p", 3, asked)]
      ] as const
      assert.isTrue(isThere(yield* anyOrder(historyOf([...early, [askingFor("p", asked, 4)]])), id))
      assert.isFalse(isThere(yield* anyOrder(historyOf([...early, [askingFor("p", askedAgent, 4)]])), id))
      // An action that has no right then is none, and neither is one that is set aside.
      const bad = [askingFor("p", asked, 4, { approver: { agent: "chief" } })] as const
      assert.isFalse(isThere(yield* anyOrder(historyOf([...early, bad])), id))
      assert.isTrue(isThere(yield* anyOrder(historyOf([...early, bad, [askingFor("p", asked, 5)]])), id))
      const aside = [{
        kind: "quarantine",
        quarantine: { id: "q", peer: NodeId.make("node-3"), reason: "test", by: "admin", at: at(6) }
      }] as const
      const steps = [...early, [askingFor("p", asked, 4)], [askingFor("p", askedAgent, 5)], aside] as const
      assert.isFalse(isThere(yield* anyOrder(historyOf(steps)), id))
    }))

  it.effect("knows why a decision has no effect, whichever came first", () =>
    Effect.gen(function*() {
      const { voids } = yield* anyOrder(historyOf([
        [payloadOf("standard", 1, 4)],
        [payloadOf("entry", 2, 0)],
        [askingFor("p", asked, 3)],
        [askingFor("p", asked, 4, { approver: { agent: "chief" } })],
        [deciding("p", true, 5), 0]
      ]))
      assert.lengthOf(voids, 1)
    }))

  it.effect("judges a vote that another one has ended", () =>
    Effect.gen(function*() {
      const { voids } = yield* anyOrder(historyOf([
        [payloadOf("agent", 1, 1)],
        [payloadOf("agent", 2, 2)],
        [payloadOf("vote", 3, 1)],
        [payloadOf("vote", 4, 2), 2],
        [{
          kind: "quarantine",
          quarantine: { id: "q", peer: NodeId.make("node-0"), reason: "test", by: "admin", at: at(5) }
        }]
      ]))
      assert.lengthOf(voids.filter((why) => why.includes("not registered")), 1)
    }))

  it.effect("counts no vote that is allowed by the decision that it is for", () =>
    Effect.gen(function*() {
      const state = yield* anyOrder(historyOf([
        [saying(1, byVotes)],
        [payloadOf("entry", 2, 0)],
        [askingFor("p", askedAgent, 3)],
        [{ kind: "vote", vote: { id: "p", agent_id: "voter-1", approved_at: at(4) } }],
        [storing("p", 5, askedAgent)]
      ]))
      assert.isFalse(isThere(state, memoryIdOf("p")))
    }))

  it.effect("looks for the rule of a moment in what had taken a standard over by then", () =>
    Effect.gen(function*() {
      const rule = { write: "any", delete: "approve", approver: "human" }
      const whole = (index: number): Payload.Payload => ({
        kind: "store",
        memory: memory("whole", index, { namespace: "rules", metadata: { governance: rule } })
      })
      const state = yield* anyOrder(historyOf([
        [saying(1, rule)],
        [whole(2)],
        [payloadOf("entry", 3, 0)],
        [{ kind: "store", memory: memory("m-0", 4) }],
        [{ kind: "delete", entity: "standard" }, 0],
        [{ kind: "delete", entity: "m-2" }, 3],
        [whole(7), 0, 1]
      ]))
      assert.isFalse(isThere(state, "m-0"))
    }))

  describe("a standard that is taken over", () => {
    const kept = { write: "any", delete: "approve", approver: "human" }
    const free = { write: "any", delete: "any" }
    const standardOf = (id: string, index: number, governance?: object): Payload.Payload => ({
      kind: "store",
      memory: memory(id, index, { namespace: "rules", ...governance === undefined ? {} : { metadata: { governance } } })
    })
    const stored = [{ kind: "store", memory: memory("m-0", 3) }] as const
    const end = [{ kind: "delete", entity: "m-2" }, 2] as const

    /** Whether the memory that is deleted stays, in any order. */
    const keeps = (steps: Parameters<typeof historyOf>[0]) =>
      Effect.map(anyOrder(historyOf(steps)), (state) => isThere(state, "m-0"))

    it.effect("by two memories at once gives way to each from when that was stamped", () =>
      Effect.gen(function*() {
        const isKept = yield* keeps([
          [saying(1, kept)],
          [payloadOf("entry", 2, 0)],
          stored,
          [standardOf("taker-1", 4, kept), 0],
          end,
          [standardOf("taker-2", 6, free), 0]
        ])
        assert.isTrue(isKept)
      }))

    it.effect("by what says nothing says nothing from then on", () =>
      Effect.gen(function*() {
        const isKept = yield* keeps([
          [saying(1, kept)],
          [payloadOf("entry", 2, 0)],
          stored,
          [standardOf("taker-1", 4, kept), 0],
          [standardOf("taker-2", 5), 0],
          end
        ])
        assert.isFalse(isKept)
      }))

    it.effect("by one after the other, of which the middle one says nothing, has the word of the last", () =>
      Effect.gen(function*() {
        const isKept = yield* keeps([
          [saying(1, free)],
          [payloadOf("entry", 2, 0)],
          stored,
          [standardOf("taker-1", 4), 0],
          [standardOf("taker-2", 5, kept), 3],
          end
        ])
        assert.isTrue(isKept)
      }))

    it.effect("has the word that a decision stored later, also where that came first", () =>
      Effect.gen(function*() {
        const id = memoryIdOf("p")
        const isKept = yield* keeps([
          [askingFor("p", asked, 1)],
          [{
            kind: "namespace_meta",
            meta: { namespace: "ruled", standard_id: id, parent_namespace: null, updated_at: at(2) }
          }],
          stored,
          [standardOf(id, 4, kept)],
          [storing("p", 5, asked)],
          end
        ])
        assert.isFalse(isKept)
      }))

    it.effect("is followed also where it said nothing itself", () =>
      Effect.gen(function*() {
        const isKept = yield* keeps([
          [standardOf("standard", 1)],
          [payloadOf("entry", 2, 0)],
          stored,
          [standardOf("taker-1", 4, kept), 0],
          end,
          [saying(6, free)]
        ])
        assert.isTrue(isKept)
      }))
  })

  it.effect("follows verdicts that hang on each other, however many they are", () =>
    Effect.gen(function*() {
      const count = 80
      const approve = { governance: governances[0] }
      const standard = (index: number): Payload.Payload => ({
        kind: "store",
        memory: memory(`s-${index}`, index + 1, {
          namespace: index === 0 ? "none" : `n-${index - 1}`,
          metadata: approve
        })
      })
      const entry = (index: number): Payload.Payload => ({
        kind: "namespace_meta",
        meta: { namespace: `n-${index}`, standard_id: `s-${index}`, parent_namespace: null, updated_at: at(index) }
      })
      const all = Array.from({ length: count }, (_, index) => index)
      const entries = historyOf([
        ...all.map((index) => [standard(index)] as const),
        ...all.map((index) => [entry(index)] as const),
        ...all.slice(1).map((index) => [{ kind: "delete", entity: "else" }, index] as const)
      ])
      const rules = entries.slice(count + 1, 2 * count)
      const first = entries[count]
      const state = yield* stateOf(entries)
      const late = [...entries.slice(0, count), ...rules, ...entries.slice(2 * count).toReversed(), first]
      assert.deepStrictEqual(yield* stateOf(late.flatMap((entry) => entry ?? [])), state)
      assert.lengthOf(state.memories, count)
    }))
})
