import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Link from "../../domain/Link.js"
import type { Invalid } from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import * as links from "../../store/deciding/links.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { LinkReader } from "../../store/read/LinkReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { acknowledge } from "../writing/acknowledge.js"
import { idempotencyOf } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Acknowledged, Caller, WriteError } from "../writing/Written.js"
import { linkKeys } from "./linkKeys.js"

/** Which links to remove: all from one memory to another, or those with one relation. */
export interface Unlink {
  readonly source_id: string
  readonly target_id: string
  readonly relation?: string | undefined
}

/** Links that were removed, and met their quorum. */
export interface Unlinked extends Acknowledged {
  readonly removed: number
}

/**
 * Removes links everywhere, in one transaction: the versions that this node has seen end for good. The ends need not be
 * there, so that a link which waits for one can be removed, too.
 */
export const unlink = (
  request: Unlink,
  caller: Caller
): Effect.Effect<Unlinked, Invalid | WriteError | ReadFailed, MemoryStore | LinkReader | Federation> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    yield* Link.checkEnds(request)
    const relations = request.relation === undefined ? Link.RELATIONS : [yield* Link.relation(request.relation)]
    const keys = yield* linkKeys(request, relations)
    const { written } = yield* store.commitAll((batch) => {
      for (const { current, key, versions } of links.find(batch.now(), keys)) {
        batch.write({ payload: { kind: "unlink", entity: key }, baseHlc: current.hlc, covers: versions })
      }
      return Either.void
    }, idempotencyOf(caller, ["unlink", request]))
    return { ...(yield* acknowledge(written)), removed: written.length }
  }).pipe(counted("deleted"), hotSpan("unlink"))
