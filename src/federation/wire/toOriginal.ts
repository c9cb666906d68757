import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Attestation from "../../domain/Attestation.js"
import * as Link from "../../domain/Link.js"
import { type Memory, NEWER_SOURCE } from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import * as PendingAction from "../../domain/PendingAction.js"
import type { Operation } from "../../replication/Operation.js"
import { withoutNames } from "../../replication/reissue.js"
import type { ReadFailed } from "../../store/errors.js"
import { EntityReader } from "../../store/read/EntityReader.js"
import type { PushAnswer } from "./PeerApi.js"

/** A push for a node of the original: the lists it knows, and by which counters it shows that it took them. */
export interface OriginalPush {
  readonly lists: Readonly<Record<string, ReadonlyArray<unknown>>>
  readonly taken: (counters: PushAnswer) => boolean
  /** How many of its items it took, where those of several operations may go in one push. */
  readonly counted?: (counters: PushAnswer) => number
  /** It may be no news there: then the peer shows by its list of pending actions whether it was decided like that. */
  readonly decided?: { readonly id: string; readonly status: "approved" | "rejected" }
  /** It overwrites what the peer has of this action, votes that were cast there as well. */
  readonly overwrites?: PendingAction.PendingAction
  /** A memory that is stored: its vector may go with it. */
  readonly stores?: Memory
  /** What is sent instead when it skips this one. */
  readonly otherwise?: ReadonlyArray<OriginalPush>
}

/** Of an operation, what tells a node of the original where to look. */
export type Told = Pick<Operation, "kind" | "entity" | "baseHlc" | "covers">

/**
 * An operation in the original's words: pushes to be sent one after the other. An original node has no log and compares
 * stamps at best, so what it is told is the state of things as it is now: then it does not matter how late or in which
 * order it hears. Nothing at all when its protocol has no words for it, or something later says it better.
 */
export const toOriginal = (
  operation: Told
): Effect.Effect<ReadonlyArray<OriginalPush>, ReadFailed, EntityReader> => {
  switch (operation.kind) {
    case "store":
    case "delete":
    case "archive":
    case "restore":
      return ofMemory(operation.entity, operation)
    case "consolidate":
      return ofConsolidated(operation)
    case "link":
      return ofLink(operation.entity)
    case "pending":
    case "vote":
      return ofPending(operation.entity)
    case "decision":
      return ofDecision(operation.entity)
    case "namespace_meta":
    case "namespace_meta_clear":
      return ofStandard(operation.entity)
    case "earn":
      return ofEarned(operation.entity)
    case "unlink":
    case "quarantine":
    case "release":
    case "subscription":
    case "unsubscribe":
    case "delivery":
      return Effect.succeed([])
  }
}

const ofMemory = (id: string, { baseHlc, kind }: Pick<Operation, "kind" | "baseHlc">) =>
  Effect.gen(function*() {
    const reader = yield* EntityReader
    const state = yield* reader.memory(id)
    const ids = [id, ...yield* reader.otherIds(id)]
    if (Option.isNone(state)) return [deletions(ids)]
    const { memory, place } = state.value
    switch (place) {
      // It has one row for a slot: the one that holds it here is sent for itself.
      case "shadow":
        return []
      case "archived":
        return kind === "archive" ? [archives(ids)] : [putAway(memory, ids)]
      case "visible":
        if (kind === "restore") return [restores(id), row(memory)]
        // A row that comes to another slot under its old id is skipped: the old one must go first, in a push of its own.
        return [baseHlc === null ? row(memory) : { ...row(memory), otherwise: [deletions(ids), row(memory)] }]
    }
  })

/** What recalls earn it works out by itself; what has ended by time is put away there, too. */
const ofEarned = (id: string) =>
  Effect.gen(function*() {
    const reader = yield* EntityReader
    const state = yield* reader.memory(id)
    if (Option.isNone(state) || state.value.place !== "archived") return []
    return [archives([id, ...yield* reader.otherIds(id)])]
  })

const ofConsolidated = (operation: Told) =>
  Effect.gen(function*() {
    const sources = new Set(withoutNames(operation).covers.map(({ id }) => id).filter((id) => id !== operation.entity))
    const whole = yield* ofMemory(operation.entity, operation)
    // Its deletions come after its rows in one push, and would hit the new row when that takes the slot of a source.
    return sources.size === 0 ? whole : [deletions([...sources]), ...whole]
  })

const decodeLinks = Schema.decodeUnknown(Schema.Array(Link.Link))

const ofLink = (key: string) =>
  Effect.gen(function*() {
    const reader = yield* EntityReader
    const versions = yield* Effect.orDie(decodeLinks(yield* reader.objects("link", key)))
    const link = versions.at(-1)
    return link === undefined ? [] : [push({ links: [link] }, ({ links_applied: links = 0 }) => links > 0)]
  })

const decodeActions = Schema.decodeUnknown(Schema.Array(PendingAction.PendingAction))
const decodeVotes = Schema.decodeUnknown(Schema.Array(PendingAction.Vote))
const decodeDecisions = Schema.decodeUnknown(Schema.Array(PendingAction.Decision))

/** The whole row with its votes and what became of it: it overwrites all of it. */
const ofPending = (id: string) =>
  Effect.gen(function*() {
    const reader = yield* EntityReader
    const action = (yield* Effect.orDie(decodeActions(yield* reader.objects("pending", id)))).at(-1)
    if (action === undefined) return []
    const votes = yield* Effect.orDie(decodeVotes(yield* reader.objects("vote", id)))
    const [decision] = yield* Effect.orDie(decodeDecisions(yield* reader.objects("decision", id)))
    const pending = {
      ...action,
      approvals: votes.map(({ agent_id, approved_at }) => ({ agent_id, approved_at })),
      ...(decision === undefined ? {} : {
        status: decision.approved ? "approved" : "rejected",
        decided_by: decision.decider,
        decided_at: decision.decided_at
      })
    }
    return [actionRow(pending)]
  })

const actionRow = (action: PendingAction.PendingAction): OriginalPush => ({
  ...push({ pendings: [action] }, ({ pendings_applied: applied = 0 }) => applied > 0),
  overwrites: action
})

/** What a node of the original shows of an action. */
export type ActionThere = Pick<PendingAction.PendingAction, "id" | "status" | "approvals">

/**
 * What it is told of an action that it has: what was voted and decided there stays, as it tells nobody of it. None when it
 * need not be told.
 */
export const besides = (action: PendingAction.PendingAction, there: ActionThere): Option.Option<OriginalPush> => {
  if (action.status === "pending" && (there.status === "approved" || there.status === "rejected")) return Option.none()
  const voters = new Set(there.approvals.map(voterOf))
  const more = action.approvals.filter((approval) => !voters.has(voterOf(approval)))
  return more.length === 0 && action.status === there.status
    ? Option.none()
    : Option.some(actionRow({ ...action, approvals: [...there.approvals, ...more] }))
}

const voterOf = ({ agent_id: id }: PendingAction.PendingAction["approvals"][number]) => id.toLowerCase()

/** It executes an approval by itself, under an id of its own; the row that follows brings the two together. */
const ofDecision = (id: string) =>
  Effect.gen(function*() {
    const reader = yield* EntityReader
    const [decision] = yield* Effect.orDie(decodeDecisions(yield* reader.objects("decision", id)))
    if (decision === undefined) return []
    const { approved, decider, memory } = decision
    const decided: OriginalPush = {
      ...push(
        { pending_decisions: [{ id, approved, decider }] },
        // No news is what it decided before, and what it has never heard of.
        ({ pending_decisions_applied: applied = 0 }) => applied > 0
      ),
      decided: { id, status: approved ? "approved" : "rejected" }
    }
    return memory === undefined ? [decided] : [decided, ...yield* ofMemory(memory.id, { kind: "store", baseHlc: null })]
  })

const decodeStandards = Schema.decodeUnknown(Schema.Array(NamespaceMeta.NamespaceMeta))

const ofStandard = (namespace: string) =>
  Effect.gen(function*() {
    const reader = yield* EntityReader
    const standard = (yield* Effect.orDie(decodeStandards(yield* reader.objects("namespace_meta", namespace)))).at(-1)
    if (standard === undefined) {
      return [
        push(
          { namespace_meta_clears: [namespace] },
          ({ namespace_meta_cleared: cleared = 0, noop = 0 }) => cleared + noop > 0
        )
      ]
    }
    const { parent_namespace: parent, ...entry } = standard
    return [
      push(
        { namespace_meta: [parent === null ? entry : { ...entry, parent_namespace: parent }] },
        ({ namespace_meta_applied: applied = 0 }) => applied > 0
      )
    ]
  })

/** What it skipped, or had no quota for, it does not have: whatever else it counts. */
const isWhole = ({ quota_refused: refused = 0, skipped = 0 }: PushAnswer): boolean => skipped === 0 && refused === 0

const push = (lists: OriginalPush["lists"], taken: OriginalPush["taken"]): OriginalPush => ({
  lists,
  taken: (answer) => isWhole(answer) && taken(answer)
})

/** Items that are all of one list, and have a counter that tells how many of them were taken. */
const counting = (
  list: "memories" | "deletions" | "archives",
  items: ReadonlyArray<unknown>,
  counted: (counters: PushAnswer) => number
): OriginalPush => ({ ...push({ [list]: items }, (answer) => counted(answer) === items.length), counted })

const row = (memory: Memory): OriginalPush => ({
  ...counting("memories", [forOlder(memory)], ({ applied = 0 }) => applied),
  stores: memory
})

/** Every id that the memory may have there: it knows nothing of aliases. */
const deletions = (ids: ReadonlyArray<string>): OriginalPush =>
  counting("deletions", ids, ({ deleted = 0, noop = 0 }) => deleted + noop)

const archives = (ids: ReadonlyArray<string>): OriginalPush =>
  counting("archives", ids, ({ archived = 0, noop = 0 }) => archived + noop)

/**
 * A memory for its archive. Rows come first in a push, so that nobody who asks meanwhile finds it live; it need not be
 * taken where it is archived already.
 */
const putAway = (memory: Memory, ids: ReadonlyArray<string>): OriginalPush => ({
  lists: { memories: [forOlder(memory)], archives: ids },
  taken: ({ archived = 0, noop = 0, quota_refused: refused = 0 }) => refused === 0 && archived + noop === ids.length
})

/** Whatever comes of it: the row that follows is there in the end. */
const restores = (id: string): OriginalPush => ({ lists: { restores: [id] }, taken: () => true })

/**
 * Operations that one push can tell of: each is told by items of one and the same list. None when they are not like
 * that; then each goes by itself.
 */
export const together = (all: ReadonlyArray<ReadonlyArray<OriginalPush>>): OriginalPush | null => {
  const pushes = all.flat()
  const [first] = pushes
  const list = first === undefined ? undefined : Object.keys(first.lists)[0]
  if (first?.counted === undefined || list === undefined || all.some(({ length }) => length !== 1)) return null
  if (pushes.some(({ counted, lists }) => counted === undefined || lists[list] === undefined)) return null
  const items = pushes.flatMap(({ lists }) => lists[list] ?? [])
  const { counted } = first
  return { lists: { [list]: items }, counted, taken: (answer) => isWhole(answer) && counted(answer) === items.length }
}

const forOlder = (memory: Memory): Memory =>
  Attestation.asSigned(memory.source === NEWER_SOURCE ? { ...memory, source: "api" } : memory)
