import * as Option from "effect/Option"
import type { Memory } from "./Memory.js"

/**
 * What an agent that stands at a namespace may see. Its own namespace always; and by the scope of a memory, wherever that
 * is in a subtree: `team` that of the parent of the agent's namespace, `unit` of the grandparent, `org` of the
 * great-grandparent, `collective` everything. A memory with another scope or none is private to its namespace. A scope
 * whose ancestor does not exist, because the agent stands too high, opens nothing more.
 */
export interface Reach {
  readonly own: string
  readonly team: Option.Option<string>
  readonly unit: Option.Option<string>
  readonly org: Option.Option<string>
}

/** The scopes that open a subtree. */
export const SUBTREE_SCOPES = ["team", "unit", "org"] as const

export const reachOf = (namespace: string): Reach => {
  const team = parentOf(namespace)
  const unit = Option.flatMap(team, parentOf)
  return { own: namespace, team, unit, org: Option.flatMap(unit, parentOf) }
}

/** Scopes are no access control: a caller that does not say where it stands sees everything. */
export const isVisible = (reach: Reach, memory: Pick<Memory, "namespace" | "metadata">): boolean => {
  const { metadata, namespace } = memory
  if (namespace === reach.own || metadata["scope"] === "collective") return true
  const scope = SUBTREE_SCOPES.find((name) => name === metadata["scope"])
  return scope !== undefined && Option.exists(reach[scope], (root) => isWithin(root, namespace))
}

const isWithin = (root: string, namespace: string): boolean => namespace === root || namespace.startsWith(`${root}/`)

const parentOf = (namespace: string): Option.Option<string> => {
  const slash = namespace.lastIndexOf("/")
  return slash > 0 ? Option.some(namespace.slice(0, slash)) : Option.none()
}
