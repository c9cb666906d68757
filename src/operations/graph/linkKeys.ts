import * as Effect from "effect/Effect"
import type { Link } from "../../domain/Link.js"
import { linkId } from "../../replication/kinds.js"
import type { ReadFailed } from "../../store/errors.js"
import { LinkReader } from "../../store/read/LinkReader.js"

/** The keys that links from one memory to another have, under all ids by which the two are known. */
export const linkKeys = (
  ends: Pick<Link, "source_id" | "target_id">,
  relations: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, ReadFailed, LinkReader> =>
  Effect.gen(function*() {
    const reader = yield* LinkReader
    const sources = yield* reader.names(ends.source_id)
    const targets = yield* reader.names(ends.target_id)
    return sources.flatMap((source_id) =>
      targets.flatMap((target_id) => relations.map((relation) => linkId({ source_id, target_id, relation })))
    )
  })
