import * as Either from "effect/Either"
import { decodeDecision } from "../../domain/PendingAction.js"
import { type Kind, kinds, type Part, type Payload } from "../../replication/kinds.js"
import { type Operation, twinKey, type VersionRef } from "../../replication/Operation.js"
import { versionOf } from "../../replication/Payload.js"
import { changeMemories, reseat } from "./memories.js"
import { changeObjects, counting, removeObject } from "./objects.js"
import {
  type Applied,
  type Change,
  isNewer,
  objectKey,
  type ObjectType,
  refKey,
  type Slice,
  type Version
} from "./Slice.js"

/** What an operation comes to, given the slice of the state that it can change. Applying it again changes nothing. */
export const apply = (slice: Slice, operation: Operation, payload: Payload): Applied =>
  rules[kinds[payload.kind].part](slice, operation, payload)

/** How an operation changes its part of the state. */
type Rule = (slice: Slice, operation: Operation, payload: Payload) => Applied

const ofObjects = (type: ObjectType): Rule => (slice, operation) => {
  const gives = objectOf(operation)
  const { changes, outcome } = changeObjects(slice, { type, ends: slice.ends, gives })
  return { outcome, changes: [...gives === null ? [] : keyed(slice, type, operation), ...changes] }
}

/** A new version of a memory, or the end of one. An id that the operation ends stands for its memory from then on. */
const ofMemories: Rule = (slice, operation, payload) => {
  const gives = memoryVersion(operation, payload)
  const { changes, outcome } = changeMemories(slice, {
    retracts: null,
    gives,
    successor: gives === null ? null : operation.entity,
    by: operation
  })
  return { outcome, changes: [...gives === null ? [] : keyed(slice, "memory", operation), ...changes] }
}

/** What the version that an operation gives is one with. */
const keyed = (slice: Slice, type: "memory" | ObjectType, operation: Operation): ReadonlyArray<Change> => {
  const ref = { id: operation.entity, hlc: operation.hlc, origin: operation.origin }
  const key = twinKey(operation)
  return [
    ...key === null ? [] : [{ _tag: "Keyed" as const, type, ref, twinKey: key }],
    ...again(slice, type, ref)
  ]
}

const again = ({ former }: Slice, type: "memory" | ObjectType, ref: VersionRef): ReadonlyArray<Change> =>
  former === null ? [] : [ref, ...former.versions].map(({ hlc, origin }) => ({
    _tag: "Keyed",
    type,
    ref: { id: ref.id, hlc, origin },
    twinKey: former.key
  }))

/**
 * The first decision counts, and what a later one stored is taken out again. No operation ends a decision: what it covers
 * are versions of memories, which end whether it counts or not.
 */
const ofDecisions: Rule = (slice, operation, payload) => {
  const decided = changeObjects(slice, { type: "decision", ends: [], gives: objectOf(operation) })
  const isApproved = payload.kind === "decision" && payload.decision.approved
  const stored = isApproved ? memoryVersion(operation, payload) : null
  const changed = changeMemories(slice, {
    retracts: overruledBy(slice.objects, operation),
    gives: decided.outcome === "applied" ? stored : null,
    successor: stored?.memory.id ?? null,
    by: operation
  })
  const renamed = stored === null ? [] : again(slice, "memory", { ...stored, id: stored.memory.id })
  return { outcome: decided.outcome, changes: [...renamed, ...decided.changes, ...changed.changes] }
}

/** It changes how the version stands that it was earned for, if that is the one that counts. */
const ofEarned: Rule = (slice, operation, payload) => {
  const { changes, outcome } = ofObjects("earned")(slice, operation, payload)
  const key = objectKey("earned", operation.entity)
  const gives = objectOf(operation)
  const left = (slice.objects.get(key) ?? []).filter(({ ref }) =>
    !slice.ends.some((end) => refKey(end) === refKey(ref))
  )
  const now = gives === null || slice.isEnded ? left : [...left, gives]
  return { outcome, changes: [...changes, ...reseat(slice, new Map([[key, now]]))] }
}

/** The merge rule of each part of the state. */
const rules: { readonly [P in Part]: Rule } = {
  memory: ofMemories,
  link: ofObjects("link"),
  pending: ofObjects("pending"),
  vote: ofObjects("vote"),
  decision: ofDecisions,
  namespace_meta: ofObjects("namespace_meta"),
  earned: ofEarned,
  quarantine: ofObjects("quarantine"),
  subscription: ofObjects("subscription"),
  delivery: ofObjects("delivery")
}

/** What is left of an operation when it is taken out: the versions that it gave go, and what it ended stays ended. */
export const withdraw = (slice: Slice, operation: Operation, payload: Payload): ReadonlyArray<Change> => {
  const { part } = kinds[payload.kind]
  const memory = memoryVersion(operation, payload)
  const retracts = memory === null ? null : { ...memory, id: memory.memory.id }
  const key = operation.body === null || part === "decision" ? null : twinKey(operation)
  const { entity: id, hlc, origin } = operation
  return [
    ...key === null ? [] : [{ _tag: "Unkeyed" as const, type: part, ref: { id, hlc, origin }, twinKey: key }],
    ...part === "memory" ? [] : removeObject(slice.objects, part, { ...operation, id: operation.entity }),
    ...retracts === null
      ? []
      : changeMemories(
        { ...slice, ends: [], older: [] },
        { retracts, gives: null, successor: null, by: operation }
      ).changes
  ]
}

/** The versions of memories that an operation gives. */
export const givenBy = (operation: Operation, payload: Payload): ReadonlyArray<VersionRef> => {
  const { hlc, origin } = operation
  const memory = versionOf(payload)
  return memory === undefined ? [] : [{ id: memory.id, hlc, origin }]
}

/** The version of a memory that was given by the decision that is the first no longer, if this one comes before it. */
export const overruledBy = (objects: Slice["objects"], decision: Operation): VersionRef | null => {
  const before = counting("decision", objects.get(objectKey("decision", decision.entity)) ?? [])
  if (before === undefined || !isNewer({ ...before.ref, hash: before.hash }, decision)) return null
  // A body was decoded and checked before it came in; one that fails now is a damaged database.
  const { memory } = Either.getOrThrow(decodeDecision(JSON.parse(before.body)))
  return memory === undefined ? null : { ...before.ref, id: memory.id }
}

/** The version of a memory that an operation gives; null when it only ends others. */
export const memoryVersion = <K extends Kind>(
  { hash, hlc, origin, oseq }: Pick<Operation, "hlc" | "origin" | "oseq" | "hash">,
  payload: Payload<K>
): Version | null => {
  const memory = versionOf(payload)
  if (memory === undefined) return null
  const archived = "archivedAt" in payload ? { at: payload.archivedAt, reason: payload.reason } : null
  return { hash, hlc, origin, oseq, memory, archived }
}

const objectOf = ({ body, entity: id, hash, hlc, origin, oseq }: Operation) =>
  body === null ? null : { ref: { id, hlc, origin }, hash, body, oseq }
