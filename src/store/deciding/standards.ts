import * as Either from "effect/Either"
import * as AgentId from "../../domain/AgentId.js"
import * as Governance from "../../domain/Governance.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import type { VersionRef } from "../../replication/Operation.js"
import { archivedId, liveId } from "./liveId.js"
import type { Held, Transaction } from "./Transaction.js"

/** What standard a namespace has, as of this turn of the transaction. */
export const find = (now: Transaction, namespace: string): NamespaceMeta.NamespaceMeta | null => {
  const set = now.current("namespace_meta", namespace)
  return set === null ? null : Either.getOrThrow(NamespaceMeta.decode(JSON.parse(set.body)))
}

/** The namespace whose standard a memory is, live or archived; null for any other memory. */
export const ofMemory = (now: Looking, id: string): string | null => {
  if (!now.any("namespace_meta")) return null
  const metas = now.standardsNear(id).map((body) => Either.getOrThrow(NamespaceMeta.decode(JSON.parse(body))))
  const found = metas.find(({ standard_id }) =>
    (liveId(now, standard_id) ?? archivedId(now, standard_id))?.memory.id === id
  )
  return found?.namespace ?? null
}

type Looking = Pick<Transaction, "any" | "standardsNear" | "alias" | "byId" | "archivedById">

/** Everything that a new standard of the namespace, or its clearing, ends. */
export const versions = (now: Transaction, namespace: string): ReadonlyArray<VersionRef> =>
  now.versions("namespace_meta", namespace).map(({ ref }) => ref)

/** Who a namespace most likely belongs to when nobody said: its name without the last of its `-` parts, if that has one. */
export const guessParent = (now: Transaction, namespace: string): string | null => {
  for (let at = namespace.lastIndexOf("-"); at > 0; at = namespace.lastIndexOf("-", at - 1)) {
    const candidate = namespace.slice(0, at)
    if (now.current("namespace_meta", candidate) !== null) return candidate
  }
  return null
}

/** What holds in a namespace. */
interface Rules {
  readonly policy: Governance.Policy
  /** The owner of the nearest standard: the namespace is that agent's. */
  readonly owner: string | null
}

/** The rules of a namespace by its own standard and those it inherits; null where nobody set any. */
export const rulesOf = (now: Transaction, namespace: string): Rules | null => {
  const chain = Governance.chainOf(namespace, (name) => find(now, name)?.parent_namespace ?? null)
  const standards = chain.flatMap((name) => memoryOf(now, find(now, name)) ?? []).reverse()
  const policy = Governance.resolve(standards.map(({ memory }) => memory.metadata))
  if (policy === null) return null
  const owner = standards[0]?.memory.metadata["agent_id"]
  return { policy, owner: AgentId.is(owner) ? owner : null }
}

/** The memory that an entry points at, also when another took it over; a deleted or archived one is no standard. */
const memoryOf = (now: Transaction, meta: NamespaceMeta.NamespaceMeta | null): Held | null =>
  meta === null ? null : liveId(now.whole, meta.standard_id)
