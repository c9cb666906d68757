import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type { Uuid } from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { AmbiguousPrefix, AwaitingApproval, Denied, NotFound, ReadFailed, VersionMismatch } from "../errors.js"
import { idempotencyOf } from "../writing/caller.js"
import { askingOf, commitGoverned } from "../writing/commitGoverned.js"
import { counted } from "../writing/counted.js"
import type { Caller, Removed, WriteError } from "../writing/Written.js"
import { expectHeld, resolveId } from "./amend.js"

/** Deletes a memory everywhere: the versions this node has seen end for good, one it has not seen lives on. */
export const remove = (
  idOrPrefix: string,
  options: { readonly caller: Caller; readonly ifMatch: Option.Option<string> }
): Effect.Effect<
  Removed,
  | Invalid
  | NotFound
  | AmbiguousPrefix
  | VersionMismatch
  | Denied
  | AwaitingApproval
  | WriteError
  | ReadFailed,
  MemoryStore | MemoryReader | Federation | Uuid
> =>
  Effect.gen(function*() {
    const id = yield* resolveId(idOrPrefix)
    const idempotency = idempotencyOf(options.caller, ["remove", idOrPrefix])
    const asking = yield* askingOf(undefined, options.caller, idempotency)
    const { acknowledged, committed } = yield* commitGoverned(asking, (now) =>
      Either.map(expectHeld(now, id, options.ifMatch), (held) => ({
        action: "delete",
        memory: held.memory,
        decision: {
          payload: { kind: "delete", entity: held.memory.id },
          baseHlc: held.version.hlc,
          covers: now.endable(held)
        }
      })), idempotency)
    return { ...acknowledged, id: committed.operation.entity }
  }).pipe(counted("deleted"), hotSpan("remove"))
