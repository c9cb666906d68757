import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { hash as digest } from "node:crypto"
import * as Archive from "../domain/Archive.js"
import * as Earned from "../domain/Earned.js"
import * as Link from "../domain/Link.js"
import * as Memory from "../domain/Memory.js"
import * as NamespaceMeta from "../domain/NamespaceMeta.js"
import * as PendingAction from "../domain/PendingAction.js"
import * as Quarantine from "../domain/Quarantine.js"
import { decoder, type ShapeError } from "../domain/ShapeError.js"
import * as Stamp from "../domain/Stamp.js"
import * as Subscription from "../domain/Subscription.js"
import * as Uuid from "../domain/Uuid.js"
import * as validate from "../domain/validate.js"

/**
 * What an operation of each kind is about, beside the kind itself. To add a kind is to add it here: the compiler then asks
 * for its record below, and, where it changes a part of the state that no kind changed before, for the merge rule of that
 * part.
 */
export interface Contents {
  readonly store: OfMemory
  readonly delete: OfEntity
  readonly archive: OfMemory & { readonly archivedAt: Stamp.Stamp; readonly reason: string }
  readonly restore: OfMemory
  readonly consolidate: OfMemory
  readonly link: { readonly link: Link.Link }
  readonly unlink: OfEntity
  readonly pending: { readonly action: PendingAction.Valid }
  readonly vote: { readonly vote: PendingAction.Vote }
  readonly decision: { readonly decision: PendingAction.Decision }
  readonly namespace_meta: { readonly meta: NamespaceMeta.NamespaceMeta }
  readonly namespace_meta_clear: OfEntity
  readonly earn: { readonly earned: Earned.Earned }
  readonly quarantine: { readonly quarantine: Quarantine.Quarantine }
  readonly release: OfEntity
  readonly subscription: { readonly subscription: Subscription.Subscription }
  readonly unsubscribe: OfEntity
  readonly delivery: { readonly delivery: Subscription.Delivery }
}

export interface OfMemory {
  readonly memory: Memory.Memory
}

/** What only ends the versions that it covers needs to say nothing more than whose versions those are. */
export interface OfEntity {
  readonly entity: string
}

export type Kind = keyof Contents

/** What an operation is about, decoded and checked. Its canonical text is the body of the operation. */
export type Payload<K extends Kind = Kind> = { readonly [P in K]: { readonly kind: P } & Contents[P] }[K]

/** A part of the state that has a merge rule of its own: see `store/state`. */
export type Part =
  | "memory"
  | "link"
  | "pending"
  | "vote"
  | "decision"
  | "namespace_meta"
  | "earned"
  | "quarantine"
  | "subscription"
  | "delivery"

/** The counter of an answer to a push that an operation moves, under the original's names. */
export type Counter =
  | "applied"
  | "deleted"
  | "archived"
  | "restored"
  | "links_applied"
  | "pendings_applied"
  | "pending_decisions_applied"
  | "namespace_meta_applied"
  | "namespace_meta_cleared"

/** The list of a push that holds an operation's payload, as nodes of the original read it. */
type List =
  | "memories"
  | "deletions"
  | "archives"
  | "restores"
  | "links"
  | "pendings"
  | "pending_decisions"
  | "namespace_meta"
  | "namespace_meta_clears"

/** Everything that is to be known of one kind of operation. */
interface Record<K extends Kind> {
  /** What the log line of its broadcast calls it. */
  readonly word: string
  /** The part of the state that it changes. */
  readonly part: Part
  /** Null where the original has no list for it. */
  readonly list: List | null
  /** Its body does not fit into that list, which holds ids alone, or there is none. */
  readonly inline: boolean
  readonly counter: Counter
  /** What it is about: the id of a memory, a link or a pending action, or a namespace. */
  readonly entityOf: (payload: Payload<K>) => string
  /** The one text of its payload; null where it only ends what it covers. */
  readonly encode: (payload: Payload<K>) => string | null
  /** The payload from elsewhere, in its shape and by the rules. The entity counts where there is no body. */
  readonly read: (entity: string, body: unknown) => Either.Either<Payload<K>, Wrong>
  /** The version of a memory that it makes, if it makes one. */
  readonly versionOf: (payload: Payload<K>) => Memory.Memory | undefined
}

/** Why something from elsewhere is no payload: of the wrong shape, or against a rule. */
export type Wrong = ShapeError | validate.Invalid

/** The id of the link between two memories: the same on every node. */
export const linkId = ({ relation, source_id, target_id }: Pick<Link.Link, "source_id" | "target_id" | "relation">) =>
  Uuid.fromHash(digest("sha256", JSON.stringify([source_id, target_id, relation]), "hex"))

const ofMemory = <K extends "store" | "restore" | "consolidate">(
  kind: K,
  record: Pick<Record<K>, "word" | "list" | "inline" | "counter">
) => ({
  ...record,
  part: "memory" as const,
  entityOf: ({ memory }: OfMemory) => memory.id,
  encode: ({ memory }: OfMemory) => Memory.encodeJson(memory),
  read: (_: string, body: unknown) =>
    Either.map(Either.flatMap(Memory.decode(body), validate.validateMemory), (memory) => ({ kind, memory })),
  versionOf: ({ memory }: OfMemory) => memory
})

const ending = <K extends "delete" | "unlink" | "namespace_meta_clear" | "release" | "unsubscribe">(
  kind: K,
  rule: (entity: string) => Either.Either<string, validate.Invalid>,
  record: Pick<Record<K>, "word" | "part" | "list" | "counter">
) => ({
  ...record,
  inline: false,
  entityOf: ({ entity }: OfEntity) => entity,
  encode: () => null,
  read: (given: string) => Either.map(rule(given), (entity) => ({ kind, entity })),
  versionOf: () => undefined
})

const Archived = Schema.Struct({ archived_at: Stamp.Stamp, archive_reason: Schema.String, memory: Memory.Memory })
const decodeArchived = decoder(Archived)

/** One record per kind of operation; everything else that depends on the kind is read from here. */
export const kinds: { readonly [K in Kind]: Record<K> } = {
  store: ofMemory("store", { word: "store", list: "memories", inline: false, counter: "applied" }),
  delete: ending("delete", validate.memoryId, {
    word: "delete",
    part: "memory",
    list: "deletions",
    counter: "deleted"
  }),
  archive: {
    word: "archive",
    part: "memory",
    list: "archives",
    inline: true,
    counter: "archived",
    entityOf: ({ memory }) => memory.id,
    encode: ({ archivedAt, memory, reason }) =>
      `${JSON.stringify({ archived_at: archivedAt, archive_reason: reason }).slice(0, -1)},"memory":${
        Memory.encodeJson(memory)
      }}`,
    read: (_, body) =>
      Either.gen(function*() {
        const { archive_reason: reason, archived_at: archivedAt, memory } = yield* decodeArchived(body)
        yield* Archive.reason(reason)
        return { kind: "archive" as const, memory: yield* validate.validateMemory(memory), archivedAt, reason }
      }),
    versionOf: ({ memory }) => memory
  },
  restore: ofMemory("restore", { word: "restore", list: "restores", inline: true, counter: "restored" }),
  consolidate: ofMemory("consolidate", { word: "consolidate", list: "memories", inline: false, counter: "applied" }),
  link: {
    word: "link",
    part: "link",
    list: "links",
    inline: false,
    counter: "links_applied",
    entityOf: ({ link }) => linkId(link),
    encode: ({ link }) => Link.encodeJson(link),
    read: (_, body) =>
      Either.map(Either.flatMap(Link.decode(body), Link.validate), (link) => ({ kind: "link" as const, link })),
    versionOf: () => undefined
  },
  // The original has no word for a link that is gone, nor for a single vote.
  unlink: ending("unlink", validate.memoryId, { word: "link", part: "link", list: null, counter: "links_applied" }),
  pending: {
    word: "pending",
    part: "pending",
    list: "pendings",
    inline: false,
    counter: "pendings_applied",
    entityOf: ({ action }) => action.id,
    encode: ({ action }) => PendingAction.encodeJson(action),
    read: (_, body) =>
      Either.map(
        Either.flatMap(PendingAction.decode(body), PendingAction.validate),
        (action) => ({ kind: "pending" as const, action })
      ),
    versionOf: () => undefined
  },
  vote: {
    word: "pending",
    part: "vote",
    list: null,
    inline: true,
    counter: "pendings_applied",
    entityOf: ({ vote }) => vote.id,
    encode: ({ vote }) => PendingAction.encodeVoteJson(vote),
    read: (_, body) =>
      Either.map(
        Either.flatMap(PendingAction.decodeVote(body), PendingAction.validateVote),
        (vote) => ({ kind: "vote" as const, vote })
      ),
    versionOf: () => undefined
  },
  decision: {
    word: "pending decision",
    part: "decision",
    list: "pending_decisions",
    inline: false,
    counter: "pending_decisions_applied",
    entityOf: ({ decision }) => decision.id,
    encode: ({ decision }) => PendingAction.encodeDecisionJson(decision),
    read: (_, body) =>
      Either.map(
        Either.flatMap(PendingAction.decodeDecision(body), PendingAction.validateDecision),
        (decision) => ({ kind: "decision" as const, decision })
      ),
    versionOf: ({ decision }) => decision.memory
  },
  namespace_meta: {
    word: "namespace meta",
    part: "namespace_meta",
    list: "namespace_meta",
    inline: false,
    counter: "namespace_meta_applied",
    entityOf: ({ meta }) => meta.namespace,
    encode: ({ meta }) => NamespaceMeta.encodeJson(meta),
    read: (_, body) =>
      Either.map(
        Either.flatMap(NamespaceMeta.decode(body), NamespaceMeta.validate),
        (meta) => ({ kind: "namespace_meta" as const, meta })
      ),
    versionOf: () => undefined
  },
  namespace_meta_clear: ending("namespace_meta_clear", NamespaceMeta.namespace, {
    word: "namespace meta clear",
    part: "namespace_meta",
    list: "namespace_meta_clears",
    counter: "namespace_meta_cleared"
  }),
  // Nodes of the original earn by themselves what their memories earn.
  earn: {
    word: "earn",
    part: "earned",
    list: null,
    inline: true,
    counter: "applied",
    entityOf: ({ earned }) => earned.memory_id,
    encode: ({ earned }) => Earned.encodeJson(earned),
    read: (_, body) =>
      Either.map(Either.flatMap(Earned.decode(body), Earned.validate), (earned) => ({ kind: "earn" as const, earned })),
    versionOf: () => undefined
  },
  // Nodes of the original know nothing of what is set aside: they are told the state of things that comes of it.
  quarantine: {
    word: "quarantine",
    part: "quarantine",
    list: null,
    inline: true,
    counter: "applied",
    entityOf: ({ quarantine }) => quarantine.id,
    encode: ({ quarantine }) => Quarantine.encodeJson(quarantine),
    read: (_, body) =>
      Either.map(
        Either.flatMap(Quarantine.decode(body), Quarantine.validate),
        (quarantine) => ({ kind: "quarantine" as const, quarantine })
      ),
    versionOf: () => undefined
  },
  release: ending("release", validate.memoryId, {
    word: "quarantine",
    part: "quarantine",
    list: null,
    counter: "applied"
  }),
  // Nodes of the original keep theirs for themselves.
  subscription: {
    word: "subscription",
    part: "subscription",
    list: null,
    inline: true,
    counter: "applied",
    entityOf: ({ subscription }) => subscription.id,
    encode: ({ subscription }) => Subscription.encodeJson(subscription),
    read: (_, body) =>
      Either.map(
        Either.flatMap(Subscription.decode(body), Subscription.validate),
        (subscription) => ({ kind: "subscription" as const, subscription })
      ),
    versionOf: () => undefined
  },
  unsubscribe: ending("unsubscribe", validate.memoryId, {
    word: "subscription",
    part: "subscription",
    list: null,
    counter: "applied"
  }),
  delivery: {
    word: "delivery",
    part: "delivery",
    list: null,
    inline: true,
    counter: "applied",
    entityOf: ({ delivery }) => delivery.id,
    encode: ({ delivery }) => Subscription.encodeDeliveryJson(delivery),
    read: (_, body) =>
      Either.map(
        Either.flatMap(Subscription.decodeDelivery(body), Subscription.validateDelivery),
        (delivery) => ({ kind: "delivery" as const, delivery })
      ),
    versionOf: () => undefined
  }
}

/** The kinds by name, as they stand in the log and on the wire. */
export const Kind = Schema.Literal(...Struct.keys(kinds))

/** The names of all kinds, in their order. */
export const all: ReadonlyArray<Kind> = Struct.keys(kinds)
