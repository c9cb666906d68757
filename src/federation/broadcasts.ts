import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { kinds } from "../replication/kinds.js"
import type { Operation } from "../replication/Operation.js"
import { type Acknowledged, Federation, type QuorumNotMet } from "./Federation.js"

/**
 * Sends one operation of this node's log to every peer, and waits until W − 1 of them hold it durably, no longer than
 * the deadline of the policy. A node without peers is done at once.
 *
 * The operation was committed here before: a broadcast writes nothing and takes nothing back. `QuorumNotMet` says that
 * fewer nodes are known to hold it by now, not that it is gone; it will be on every node. Interrupting the caller stops
 * no send. To send an operation again is safe: a node that has it says so, and that is an ack as well.
 */
export type Broadcast = (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet, Federation>

/** Replicates an operation, whatever its kind; those below are the same under the name of what they replicate. */
export const broadcast: Broadcast = (operation) =>
  Effect.flatMap(
    Federation,
    (federation) => Effect.zipRight(said(federation, operation), federation.replicate(operation))
  )

/**
 * The same for operations that were committed at once, each of them a write of its own: `told` hears what becomes of each, as
 * soon as that is certain.
 */
export const broadcastEach = (
  operations: ReadonlyArray<Operation>,
  told: (index: number, exit: Exit.Exit<Acknowledged, QuorumNotMet>) => void
): Effect.Effect<void, never, Federation> =>
  Effect.flatMap(Federation, (federation) =>
    Effect.zipRight(
      Effect.forEach(operations, (operation) => said(federation, operation), { discard: true }),
      federation.replicateEach(operations, told)
    ))

/** The line that operators look for. */
const said = ({ links, policy }: Federation["Type"], { entity, kind }: Operation): Effect.Effect<void> =>
  Option.isNone(policy)
    ? Effect.void
    : Effect.logInfo(
      `federation::broadcast: ${kinds[kind].word} ${entity} -> ${links.length} peer(s) (quorum W=${policy.value.w})`
    )

/** Replicates a memory's new version (kind `store`): it is new, was edited, promoted, or moved to another slot. */
export const broadcastStore: Broadcast = broadcast

/**
 * Replicates the end of the versions that the delete had seen (kind `delete`). What it had not seen lives on
 * everywhere.
 */
export const broadcastDelete: Broadcast = broadcast

/** Replicates that a memory is archived (kind `archive`), as of one stamp on every node. */
export const broadcastArchive: Broadcast = broadcast

/** Replicates that an archived memory is live again (kind `restore`). */
export const broadcastRestore: Broadcast = broadcast

/**
 * Replicates a link, or that it is gone (kinds `link` and `unlink`). A peer takes it also before the memories at its
 * ends.
 */
export const broadcastLink: Broadcast = broadcast

/**
 * Replicates a memory that takes the place of its sources (kind `consolidate`): one operation, whole on every node or
 * not there.
 */
export const broadcastConsolidate: Broadcast = broadcast

/** Replicates an action that waits for approval, or a vote on it (kinds `pending` and `vote`). */
export const broadcastPending: Broadcast = broadcast

/**
 * Replicates the decision on a pending action (kind `decision`), and with it the memory that an approved store comes
 * to: under one id, whichever nodes decide.
 */
export const broadcastPendingDecision: Broadcast = broadcast

/**
 * Replicates the standard of a namespace (kind `namespace_meta`): which memory it is, and whose rules apply before it.
 */
export const broadcastNamespaceMeta: Broadcast = broadcast

/** Replicates that a namespace has no standard any more (kind `namespace_meta_clear`). The memory that was it stays. */
export const broadcastNamespaceMetaClear: Broadcast = broadcast

/**
 * Replicates many operations that were committed together, in large pushes of their own that leave live writes the way.
 * Each has its own verdict, in the order of the operations, and all of them within one deadline: a missed quorum is no
 * failure of the whole, but the `Left` of that operation.
 */
export const bulkCatchupPush = (
  operations: ReadonlyArray<Operation>
): Effect.Effect<ReadonlyArray<Either.Either<Acknowledged, QuorumNotMet>>, never, Federation> =>
  Effect.flatMap(Federation, ({ links, policy, replicateAll }) =>
    Option.match(policy, {
      onNone: () => replicateAll(operations),
      onSome: ({ w }) =>
        Effect.zipRight(
          Effect.logInfo(
            `federation::broadcast: bulk of ${operations.length} -> ${links.length} peer(s) (quorum W=${w})`
          ),
          replicateAll(operations)
        )
    }))
