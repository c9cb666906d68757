import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Memory from "../../domain/Memory.js"
import * as UpdateMemory from "../../domain/UpdateMemory.js"
import type { Invalid } from "../../domain/validate.js"
import type { Entry } from "../../store/MemoryStore.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import * as Write from "../writing/Write.js"
import { type AmendError, decide, type Expected, expectHeld, resolveId } from "./amend.js"

/**
 * Changes the given fields of a memory. `ifMatch` (the header) and `expected_version` (the body) say the same. What changes
 * nothing writes nothing: it waits for the quorum of the version that is there, so that its answer means the same.
 */
export const update = (
  idOrPrefix: string,
  request: UpdateMemory.UpdateMemory,
  { caller = Write.anonymous, ifMatch = Option.none() }: {
    readonly caller?: Write.Caller
    readonly ifMatch?: Expected
  } = {}
): Write.Verb<Write.Written, Invalid | AmendError, MemoryReader> => {
  const expected = Option.orElse(ifMatch, () => Option.fromNullable(request.expected_version))
  return Write.together({
    name: "update",
    counts: "updated",
    caller,
    request: [request, idOrPrefix],
    governed: "ungoverned",
    prepare: () => Effect.zip(Effect.suspend(() => UpdateMemory.validate(request)), resolveId(idOrPrefix)),
    decide: (batch, [valid, id]) =>
      Either.flatMap(expectHeld(batch.now(), id, expected), (held): Either.Either<Done, AmendError> => {
        const now = batch.now()
        const memory = UpdateMemory.apply(held.memory, valid, now.stamp)
        if (isSame(held.memory, memory)) return Either.right({ entry: now.entryOf(held), memory: held.memory })
        return Either.map(decide(now, held, memory), (decision) => ({ entry: batch.write(decision), memory }))
      }),
    settle: ({ answer, written }) =>
      Effect.gen(function*() {
        const { entry, memory } = Option.getOrElse(answer, () => repeated(written))
        return { ...(yield* Write.acknowledge([entry])), memory }
      })
  })
}

/** The memory as it is now, and the operation that made it so. */
interface Done {
  readonly entry: Entry
  readonly memory: Memory.Memory
}

/** But for the time of the change. */
const isSame = (before: Memory.Memory, after: Memory.Memory): boolean =>
  Memory.encodeJson({ ...after, updated_at: before.updated_at }) === Memory.encodeJson(before)

/** A key that comes again brings what was written the first time. */
const repeated = ([entry]: ReadonlyArray<Entry>): Done => {
  if (entry === undefined) throw new Error("a key named an update that wrote nothing")
  return { entry, memory: Write.memoryOf(entry) }
}
