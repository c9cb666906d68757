import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Operation } from "../replication/Operation.js"
import { type Acknowledged, Federation, type QuorumNotMet } from "./Federation.js"

/** Replicates a memory's new version. */
export const broadcastStore = (operation: Operation) => broadcast("store", operation)

/** Replicates the end of the versions that the delete had seen. */
export const broadcastDelete = (operation: Operation) => broadcast("delete", operation)

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
