import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { OpId } from "../../domain/ids.js"
import { broadcast, bulkCatchupPush } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import { type Entry, MemoryStore } from "../../store/MemoryStore.js"
import type { QuorumNotMet } from "../errors.js"
import { spannedAll } from "./spanned.js"
import type { Acknowledged } from "./Written.js"

/** More operations than this go out in pushes of their own. */
const MAX_LIVE = 16

/**
 * Waits for the quorum of everything that one request wrote in one transaction. The answer names the nodes that hold all of
 * it. When an operation misses its quorum that is the verdict on the request, although the others may have met theirs:
 * nothing is undone, and all of it will replicate.
 */
export const acknowledge = (
  written: ReadonlyArray<Entry>
): Effect.Effect<Acknowledged, QuorumNotMet, Federation | MemoryStore> =>
  Effect.gen(function*() {
    const { nodeId } = yield* MemoryStore
    const verdicts = yield* verdictsOf(written)
    const acknowledged = yield* Either.all(verdicts)
    const [first, ...others] = acknowledged
    // Nothing was to be done: that is as durable as it can be.
    if (first === undefined) return { opId: NOTHING_WRITTEN, acks: 1, ackedBy: [nodeId] }
    const ackedBy = first.ackedBy.filter((node) => others.every((other) => other.ackedBy.includes(node)))
    return { ...first, acks: Math.min(...acknowledged.map(({ acks }) => acks)), ackedBy }
  })

/** No operation: what asked for nothing has none to be known by. */
export const NOTHING_WRITTEN = OpId.make("")

/** The verdict on each of the operations, in their order. */
export const verdictsOf = (
  written: ReadonlyArray<Entry>
): Effect.Effect<ReadonlyArray<Either.Either<Acknowledged, QuorumNotMet>>, never, Federation> =>
  (written.length > MAX_LIVE
    ? bulkCatchupPush(written.map(({ operation }) => operation))
    : Effect.forEach(written, ({ operation }) => Effect.either(broadcast(operation)), {
      concurrency: "unbounded"
    })).pipe(spannedAll(written))
