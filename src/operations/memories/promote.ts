import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import type { Stamp } from "../../domain/Stamp.js"
import type { Uuid } from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type {
  AmbiguousPrefix,
  AwaitingApproval,
  Denied,
  NotFound,
  ReadFailed,
  SlotTaken,
  VersionMismatch
} from "../errors.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { askingOf, commitGoverned } from "../writing/commitGoverned.js"
import { counted } from "../writing/counted.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"
import * as amend from "./amend.js"

/** Makes a memory long-lived: its tier becomes `long` and it no longer expires. */
export const promote = (
  idOrPrefix: string,
  caller: Caller
): Effect.Effect<
  Written,
  | Invalid
  | NotFound
  | AmbiguousPrefix
  | SlotTaken
  | VersionMismatch
  | Denied
  | AwaitingApproval
  | WriteError
  | ReadFailed,
  MemoryStore | MemoryReader | Federation | Uuid
> =>
  Effect.gen(function*() {
    const id = yield* amend.resolveId(idOrPrefix)
    const idempotency = idempotencyOf(caller, ["promote", idOrPrefix])
    const asking = yield* askingOf(undefined, caller, idempotency)
    const { acknowledged, committed } = yield* commitGoverned(asking, (now) =>
      Either.flatMap(amend.expectHeld(now, id, Option.none()), (held) =>
        Either.map(amend.decide(now, held, toLong(held.memory, now.stamp)), (decision) => ({
          decision,
          action: "promote",
          memory: held.memory
        }))), idempotency)
    return { ...acknowledged, memory: yield* storedMemory(committed) }
  }).pipe(counted("updated"), hotSpan("promote"))

const toLong = ({ expires_at: _, ...memory }: Memory, stamp: Stamp): Memory => ({
  ...memory,
  tier: "long",
  updated_at: stamp
})
