import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { hash as digest } from "node:crypto"
import * as Archive from "../domain/Archive.js"
import * as Link from "../domain/Link.js"
import * as Memory from "../domain/Memory.js"
import * as NamespaceMeta from "../domain/NamespaceMeta.js"
import * as PendingAction from "../domain/PendingAction.js"
import { decoder } from "../domain/ShapeError.js"
import * as Stamp from "../domain/Stamp.js"
import * as Uuid from "../domain/Uuid.js"
import * as validate from "../domain/validate.js"
import type { Kind } from "./Operation.js"

/** What an operation is about, decoded and checked. Its canonical text is the body of the operation. */
export type Payload =
  | { readonly kind: "store" | "restore" | "consolidate"; readonly memory: Memory.Memory }
  | {
    readonly kind: "archive"
    readonly memory: Memory.Memory
    readonly archivedAt: Stamp.Stamp
    readonly reason: string
  }
  | { readonly kind: "link"; readonly link: Link.Link }
  | { readonly kind: "pending"; readonly action: PendingAction.PendingAction }
  | { readonly kind: "vote"; readonly vote: PendingAction.Vote }
  | { readonly kind: "decision"; readonly decision: PendingAction.Decision }
  | { readonly kind: "namespace_meta"; readonly meta: NamespaceMeta.NamespaceMeta }
  /** These end what they cover, and need to say nothing more than whose versions that are. */
  | { readonly kind: "delete" | "unlink" | "namespace_meta_clear"; readonly entity: string }

/** The id of the link between two memories: the same on every node. */
export const linkId = ({ relation, source_id, target_id }: Pick<Link.Link, "source_id" | "target_id" | "relation">) =>
  Uuid.fromHash(digest("sha256", JSON.stringify([source_id, target_id, relation]), "hex"))

/** What the operation is about: the id of a memory, a link or a pending action, or a namespace. */
export const entityOf = (payload: Payload): string => {
  switch (payload.kind) {
    case "store":
    case "restore":
    case "consolidate":
    case "archive":
      return payload.memory.id
    case "link":
      return linkId(payload.link)
    case "pending":
      return payload.action.id
    case "vote":
      return payload.vote.id
    case "decision":
      return payload.decision.id
    case "namespace_meta":
      return payload.meta.namespace
    case "delete":
    case "unlink":
    case "namespace_meta_clear":
      return payload.entity
  }
}

/** The body of the operation: the one text of its payload. */
export const encode = (payload: Payload): string | null => {
  switch (payload.kind) {
    case "store":
    case "restore":
    case "consolidate":
      return Memory.encodeJson(payload.memory)
    case "archive":
      return `${
        JSON.stringify({ archived_at: payload.archivedAt, archive_reason: payload.reason }).slice(0, -1)
      },"memory":${Memory.encodeJson(payload.memory)}}`
    case "link":
      return Link.encodeJson(payload.link)
    case "pending":
      return PendingAction.encodeJson(payload.action)
    case "vote":
      return PendingAction.encodeVoteJson(payload.vote)
    case "decision":
      return PendingAction.encodeDecisionJson(payload.decision)
    case "namespace_meta":
      return NamespaceMeta.encodeJson(payload.meta)
    case "delete":
    case "unlink":
    case "namespace_meta_clear":
      return null
  }
}

/** The payload of an operation from elsewhere, checked by the rules; or what is wrong with it. */
export const read = (kind: Kind, entity: string, body: unknown): Either.Either<Payload, string> => {
  switch (kind) {
    case "store":
    case "restore":
    case "consolidate":
      return Either.flatMap(shaped(Memory.decode(body)), (memory) => ofMemory(kind, memory))
    case "archive":
      return Either.flatMap(shaped(decodeArchived(body)), ofArchived)
    case "link":
      return ruled(shaped(Link.decode(body)), Link.validate, (link) => ({ kind, link }))
    case "pending":
      return ruled(shaped(PendingAction.decode(body)), PendingAction.validate, (action) => ({ kind, action }))
    case "vote":
      return ruled(shaped(PendingAction.decodeVote(body)), PendingAction.validateVote, (vote) => ({ kind, vote }))
    case "decision":
      return ruled(shaped(PendingAction.decodeDecision(body)), PendingAction.validateDecision, (decision) => ({
        kind,
        decision
      }))
    case "namespace_meta":
      return ruled(shaped(NamespaceMeta.decode(body)), NamespaceMeta.validate, (meta) => ({ kind, meta }))
    case "delete":
    case "unlink":
      return ruled(Either.right(entity), validate.memoryId, (id) => ({ kind, entity: id }))
    case "namespace_meta_clear":
      return ruled(Either.right(entity), NamespaceMeta.namespace, (namespace) => ({ kind, entity: namespace }))
  }
}

/** A memory whose shape was checked already, as on the way of most operations. */
export const ofMemory = (
  kind: "store" | "restore" | "consolidate",
  memory: Memory.Memory
): Either.Either<Payload, string> =>
  ruled(Either.right(memory), validate.validateMemory, (valid) => ({ kind, memory: valid }))

/** The payload of an operation of this node's own log: it was checked before it came in. */
export const ofLog = (
  operation: { readonly kind: Kind; readonly entity: string; readonly body: string | null }
): Payload =>
  Either.getOrThrowWith(
    read(operation.kind, operation.entity, operation.body === null ? null : JSON.parse(operation.body)),
    (why) => new Error(`the log is damaged: ${operation.kind} of ${operation.entity}: ${why}`)
  )

/** The version of a memory that an operation makes, if it makes one. */
export const versionOf = (payload: Payload): Memory.Memory | undefined => {
  switch (payload.kind) {
    case "store":
    case "restore":
    case "consolidate":
    case "archive":
      return payload.memory
    case "decision":
      return payload.decision.memory
    default:
      return undefined
  }
}

const Archived = Schema.Struct({
  archived_at: Stamp.Stamp,
  archive_reason: Schema.String,
  memory: Memory.Memory
})
const decodeArchived = decoder(Archived)

const ofArchived = ({ archive_reason: reason, archived_at: archivedAt, memory }: typeof Archived.Type) =>
  ruled(
    Either.right(memory),
    (given) => Either.flatMap(Archive.reason(reason), () => validate.validateMemory(given)),
    (valid) => ({ kind: "archive" as const, memory: valid, archivedAt, reason })
  )

const shaped = <A>(decoded: Either.Either<A, { readonly message: string }>): Either.Either<A, string> =>
  Either.mapLeft(decoded, ({ message }) => `malformed: ${message}`)

const ruled = <A, B, P extends Payload>(
  value: Either.Either<A, string>,
  rule: (value: A) => Either.Either<B, validate.Invalid>,
  make: (valid: B) => P
): Either.Either<Payload, string> =>
  Either.flatMap(value, (given) =>
    Either.mapBoth(rule(given), {
      onLeft: ({ message }) => `invalid: ${message}`,
      onRight: make
    }))
