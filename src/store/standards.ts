import * as Either from "effect/Either"
import * as NamespaceMeta from "../domain/NamespaceMeta.js"
import type { VersionRef } from "../replication/Operation.js"
import type { Transaction } from "./MemoryStore.js"

/** What standard a namespace has, as of this turn of the transaction. */
export const find = (now: Transaction, namespace: string): NamespaceMeta.NamespaceMeta | null => {
  const set = now.current("namespace_meta", namespace)
  return set === null ? null : Either.getOrThrow(NamespaceMeta.decode(JSON.parse(set.body)))
}

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
