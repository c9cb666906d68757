import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { MAX_APPROVALS } from "./limits.js"
import type { Metadata } from "./Memory.js"
import type * as PendingAction from "./PendingAction.js"
import { decoder } from "./ShapeError.js"
import * as rules from "./validate.js"

/** Who may do a thing: everybody, registered agents, the owner alone, or everybody once it is approved. */
export const Level = Schema.Literal("any", "registered", "owner", "approve").annotations({
  description: "one of any, registered, owner, approve"
})
export type Level = typeof Level.Type

/** An approver as a request gives it: its fields are of the right types, but there may be none or both of them. */
const GivenApprover = Schema.Union(
  Schema.Literal("human"),
  Schema.Struct({ agent: absentable(Schema.String), consensus: absentable(Schema.Int) })
).annotations({ description: "\"human\", {\"agent\": id} or {\"consensus\": n}" })

/** A policy as a request gives it. Only `write` is mandatory; null stands for absent. */
export const Given = Schema.Struct({
  write: Level,
  promote: absentable(Level),
  delete: absentable(Level),
  approver: absentable(GivenApprover),
  inherit: absentable(Schema.Boolean)
})
export type Given = typeof Given.Type

/** What a namespace asks of its writers. It stands in `metadata.governance` of the memory that is its standard. */
export interface Policy {
  readonly write: Level
  readonly promote: Level
  readonly delete: Level
  /** Who decides about what needs approval. */
  readonly approver: PendingAction.Approver
  /** Whether namespaces further up have a say where this one has no policy of its own. */
  readonly inherit: boolean
}

/** What a standard without a policy says. */
const DEFAULT: Policy = { write: "any", promote: "any", delete: "owner", approver: "human", inherit: true }

/** Which field of a policy is asked for an action. */
export const levelOf = (policy: Policy, action: (typeof PendingAction.ACTIONS)[number]): Level =>
  policy[action === "store" ? "write" : action]

/** A policy that keeps the rules, with its defaults filled in. Fields are named as those of `governance`. */
export const validate = (given: Given): Either.Either<Policy, rules.Invalid> =>
  Either.map(approverOf(given.approver ?? "human"), (approver) => ({
    write: given.write,
    promote: given.promote ?? DEFAULT.promote,
    delete: given.delete ?? DEFAULT.delete,
    approver,
    inherit: given.inherit ?? DEFAULT.inherit
  }))

/** The policy of a standard by its metadata; null where there is none, or none that keeps the rules. */
export const ofMetadata = (metadata: Metadata): Policy | null =>
  Either.getOrNull(Either.flatMap(decode(metadata["governance"]), validate))

/** What a standard says of its policy: what stands in its metadata with the defaults, also where nothing does. */
export const told = (metadata: Metadata): Policy => {
  const policy = ofMetadata(metadata)
  return policy === null ? DEFAULT : { ...Object(metadata["governance"]), ...policy }
}

/**
 * The policy that holds where these standards apply, nearest first: the first one counts. A standard that says
 * `inherit: false` without a policy ends the search.
 */
export const resolve = (nearestFirst: Iterable<Metadata>): Policy | null => {
  for (const metadata of nearestFirst) {
    const policy = ofMetadata(metadata)
    if (policy !== null) return policy
    const governance = metadata["governance"]
    if (Predicate.isRecord(governance) && governance["inherit"] === false) return null
  }
  return null
}

/** What a level says to somebody. */
export type Ruling = "allowed" | "queued" | "the caller is not a registered agent" | "only the owner may do this"

/** `isRegistered` is asked only when it matters. */
export const rule = (
  level: Level,
  caller: { readonly isOwner: boolean; readonly isRegistered: () => boolean }
): Ruling => {
  switch (level) {
    case "any":
      return "allowed"
    case "registered":
      return caller.isRegistered() ? "allowed" : "the caller is not a registered agent"
    case "owner":
      return caller.isOwner ? "allowed" : "only the owner may do this"
    case "approve":
      return "queued"
  }
}

/** The namespace that stands for all of them: its standard applies everywhere, before any other. */
export const EVERYWHERE = "*"
/** Explicit parents that are followed at most. */
export const MAX_PARENTS = 8

/**
 * The namespaces whose standards apply to one, farthest first: the one of all namespaces, the explicit parents of its first
 * level, from the farthest to the nearest, then its levels down to itself. No namespace comes twice, so a circle of parents
 * does no harm.
 */
export const chainOf = (
  namespace: string,
  parentOf: (namespace: string) => string | null
): ReadonlyArray<string> => {
  if (namespace === EVERYWHERE) return [EVERYWHERE]
  const levels = levelsOf(namespace)
  const seen = new Set([EVERYWHERE, ...levels])
  const parents: Array<string> = []
  let parent = parentOf(rootOf(namespace))
  while (parent !== null && parents.length < MAX_PARENTS && !seen.has(parent)) {
    seen.add(parent)
    parents.unshift(parent)
    parent = parentOf(parent)
  }
  return [EVERYWHERE, ...parents, ...levels]
}

/** The first level of a namespace, whose explicit parents count. */
export const rootOf = (namespace: string): string => namespace.split("/", 1)[0] ?? namespace

const levelsOf = (namespace: string): ReadonlyArray<string> => {
  const names = namespace.split("/")
  return names.map((_, index) => names.slice(0, index + 1).join("/"))
}

const decode = decoder(Given)

const approverOf = (
  given: typeof GivenApprover.Type
): Either.Either<PendingAction.Approver, rules.Invalid> => {
  if (given === "human") return Either.right(given)
  const { agent, consensus } = given
  if ((agent === undefined) === (consensus === undefined)) {
    return invalid("approver", "must have either an agent or a consensus")
  }
  if (agent !== undefined) {
    return Either.map(rules.named("approver.agent", rules.agentId(agent)), (id) => ({ agent: id }))
  }
  return consensus !== undefined && consensus >= 1 && consensus <= MAX_APPROVALS
    ? Either.right({ consensus })
    : invalid("approver.consensus", `must be a whole number from 1 to ${MAX_APPROVALS}`)
}

const invalid = (field: string, complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field, message: `${field} ${complaint}` }))
