import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as UpdateMemory from "../../domain/UpdateMemory.js"
import type { Invalid } from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { AmbiguousPrefix, NotFound, ReadFailed, SlotTaken, VersionMismatch } from "../errors.js"
import { counted } from "../writing/counted.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"
import { amend } from "./amend.js"

/** Changes the given fields of a memory. `ifMatch` (the header) and `expected_version` (the body) say the same. */
export const update = (
  idOrPrefix: string,
  request: UpdateMemory.UpdateMemory,
  options: { readonly caller: Caller; readonly ifMatch: Option.Option<string> }
): Effect.Effect<
  Written,
  Invalid | NotFound | AmbiguousPrefix | SlotTaken | VersionMismatch | WriteError | ReadFailed,
  MemoryStore | MemoryReader | Federation
> =>
  Effect.gen(function*() {
    const valid = yield* UpdateMemory.validate(request)
    return yield* amend({
      idOrPrefix,
      expected: Option.orElse(options.ifMatch, () => Option.fromNullable(request.expected_version)),
      caller: options.caller,
      request: ["update", request],
      change: (memory, stamp) => UpdateMemory.apply(memory, valid, stamp)
    })
  }).pipe(counted("updated"), hotSpan("update"))
