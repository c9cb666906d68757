import * as FastCheck from "effect/FastCheck"
import { MemoryId, OpId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { type Kind, linkId, type Part } from "../../src/replication/kinds.js"
import { hashed, type Operation, type VersionRef } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"

/** One step of a history: a node writes, having seen some of what was written before. */
export interface Step {
  readonly kind: Kind
  readonly node: number
  /** Which of the few memories, links, actions or namespaces it is about. */
  readonly key: number
  readonly title: number
  readonly millis: number
  /** Of a decision: 0 rejects, 1 approves, 2 approves and stores a memory. */
  readonly verdict: number
  /** Bit i: what step i wrote was seen, and is ended. */
  readonly seen: number
  /** It names everything it saw among its covers, whatever that is, as no node of ours would. */
  readonly isAstray: boolean
  /** The client that asked for it under its one key, on whichever node; 0 without a key. */
  readonly client: number
}

/** What versions belong to: an operation ends those of its own family alone. */
export type Family = Part

export interface Version {
  readonly family: Family
  readonly ref: VersionRef
}

const MEMORIES: ReadonlyArray<Kind> = ["store", "store", "delete", "archive", "restore", "consolidate"]
const LINKS: ReadonlyArray<Kind> = ["link", "link", "unlink"]
const ACTIONS: ReadonlyArray<Kind> = ["pending", "vote", "vote", "decision", "decision", "decision"]
const STANDARDS: ReadonlyArray<Kind> = ["namespace_meta", "namespace_meta", "namespace_meta_clear"]

const SUBSCRIPTIONS: ReadonlyArray<Kind> = ["subscription", "subscription", "unsubscribe", "delivery", "delivery"]

/** Each history has one subject, so that its few operations have to do with each other; or several. */
const SUBJECTS: ReadonlyArray<ReadonlyArray<Kind>> = [
  MEMORIES,
  ["store", "store", "store", "delete"],
  ["decision", "decision", ...MEMORIES],
  ["decision"],
  ["store", "store", "earn", "earn", "archive", "delete"],
  ["store", "store", "earn", "earn", "earn"],
  ACTIONS,
  LINKS,
  STANDARDS,
  SUBSCRIPTIONS,
  [...MEMORIES, ...ACTIONS, ...LINKS, ...STANDARDS, ...SUBSCRIPTIONS, "earn", "earn"]
]

const upTo = (max: number) => FastCheck.integer({ min: 0, max })
/** Mostly 0, so that things meet. */
const mostlyNone = (max: number) => FastCheck.oneof(FastCheck.constant(0), upTo(max))
/** Each bit set one time in four, or in two. */
const bits = (count: number) => {
  const any = upTo(2 ** count - 1)
  return FastCheck.oneof(FastCheck.tuple(any, any).map(([a, b]) => a & b), any)
}

/** Histories of up to `max` operations, of which there may be 30. */
export const steps = (max: number): FastCheck.Arbitrary<ReadonlyArray<Step>> =>
  FastCheck.constantFrom(...SUBJECTS).chain((kinds) =>
    FastCheck.array(
      FastCheck.record({
        kind: FastCheck.constantFrom(...kinds),
        node: upTo(2),
        key: upTo(3),
        title: mostlyNone(1),
        millis: mostlyNone(3),
        verdict: upTo(2),
        seen: bits(max),
        isAstray: upTo(11).map((die) => die === 0),
        client: FastCheck.oneof(FastCheck.constant(0), upTo(2))
      }),
      { minLength: 1, maxLength: max, size: "max" }
    )
  )

/** The operations of a history. Two of one node never have the same stamp, two of several nodes often have. */
export const historyOf = (given: ReadonlyArray<Step>): ReadonlyArray<Entry> => {
  const made: Array<Entry> = []
  const taken = new Set<string>()
  for (const [index, step] of given.entries()) {
    const origin = Origin.make(`node-${step.node}/1`)
    const hlc = freeStamp(taken, origin, step.millis)
    const payload = payloadOf(step, index, hlc, made)
    const visited = made.filter((_, at) => (step.seen >> at) % 2 === 1).flatMap(versionsOf)
    const covers = visited.filter(({ family }) => step.isAstray || family === endedBy(step.kind))
    const entity = Payload.entityOf(payload)
    const operation = hashed({
      format: 2,
      opId: OpId.make(`op-${index}`),
      origin,
      oseq: made.filter((entry) => entry.operation.origin === origin).length + 1,
      hlc,
      kind: step.kind,
      entity,
      body: Payload.encode(payload),
      baseHlc: null,
      covers: covers.map(({ ref }) => ref),
      idempotency: keyedOf(step.client, made, { origin, entity })
    })
    made.push({ operation, payload })
  }
  return made
}

const keyedOf = (client: number, made: ReadonlyArray<Entry>, by: Pick<Operation, "origin" | "entity">) => {
  if (client === 0) return null
  const keyHash = `client-${client}`
  const isBefore = ({ operation: { entity, idempotency, origin } }: Entry) =>
    entity === by.entity && origin === by.origin && idempotency?.keyHash === keyHash
  return { keyHash, requestHash: "request", turn: made.filter(isBefore).length }
}

/** The family whose versions an operation of this kind ends. */
export const endedBy = (kind: Kind): Family => {
  switch (kind) {
    case "link":
    case "unlink":
      return "link"
    case "namespace_meta":
    case "namespace_meta_clear":
      return "namespace_meta"
    case "pending":
    case "vote":
      return kind
    case "earn":
      return "earned"
    case "quarantine":
    case "release":
      return "quarantine"
    case "subscription":
    case "unsubscribe":
      return "subscription"
    case "delivery":
      return "delivery"
    default:
      return "memory"
  }
}

/** Everything that an operation writes, whether it counts in the end or not. */
export const versionsOf = ({ operation, payload }: Entry): ReadonlyArray<Version> => {
  const { entity, hlc, kind, origin } = operation
  const memory = Payload.versionOf(payload)
  const own = kind === "decision" ? "decision" as const : endedBy(kind)
  return [
    ...(operation.body === null || own === "memory" ? [] : [{ family: own, ref: { id: entity, hlc, origin } }]),
    ...(memory === undefined ? [] : [{ family: "memory" as const, ref: { id: memory.id, hlc, origin } }])
  ]
}

export const keyOf = ({ hlc, id, origin }: VersionRef): string => `${id} ${hlc} ${origin}`

export const refOf = ({ entity, hlc, origin }: Operation): VersionRef => ({ id: entity, hlc, origin })

const freeStamp = (taken: Set<string>, origin: string, millis: number): Stamp.Stamp => {
  let counter = 0
  const at = () => Stamp.fromMillis(1_700_000_000_000 + millis, counter)
  while (taken.has(`${origin} ${at()}`)) counter++
  taken.add(`${origin} ${at()}`)
  return at()
}

/** The memory that an approved action makes has the id of the action's; others may write it, too. */
const memoryIdOf = (key: number) => key < 2 ? `id-${key}` : `made-${key % 2}`

const memoryOf = (id: string, title: number, index: number, stamp: Stamp.Stamp): Memory => ({
  id: MemoryId.make(id),
  tier: index % 2 === 0 ? "long" : "mid",
  namespace: "n",
  title: `title-${title}`,
  content: `content of op-${index}`,
  tags: [`tag-${index}`],
  priority: index % 10 + 1,
  confidence: (index + 0.5) / 32,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  ...(index % 3 === 0 ? { expires_at: stamp } : {}),
  metadata: { index }
})

const payloadOf = (
  { key, kind, node, title, verdict }: Step,
  index: number,
  stamp: Stamp.Stamp,
  made: ReadonlyArray<Entry>
): Payload.Payload => {
  const few = key % 2
  const memory = memoryOf(memoryIdOf(key), title, index, stamp)
  const link = { source_id: "a", target_id: `b-${few}`, relation: "related_to", created_at: stamp }
  switch (kind) {
    case "store":
    case "restore":
    case "consolidate":
      return { kind, memory }
    case "archive":
      return { kind, memory, archivedAt: stamp, reason: `reason of op-${index}` }
    case "delete":
      return { kind, entity: memory.id }
    case "link":
      return { kind, link: { ...link, observed_by: `agent-${index}` } }
    case "unlink":
      return { kind, entity: linkId(link) }
    case "pending":
      return { kind, action: actionOf(`pending-${few}`, index, stamp) }
    case "vote":
      return { kind, vote: { id: `pending-${few}`, agent_id: `agent-${title}`, approved_at: stamp } }
    case "decision":
      return {
        kind,
        decision: {
          id: `pending-${few}`,
          approved: verdict > 0,
          decider: `agent-${index}`,
          decided_at: stamp,
          ...(verdict > 1 ? { memory: memoryOf(`made-${few}`, title, index, stamp) } : {})
        }
      }
    case "namespace_meta":
      return {
        kind,
        meta: { namespace: `ns-${few}`, standard_id: `id-${index}`, parent_namespace: null, updated_at: stamp }
      }
    case "namespace_meta_clear":
      return { kind, entity: `ns-${few}` }
    case "quarantine":
      return {
        kind,
        quarantine: { id: `quarantine-${few}`, peer: `node-${title}`, reason: `op-${index}`, by: "admin", at: stamp }
      }
    case "release":
      return { kind, entity: `quarantine-${few}` }
    case "subscription": {
      const by = { agent_id: `agent-${title}`, created_by: `agent-${title}`, created_at: stamp }
      return { kind, subscription: { id: `subscription-${few}`, events: [], since: `c${index}`, ...by } }
    }
    case "unsubscribe":
      return { kind, entity: `subscription-${few}` }
    case "delivery":
      return {
        kind,
        delivery: { id: `subscription-${few}`, cursor: `c${index}`, dispatched: index, failed: verdict }
      }
    case "earn": {
      const versions = made.flatMap(versionsOf).filter(({ family, ref }) => family === "memory" && ref.id === memory.id)
      const { hlc, origin } = versions[node % versions.length]?.ref ?? { hlc: stamp, origin: Origin.make("nobody/1") }
      return {
        kind,
        earned: {
          memory_id: memory.id,
          hlc,
          origin,
          long: verdict === 2 && index % 2 === 0,
          priority: verdict === 2 ? index % 10 + 1 : null,
          expires_at: verdict === 1 ? stamp : null,
          expired: verdict === 0
            ? { at: stamp, reason: `end of op-${index}`, seen: index % 2 === 0 ? stamp : hlc }
            : null
        }
      }
    }
  }
}

const actionOf = (id: string, index: number, stamp: Stamp.Stamp) => ({
  id,
  action_type: "store" as const,
  memory_id: null,
  namespace: "n",
  payload: { index },
  requested_by: `agent-${index}`,
  requested_at: stamp,
  status: "pending",
  approvals: []
})
