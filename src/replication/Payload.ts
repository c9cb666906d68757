import * as Either from "effect/Either"
import * as Memory from "../domain/Memory.js"
import type { Stamp } from "../domain/Stamp.js"
import * as Subscription from "../domain/Subscription.js"
import * as validate from "../domain/validate.js"
import { type Kind, kinds, type Payload, type Wrong } from "./kinds.js"
import type { Format, Operation } from "./Operation.js"

export type { Payload }

/** What the operation is about: the id of a memory, a link or a pending action, or a namespace. */
export const entityOf = <K extends Kind>(payload: Payload<K>): string => kinds[payload.kind].entityOf(payload)

/** The body of the operation: the one text of its payload. */
export const encode = <K extends Kind>(payload: Payload<K>): string | null => kinds[payload.kind].encode(payload)

/** The version of a memory that an operation makes, if it makes one. */
export const versionOf = <K extends Kind>(payload: Payload<K>): Memory.Memory | undefined =>
  kinds[payload.kind].versionOf(payload)

/** The agent that a payload names as its author; null where it names none, as what ends something. */
export const agentOf = (payload: Payload): string | null => {
  const agent = versionOf(payload)?.metadata["agent_id"]
  if (typeof agent === "string" && payload.kind !== "decision") return agent
  switch (payload.kind) {
    case "pending":
      return payload.action.requested_by
    case "vote":
      return payload.vote.agent_id
    case "decision":
      return payload.decision.decider
    case "subscription":
      return payload.subscription.created_by
    default:
      return null
  }
}

/**
 * Whose an operation is: the agent that asked for it; the one that its payload names where nobody knows who asked, or where the
 * thing is new, for then that is said of its author and not handed down from an earlier version.
 */
export const writersOf = (
  { agent, baseHlc }: Pick<Operation, "agent" | "baseHlc">,
  payload: Payload
): ReadonlyArray<string> => {
  const named = agentOf(payload)
  const isNew = agent === undefined || baseHlc === null
  return [...agent === undefined ? [] : [agent], ...isNew && named !== null ? [named] : []]
}

/** The version that it makes is of this stamp, if it makes one. */
export const stampedAt = (hlc: Stamp, payload: Payload): Payload => {
  if (versionOf(payload)?.updated_at === hlc) return payload
  if ("memory" in payload) return { ...payload, memory: { ...payload.memory, updated_at: hlc } }
  if (payload.kind !== "decision" || payload.decision.memory === undefined) return payload
  return { ...payload, decision: { ...payload.decision, memory: { ...payload.decision.memory, updated_at: hlc } } }
}

/** As much of a payload as an operation of this format holds: the first has no fields but those it has a word for. */
export const inFormat = (format: Format, payload: Payload): Payload => {
  if (format !== 1) return payload
  if ("memory" in payload) return { ...payload, memory: Memory.withoutCarried(payload.memory) }
  if (payload.kind !== "decision" || payload.decision.memory === undefined) return payload
  return { ...payload, decision: { ...payload.decision, memory: Memory.withoutCarried(payload.decision.memory) } }
}

/** The payload of an operation from elsewhere, checked by the rules; or what is wrong with it. */
export const read = (kind: Kind, entity: string, body: unknown): Either.Either<Payload, string> => {
  const payload: Either.Either<Payload, Wrong> = kinds[kind].read(entity, body)
  return Either.mapLeft(payload, said)
}

/** A memory whose shape was checked already, as on the way of most operations. */
export const ofMemory = (
  kind: "store" | "restore" | "consolidate",
  memory: Memory.Memory
): Either.Either<Payload, string> =>
  Either.mapBoth(validate.validateMemory(memory), { onLeft: said, onRight: (valid) => ({ kind, memory: valid }) })

/** The payload of an operation of this node's own log: it was checked before it came in. */
export const ofLog = (
  operation: { readonly kind: Kind; readonly entity: string; readonly body: string | null }
): Payload =>
  Either.getOrThrowWith(
    read(operation.kind, operation.entity, operation.body === null ? null : JSON.parse(operation.body)),
    (why) => new Error(`the log is damaged: ${operation.kind} of ${operation.entity}: ${why}`)
  )

/** The body of an operation for who is no node: nothing of a secret is in it. Null where it only ends something. */
export const shownBody = (operation: Pick<Operation, "kind" | "entity" | "body">): unknown => {
  if (operation.body === null) return null
  const body: unknown = JSON.parse(operation.body)
  if (operation.kind !== "subscription") return body
  return Either.match(Subscription.decode(body), { onLeft: () => null, onRight: Subscription.withoutSecret })
}

const said = (wrong: Wrong): string => `${wrong._tag === "Invalid" ? "invalid" : "malformed"}: ${wrong.message}`
