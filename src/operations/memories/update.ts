import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as UpdateMemory from "../../domain/UpdateMemory.js"
import type { Invalid } from "../../domain/validate.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import * as Write from "../writing/Write.js"
import { amend, type AmendError, type Expected } from "./amend.js"

/** Changes the given fields of a memory. `ifMatch` (the header) and `expected_version` (the body) say the same. */
export const update = (
  idOrPrefix: string,
  request: UpdateMemory.UpdateMemory,
  { caller = Write.anonymous, ifMatch = Option.none() }: {
    readonly caller?: Write.Caller
    readonly ifMatch?: Expected
  } = {}
): Write.Verb<Write.Written, Invalid | AmendError, MemoryReader> =>
  amend({
    name: "update",
    counts: "updated",
    caller,
    request: [request],
    idOrPrefix,
    expected: Option.orElse(ifMatch, () => Option.fromNullable(request.expected_version)),
    change: Effect.map(Effect.suspend(() => UpdateMemory.validate(request)), (valid) => (memory, stamp) =>
      UpdateMemory.apply(memory, valid, stamp))
  })
