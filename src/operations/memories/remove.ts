import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Invalid } from "../../domain/validate.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import { unlessStandard } from "../archive/archival.js"
import type { AmbiguousPrefix, NotFound, ReadFailed, StandardInUse, VersionMismatch } from "../errors.js"
import * as Write from "../writing/Write.js"
import { type Expected, expectHeld, resolveId } from "./amend.js"

interface Options {
  readonly caller?: Write.Caller
  readonly ifMatch?: Expected
}

/** Deletes a memory everywhere: the versions this node has seen end for good, one it has not seen lives on. */
export const remove = (
  idOrPrefix: string,
  options: Options = {}
): Write.Verb<
  Write.Removed,
  Invalid | NotFound | AmbiguousPrefix | VersionMismatch | StandardInUse | ReadFailed | Write.Ruled,
  MemoryReader
> => Write.one(removing(idOrPrefix, options))

/** The same as a record, of which several that came at once are run by `each`. */
export const removing = (
  idOrPrefix: string,
  { caller = Write.anonymous, ifMatch = Option.none() }: Options
) =>
  Write.governed({
    name: "remove",
    counts: "deleted",
    caller,
    request: [idOrPrefix],
    governed: { action: "delete" },
    prepare: () => resolveId(idOrPrefix),
    decide: (now, id) =>
      Either.map(Either.flatMap(expectHeld(now, id, ifMatch), (held) => unlessStandard(now, held)), (held) => ({
        memory: held.memory,
        decision: {
          payload: { kind: "delete", entity: held.memory.id },
          baseHlc: held.version.hlc,
          covers: now.endable(held)
        }
      })),
    answer: ({ acknowledged, operation }) => ({ ...acknowledged, id: operation.entity })
  })
