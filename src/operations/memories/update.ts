import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Memory from "../../domain/Memory.js"
import * as UpdateMemory from "../../domain/UpdateMemory.js"
import type { Invalid } from "../../domain/validate.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Decision, Entry, Transaction } from "../../store/MemoryStore.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import * as Write from "../writing/Write.js"
import { type AmendError, decide, type Expected, expectHeld, resolveId } from "./amend.js"

interface Options {
  readonly caller?: Write.Caller
  readonly ifMatch?: Expected
}

/**
 * Changes the given fields of a memory. `ifMatch` (the header) and `expected_version` (the body) say the same. What changes
 * nothing writes nothing: it waits for the quorum of the version that is there, so that its answer means the same.
 */
export const update = (
  idOrPrefix: string,
  request: UpdateMemory.UpdateMemory,
  options: Options = {}
): Write.Verb<Write.Written, Invalid | AmendError, MemoryReader> =>
  Write.oneAtMost(updating(idOrPrefix, request, options))

/** The same as a record, of which several that came at once are run by `each`. */
export const updating = (
  idOrPrefix: string,
  request: UpdateMemory.UpdateMemory,
  { caller = Write.anonymous, ifMatch = Option.none() }: Options
) => {
  const expected = Option.orElse(ifMatch, () => Option.fromNullable(request.expected_version))
  return Write.ungoverned({
    name: "update",
    counts: "updated",
    caller,
    request: [request, idOrPrefix],
    governed: "ungoverned",
    prepare: () => Effect.zip(Effect.suspend(() => UpdateMemory.validate(request)), resolveId(idOrPrefix)),
    decide: (now, [valid, id]: Prepared) =>
      Either.flatMap(expectHeld(now, id, expected), (held): Either.Either<Decision | Entry, AmendError> => {
        const memory = UpdateMemory.apply(held.memory, valid, now.stamp)
        if (isSame(held.memory, memory)) return Either.right(standing(now, held))
        return decide(now, held, memory)
      }),
    answer: Write.withMemory
  })
}

/** The fields to be set, and the memory's id. */
type Prepared = readonly [UpdateMemory.Validated, string]

/** The operation that made the memory what it is, and the memory with what this node alone knows of it. */
const standing = (now: Transaction, held: Held): Entry => ({
  operation: now.entryOf(held).operation,
  payload: { kind: "store", memory: held.memory }
})

/** But for the time of the change. */
const isSame = (before: Memory.Memory, after: Memory.Memory): boolean =>
  Memory.encodeJson({ ...after, updated_at: before.updated_at }) === Memory.encodeJson(before)
