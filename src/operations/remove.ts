import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import { broadcastDelete } from "../federation/broadcasts.js"
import type { Federation } from "../federation/Federation.js"
import type { MemoryReader } from "../store/MemoryReader.js"
import { MemoryStore } from "../store/MemoryStore.js"
import { hotSpan } from "../telemetry/hotSpan.js"
import { expectHeld, resolveId } from "./amend.js"
import { idempotencyOf } from "./caller.js"
import { counted } from "./counted.js"
import type { AmbiguousPrefix, NotFound, ReadFailed, VersionMismatch } from "./errors.js"
import type { Caller, Removed, WriteError } from "./Written.js"

/** Deletes a memory everywhere: the versions this node has seen end for good, one it has not seen lives on. */
export const remove = (
  idOrPrefix: string,
  options: { readonly caller: Caller; readonly ifMatch: Option.Option<string> }
): Effect.Effect<
  Removed,
  NotFound | AmbiguousPrefix | VersionMismatch | WriteError | ReadFailed,
  MemoryStore | MemoryReader | Federation
> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const id = yield* resolveId(idOrPrefix)
    const committed = yield* store.commit(
      (now) =>
        Either.map(expectHeld(now, id, options.ifMatch), (held) => ({
          payload: { kind: "delete", entity: held.memory.id },
          baseHlc: held.version.hlc,
          covers: now.endable(held)
        })),
      idempotencyOf(options.caller, ["remove", idOrPrefix])
    )
    const acknowledged = yield* broadcastDelete(committed.operation)
    return { ...acknowledged, id: committed.operation.entity }
  }).pipe(counted("deleted"), hotSpan("remove"))
