import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Kind, Operation } from "../replication/Operation.js"
import { type Acknowledged, Federation, type QuorumNotMet } from "./Federation.js"

/** Sends one committed operation to every peer and waits for its quorum. */
export type Broadcast = (operation: Operation) => Effect.Effect<Acknowledged, QuorumNotMet, Federation>

/** Replicates a memory's new version. */
export const broadcastStore: Broadcast = (operation) => broadcast("store", operation)

/** Replicates the end of the versions that the delete had seen. */
export const broadcastDelete: Broadcast = (operation) => broadcast("delete", operation)

/** Replicates that a memory is archived, as of one stamp on every node. */
export const broadcastArchive: Broadcast = (operation) => broadcast("archive", operation)

/** Replicates that an archived memory is live again. */
export const broadcastRestore: Broadcast = (operation) => broadcast("restore", operation)

/** Replicates a link, or that it is gone. */
export const broadcastLink: Broadcast = (operation) => broadcast("link", operation)

/** Replicates a memory that takes the place of its sources: one operation, whole on every node or not there. */
export const broadcastConsolidate: Broadcast = (operation) => broadcast("consolidate", operation)

/** Replicates an action that waits for approval, or a vote on it. */
export const broadcastPending: Broadcast = (operation) => broadcast("pending", operation)

/** Replicates the decision on a pending action, and with it what an approved store comes to. */
export const broadcastPendingDecision: Broadcast = (operation) => broadcast("pending decision", operation)

/** Replicates the standard of a namespace. */
export const broadcastNamespaceMeta: Broadcast = (operation) => broadcast("namespace meta", operation)

/** Replicates that a namespace has no standard any more. */
export const broadcastNamespaceMetaClear: Broadcast = (operation) => broadcast("namespace meta clear", operation)

/** The broadcast of each kind of operation. */
export const broadcasts: { readonly [K in Kind]: Broadcast } = {
  store: broadcastStore,
  delete: broadcastDelete,
  archive: broadcastArchive,
  restore: broadcastRestore,
  consolidate: broadcastConsolidate,
  link: broadcastLink,
  unlink: broadcastLink,
  pending: broadcastPending,
  vote: broadcastPending,
  decision: broadcastPendingDecision,
  namespace_meta: broadcastNamespaceMeta,
  namespace_meta_clear: broadcastNamespaceMetaClear
}

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

/** The line that operators look for, and the fan-out itself. */
const broadcast = (what: string, operation: Operation): Effect.Effect<Acknowledged, QuorumNotMet, Federation> =>
  Effect.flatMap(Federation, ({ links, policy, replicate }) =>
    Option.match(policy, {
      onNone: () => replicate(operation),
      onSome: ({ w }) =>
        Effect.zipRight(
          Effect.logInfo(
            `federation::broadcast: ${what} ${operation.entity} -> ${links.length} peer(s) (quorum W=${w})`
          ),
          replicate(operation)
        )
    }))
