import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Link from "../../domain/Link.js"
import * as Memory from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import type { Namespaces } from "../../domain/namespaces.js"
import * as PendingAction from "../../domain/PendingAction.js"
import type { ShapeError } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { linkId } from "../../replication/kinds.js"
import * as governed from "../../store/deciding/governed.js"
import { archivedId, liveId } from "../../store/deciding/liveId.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import * as standards from "../../store/deciding/standards.js"
import { storeIfNewer } from "../../store/deciding/storeIfNewer.js"
import type { NotWritten } from "../../store/errors.js"
import { type Batch, MemoryStore } from "../../store/MemoryStore.js"
import type { PushRequest } from "../wire/PeerApi.js"
import * as Counters from "./Counters.js"
import * as Limited from "./limited.js"

/*
 * Items without an operation come from a node of the original, which has no log. Each becomes an operation of this node, so
 * that it reaches the others by the log.
 */

/** The items of a push in their shape. Whether they keep the rules is asked of each alone. */
interface Items {
  readonly memories: ReadonlyArray<Memory.Memory>
  readonly deletions: ReadonlyArray<string>
  readonly archives: ReadonlyArray<string>
  readonly restores: ReadonlyArray<string>
  readonly links: ReadonlyArray<Link.Link>
  readonly pendings: ReadonlyArray<PendingAction.PendingAction>
  readonly decisions: ReadonlyArray<PendingAction.Decision>
  readonly standards: ReadonlyArray<NamespaceMeta.NamespaceMeta>
  readonly clears: ReadonlyArray<string>
}

/** One item of the wrong shape makes the whole message wrong. */
export const read = (request: PushRequest): Either.Either<Items, ShapeError> =>
  Either.gen(function*() {
    return {
      memories: yield* readAll("memories", request.memories, Memory.decode),
      deletions: request.deletions ?? [],
      archives: request.archives ?? [],
      restores: request.restores ?? [],
      links: yield* readAll("links", request.links, Link.decode),
      pendings: yield* readAll("pendings", request.pendings, PendingAction.decode),
      decisions: yield* readAll("pending_decisions", request.pending_decisions, PendingAction.decodeDecision),
      standards: yield* readAll("namespace_meta", request.namespace_meta, NamespaceMeta.decode),
      clears: request.namespace_meta_clears ?? []
    }
  })

const readAll = <A>(
  field: string,
  items: ReadonlyArray<unknown> | undefined,
  decode: (item: unknown, at: string) => Either.Either<A, ShapeError>
): Either.Either<ReadonlyArray<A>, ShapeError> =>
  Either.all((items ?? []).map((item, index) => decode(item, `${field}[${index}]`)))

/** Items that keep the rules. */
export const countValid = (items: Items): number => {
  const valid = <A>(list: ReadonlyArray<A>, rule: (item: A) => Either.Either<unknown, unknown>) =>
    list.filter((item) => Either.isRight(rule(item))).length
  return valid(items.memories, validate.validateMemory) +
    valid([...items.deletions, ...items.archives, ...items.restores], validate.memoryId) +
    valid(items.links, Link.validate) + valid(items.pendings, PendingAction.validate) +
    valid(items.decisions, ({ id }) => validate.memoryId(id)) + valid(items.standards, NamespaceMeta.validate) +
    valid(items.clears, NamespaceMeta.namespace)
}

type Counter = keyof Counters.Counters

/** What one item does in the transaction, and what it counts for. */
type Step = (batch: Batch) => Counter | "refused"

/** Why an item has no right to what it says. */
interface Void {
  readonly why: string
}

interface Applied {
  readonly counters: Counters.Counters
  /** Items that touch what their sender may not. They count as skipped. */
  readonly refused: number
  /** Items that would have no effect on any node. They count as skipped. */
  readonly void: ReadonlyArray<Void>
  /** The rows that count as applied. */
  readonly applied: ReadonlyArray<Memory.Memory>
}

/**
 * Applies the items one by one, in the order in which the original does it: but for those that touch another namespace than those to
 * which their sender is limited.
 */
export const apply = (
  items: Items,
  limit: Namespaces | null
): Effect.Effect<Applied, NotWritten, MemoryStore> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const within = <A>(where: (item: A) => Limited.Where, step: (item: A) => Step) => (item: A): Step => (batch) =>
      Limited.mayTouch(limit, where(item), batch.now()) ? step(item)(batch) : "refused"
    const steps: ReadonlyArray<Step> = [
      ...items.memories.map((row) => checked(validate.validateMemory(row), within(Limited.ofRow, storeRow))),
      ...items.deletions.map((id) => checked(validate.memoryId(id), within(Limited.ofId, deleteSeen))),
      ...items.archives.map((id) => checked(validate.memoryId(id), within(Limited.ofId, archive))),
      ...items.restores.map((id) => checked(validate.memoryId(id), within(Limited.ofArchived, restore))),
      ...items.links.map((link) => checked(Link.validate(link), within(Limited.ofLink, addLink))),
      ...items.pendings.map((action) => checked(PendingAction.validate(action), within(Limited.ofAction, takePending))),
      ...items.decisions.map((decision) => checked(ruled(decision), within(Limited.ofDecision, takeDecision))),
      ...items.standards.map((meta) =>
        checked(NamespaceMeta.validate(meta), within(({ namespace }) => Limited.of(namespace), setStandard))
      ),
      ...items.clears.map((namespace) => checked(NamespaceMeta.namespace(namespace), within(Limited.of, clearStandard)))
    ]
    const counted = yield* Effect.forEach(steps, (step) =>
      store.commitAll((batch) =>
        Either.right(step(batch)), null).pipe(
          Effect.map(({ answer }) => Option.getOrElse(answer, () => "skipped" as const)),
          Effect.catchTags({
            // It would have no effect here.
            LocalWriteFailed: (error) =>
              error.void === undefined ? Effect.fail(error) : Effect.succeed<Void>({ why: error.void }),
            // The clock of this node is wrong: what it does not take now, its sender must send again.
            ClockSkewed: () => Effect.succeed("skipped" as const),
            KeyReused: () => Effect.succeed("skipped" as const)
          })
        ))
    return {
      counters: Counters.sum(
        counted.map((counter) =>
          counter === "refused" || typeof counter === "object" ? "skipped" : counter
        )
      ),
      void: counted.filter((counter) => typeof counter === "object"),
      refused: counted.filter((counter) => counter === "refused").length,
      applied: items.memories.filter((_, at) => counted[at] === "applied")
    }
  })

const skipped: Step = () => "skipped"

const checked = <A, E>(valid: Either.Either<A, E>, step: (item: A) => Step): Step =>
  Either.match(valid, { onLeft: () => skipped, onRight: step })

const ruled = (decision: PendingAction.Decision) =>
  Either.map(Either.all([validate.memoryId(decision.id), validate.agentId(decision.decider)]), () => decision)

/** As in the original a row counts as applied also when the one here is newer. */
const storeRow = (incoming: Memory.Memory): Step => (batch) =>
  storeIfNewer(batch, incoming) === "future" ? "skipped" : "applied"

/** A deletion covers every sibling known here. */
const deleteSeen = (id: string): Step => (batch) => {
  const now = batch.now()
  const found = liveId(now, id)
  if (found === null) return "noop"
  batch.write({
    payload: { kind: "delete", entity: found.memory.id },
    baseHlc: found.version.hlc,
    covers: now.endable(found)
  })
  return "deleted"
}

const archive = (id: string): Step => (batch) => {
  const now = batch.now()
  const found = liveId(now, id)
  if (found === null) return "noop"
  batch.write({
    payload: {
      kind: "archive",
      memory: { ...found.memory, updated_at: now.stamp },
      archivedAt: now.stamp,
      reason: "sync_push"
    },
    baseHlc: found.version.hlc,
    covers: now.replaceable(found)
  })
  return "archived"
}

const restore = (id: string): Step => (batch) => {
  const now = batch.now()
  const found = archivedId(now, id)
  if (found === null) return "noop"
  const taken = slot(now, found.memory.namespace, found.memory.title)
  if (taken._tag === "held") return "skipped"
  batch.write({
    payload: { kind: "restore", memory: { ...found.memory, updated_at: now.stamp } },
    baseHlc: found.version.hlc,
    covers: [...now.replaceable(found), ...endedBy(taken)]
  })
  return "restored"
}

/**
 * A triple that is there already stays as it is. Its ends may come later, and are shown as the memories that they stand
 * for then.
 */
const addLink = (link: Link.Link): Step => (batch) => {
  if (batch.now().current("link", linkId(link)) === null) {
    batch.write({ payload: { kind: "link", link }, baseHlc: null, covers: [] })
  }
  return "links_applied"
}

/** The row tells how far the action got at its sender: what is new here of votes and decision is taken over. */
const takePending = (action: PendingAction.Valid): Step => (batch) => {
  const isEarly = governed.find(batch.now(), action.id) === null && batch.now().current("decision", action.id) !== null
  // It executed the action itself: what that came to arrives as a row of its own.
  governed.takeOver(batch, action)
  // Its decision came first: this node has the action now, and can do what was decided.
  if (isEarly) governed.carryOut(batch, action)
  return "pendings_applied"
}

const takeDecision = ({ approved, decider, id }: PendingAction.Decision): Step => (batch) => {
  const now = batch.now()
  const known = governed.find(now, id)
  if (known === null) {
    if (now.current("decision", id) !== null) return "noop"
    // Two requests of the same node can overtake each other: it is kept until the action comes.
    batch.write({
      payload: { kind: "decision", decision: { id, approved, decider, decided_at: now.stamp } },
      baseHlc: null,
      covers: []
    })
    return "pending_decisions_applied"
  }
  if (known.decision !== null) return "noop"
  governed.decide(batch, known.action, { approved, decider })
  return "pending_decisions_applied"
}

const setStandard = (meta: NamespaceMeta.NamespaceMeta): Step => (batch) => {
  const now = batch.now()
  const known = standards.find(now, meta.namespace)
  const parent = meta.parent_namespace ?? known?.parent_namespace ?? standards.guessParent(now, meta.namespace)
  // It may come later: then it is known by the id that it has at its node.
  const standardId = liveId(now, meta.standard_id)?.memory.id ?? meta.standard_id
  if (known?.standard_id === standardId && known.parent_namespace === parent) return "namespace_meta_applied"
  batch.write({
    payload: {
      kind: "namespace_meta",
      meta: { namespace: meta.namespace, standard_id: standardId, parent_namespace: parent, updated_at: now.stamp }
    },
    baseHlc: null,
    covers: standards.versions(now, meta.namespace)
  })
  return "namespace_meta_applied"
}

const clearStandard = (namespace: string): Step => (batch) => {
  const covers = standards.versions(batch.now(), namespace)
  if (covers.length === 0) return "noop"
  batch.write({ payload: { kind: "namespace_meta_clear", entity: namespace }, baseHlc: null, covers })
  return "namespace_meta_cleared"
}
