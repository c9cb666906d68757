import { hash as digest } from "node:crypto"
import type { Change, Details, Event } from "../domain/Change.js"
import * as Earned from "../domain/Earned.js"
import type { Link } from "../domain/Link.js"
import type { Memory } from "../domain/Memory.js"
import * as Uuid from "../domain/Uuid.js"
import type { Kind } from "./kinds.js"
import { type Operation, twinKey, type VersionRef } from "./Operation.js"
import * as Payload from "./Payload.js"
import { withoutNames } from "./reissue.js"

/*
 * Which change an operation is, as whoever follows a node hears of it. It follows from the operation and what it ended alone, so that
 * all nodes tell the same of it.
 */

/** The kinds of which something is told. Votes, standards, quarantines and subscriptions are none of these. */
export const TOLD: ReadonlyArray<Kind> = [
  "store",
  "delete",
  "archive",
  "restore",
  "consolidate",
  "link",
  "unlink",
  "pending",
  "decision",
  "earn"
]

/** What the log says of versions that an operation names, whatever became of them. */
interface Before {
  readonly memory: (ref: VersionRef) => Memory | null
  readonly given: (ref: Pick<VersionRef, "hlc" | "origin">) => ReadonlyArray<Payload.Payload>
  /** Where the memory of an id is; null where none is there. */
  readonly namespaceOf: (id: string) => string | null
}

/** What is told of it; null where that is nothing. */
interface Told {
  readonly event: Event
  readonly memoryId: string | null
  readonly namespace: string
  readonly details: Details
}

/** The change that an operation is, or null for one that nobody is told of. */
export const changeOf = (operation: Operation, payload: Payload.Payload, before: Before): Change | null => {
  const told = toldOf(operation, payload, before)
  return told === null ? null : named(operation, payload, told)
}

/** Nobody decided in time what an operation asked for. */
export const expiryOf = (operation: Operation, payload: Payload.Payload<"pending">): Change =>
  named(operation, payload, { ...ofAction(payload), event: "pending_action_expired" })

const named = (operation: Operation, payload: Payload.Payload, told: Told): Change => ({
  ...told,
  id: idOf(operation, told.event),
  origin: operation.origin,
  seq: operation.oseq,
  at: operation.hlc,
  agentId: operation.agent ?? Payload.agentOf(payload)
})

/** Twins are one change; what was written again under another name has kept its id. */
const idOf = (operation: Operation, event: Event): string => {
  const key = twinKey(operation)
  return key === null && event !== "pending_action_expired"
    ? operation.opId
    : Uuid.fromHash(digest("sha256", JSON.stringify([key ?? operation.opId, operation.entity, event]), "hex"))
}

const toldOf = (operation: Operation, payload: Payload.Payload, before: Before): Told | null => {
  switch (payload.kind) {
    case "store":
      return ofStore(operation, payload.memory, before)
    case "restore":
      return ofMemory("memory_store", payload.memory, { restored: true })
    case "consolidate": {
      const ids = new Set(withoutNames(operation).covers.map(({ id }) => id))
      ids.delete(operation.entity)
      return ofMemory("memory_consolidated", payload.memory, { sources: [...ids] })
    }
    case "archive":
      return ofMemory("memory_delete", payload.memory, { archived: true })
    case "delete":
      return ofDelete(operation, before)
    case "earn":
      return ofEarned(operation, payload.earned, before)
    case "decision": {
      const { approved, id, memory } = payload.decision
      return approved && memory !== undefined
        ? ofMemory("memory_store", memory, { created: true, pending_id: id })
        : null
    }
    case "pending":
      return ofAction(payload)
    case "link":
      return ofLink(payload.link.valid_until === undefined ? "memory_link_created" : "memory_link_invalidated", {
        link: payload.link,
        before
      })
    case "unlink":
      return ofUnlink(operation, before)
    default:
      return null
  }
}

const ofMemory = (event: Event, { id, namespace, tier }: Memory, details: Details): Told => ({
  event,
  memoryId: id,
  namespace,
  details: { tier, ...details }
})

/** A version that is long-lived where the one that it replaced was not is a promotion. */
const ofStore = (operation: Operation, memory: Memory, before: Before): Told => {
  const base = operation.covers.find(({ hlc, id }) => id === memory.id && hlc === operation.baseHlc)
  const replaced = base === undefined ? null : before.memory(base)
  const isPromoted = replaced !== null && replaced.tier !== "long" && memory.tier === "long"
  return ofMemory(isPromoted ? "memory_promote" : "memory_store", memory, { created: operation.baseHlc === null })
}

const ofDelete = (operation: Operation, before: Before): Told | null => {
  for (const ref of withoutNames(operation).covers.filter(({ id }) => id === operation.entity)) {
    const ended = before.memory(ref)
    if (ended !== null) return ofMemory("memory_delete", ended, {})
  }
  return null
}

/** What recalls made long-lived, and what has ended by time. */
const ofEarned = (operation: Operation, earned: Earned.Earned, before: Before): Told | null => {
  const memory = before.memory({ id: earned.memory_id, hlc: earned.hlc, origin: earned.origin })
  if (memory === null) return null
  const earlier = withoutNames(operation).covers.flatMap(before.given).flatMap((payload) =>
    payload.kind === "earn" && payload.earned.memory_id === memory.id ? [payload.earned] : []
  )
  if (Earned.endOf(memory, earned) !== null && !earlier.some((known) => Earned.endOf(memory, known) !== null)) {
    return ofMemory("memory_delete", memory, { archived: true })
  }
  return earned.long && memory.tier !== "long" && !earlier.some(({ long }) => long)
    ? ofMemory("memory_promote", { ...memory, tier: "long" }, {})
    : null
}

const ofAction = ({ action }: Payload.Payload<"pending">): Told => ({
  event: "approval_requested",
  memoryId: action.memory_id,
  namespace: action.namespace,
  details: {
    pending_id: action.id,
    action_type: action.action_type,
    requested_by: action.requested_by,
    requested_at: action.requested_at
  }
})

const ofLink = (event: Event, { before, link }: { readonly link: Link; readonly before: Before }): Told => ({
  event,
  memoryId: link.source_id,
  namespace: before.namespaceOf(link.source_id) ?? "",
  details: {
    source_id: link.source_id,
    target_id: link.target_id,
    relation: link.relation,
    ...(link.valid_until === undefined ? {} : { valid_until: link.valid_until })
  }
})

const ofUnlink = (operation: Operation, before: Before): Told | null => {
  for (const payload of withoutNames(operation).covers.flatMap(before.given)) {
    if (payload.kind === "link") return ofLink("memory_link_invalidated", { link: payload.link, before })
  }
  return null
}
