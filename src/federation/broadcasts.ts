import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import { kinds } from "../replication/kinds.js"
import type { Operation } from "../replication/Operation.js"
import { type Acknowledged, Federation, type QuorumNotMet } from "./Federation.js"

/** Sends one committed operation to every peer and waits for its quorum. */
export type Broadcast = (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet, Federation>

/** Replicates an operation, whatever its kind. */
export const broadcast: Broadcast = (operation) =>
  Effect.flatMap(Federation, ({ links, policy, replicate }) =>
    Option.match(policy, {
      onNone: () => replicate(operation),
      onSome: ({ w }) =>
        Effect.zipRight(
          // The line that operators look for.
          Effect.logInfo(
            `federation::broadcast: ${kinds[operation.kind].word} ${operation.entity} -> ` +
              `${links.length} peer(s) (quorum W=${w})`
          ),
          replicate(operation)
        )
    }))

/** Replicates a memory's new version. */
export const broadcastStore: Broadcast = broadcast

/** Replicates the end of the versions that the delete had seen. */
export const broadcastDelete: Broadcast = broadcast

/** Replicates that a memory is archived, as of one stamp on every node. */
export const broadcastArchive: Broadcast = broadcast

/** Replicates that an archived memory is live again. */
export const broadcastRestore: Broadcast = broadcast

/** Replicates a link, or that it is gone. */
export const broadcastLink: Broadcast = broadcast

/** Replicates a memory that takes the place of its sources: one operation, whole on every node or not there. */
export const broadcastConsolidate: Broadcast = broadcast

/** Replicates an action that waits for approval, or a vote on it. */
export const broadcastPending: Broadcast = broadcast

/** Replicates the decision on a pending action, and with it what an approved store comes to. */
export const broadcastPendingDecision: Broadcast = broadcast

/** Replicates the standard of a namespace. */
export const broadcastNamespaceMeta: Broadcast = broadcast

/** Replicates that a namespace has no standard any more. */
export const broadcastNamespaceMetaClear: Broadcast = broadcast

/**
 * Replicates many operations that were committed together, in large pushes of their own that leave live writes the way. Each
 * has its own verdict, all within one deadline.
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
