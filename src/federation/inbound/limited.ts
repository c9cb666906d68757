import type * as Link from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import { allows, type Namespaces } from "../../domain/namespaces.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import * as governed from "../../store/deciding/governed.js"
import { archivedId, liveId } from "../../store/deciding/liveId.js"
import type { Transaction } from "../../store/MemoryStore.js"

/*
 * Which namespaces an item of an original node touches, which names things by their ids: looked up at its turn in the transaction.
 * What is not known here is in none that a limited peer may touch, so that it does not learn what there is.
 */

/** Null where that is not known. */
export type Where = (now: Transaction) => ReadonlyArray<string | null>

export const ofRow = (row: Memory): Where => (now) => [
  row.namespace,
  ...[liveId(now, row.id), archivedId(now, row.id)].flatMap((found) => found === null ? [] : [found.memory.namespace])
]

export const ofId = (id: string): Where => (now) => [liveId(now, id)?.memory.namespace ?? null]

export const ofArchived = (id: string): Where => (now) => [archivedId(now, id)?.memory.namespace ?? null]

export const ofLink = ({ source_id, target_id }: Link.Link): Where => (now) => [
  ...ofId(source_id)(now),
  ...ofId(target_id)(now)
]

export const ofAction = ({ action_type, memory_id, namespace }: PendingAction.Valid): Where => (now) => [
  namespace,
  ...memory_id === null || action_type === "store" ? [] : ofId(memory_id)(now)
]

export const ofDecision = ({ id }: PendingAction.Decision): Where => (now) => [
  governed.find(now, id)?.action.namespace ?? null
]

export const of = (namespace: string): Where => () => [namespace]

/** Whether a peer that is limited to these may touch it. */
export const mayTouch = (limit: Namespaces | null, where: Where, now: Transaction): boolean =>
  limit === null || where(now).every((namespace) => namespace !== null && allows(limit, namespace))
