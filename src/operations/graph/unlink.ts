import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Link from "../../domain/Link.js"
import type { Invalid } from "../../domain/validate.js"
import * as links from "../../store/deciding/links.js"
import type { LinkReader } from "../../store/read/LinkReader.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { linkKeys } from "./linkKeys.js"

/** Which links to remove: all from one memory to another, or those with one relation. */
export interface Unlink {
  readonly source_id: string
  readonly target_id: string
  readonly relation?: string | undefined
}

/** Links that were removed, and met their quorum. */
export interface Unlinked extends Write.Acknowledged {
  readonly removed: number
}

/**
 * Removes links everywhere, in one transaction: the versions that this node has seen end for good. The ends need not be
 * there, so that a link which waits for one can be removed, too.
 */
export const unlink = (
  request: Unlink,
  caller = Write.anonymous
): Write.Verb<Unlinked, Invalid | ReadFailed, LinkReader> =>
  Write.together({
    name: "unlink",
    counts: "deleted",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        yield* Link.checkEnds(request)
        const relations = request.relation === undefined ? Link.RELATIONS : [yield* Link.relation(request.relation)]
        return yield* linkKeys(request, relations)
      }),
    decide: (batch, keys) => {
      for (const { current, key, versions } of links.find(batch.now(), keys)) {
        batch.write({ payload: { kind: "unlink", entity: key }, baseHlc: current.hlc, covers: versions })
      }
      return Either.void
    },
    settle: ({ written }) =>
      Effect.map(Write.acknowledge(written), (acknowledged) => ({ ...acknowledged, removed: written.length }))
  })
