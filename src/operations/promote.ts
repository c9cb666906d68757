import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Memory } from "../domain/Memory.js"
import type { Stamp } from "../domain/Stamp.js"
import type { Federation } from "../federation/Federation.js"
import type { MemoryReader } from "../store/MemoryReader.js"
import type { MemoryStore } from "../store/MemoryStore.js"
import { hotSpan } from "../telemetry/hotSpan.js"
import { amend } from "./amend.js"
import { counted } from "./counted.js"
import type { AmbiguousPrefix, NotFound, ReadFailed, SlotTaken, VersionMismatch } from "./errors.js"
import type { Caller, WriteError, Written } from "./Written.js"

/** Makes a memory long-lived: its tier becomes `long` and it no longer expires. */
export const promote = (
  idOrPrefix: string,
  caller: Caller
): Effect.Effect<
  Written,
  NotFound | AmbiguousPrefix | SlotTaken | VersionMismatch | WriteError | ReadFailed,
  MemoryStore | MemoryReader | Federation
> =>
  amend({ idOrPrefix, expected: Option.none(), caller, request: ["promote"], change: toLong }).pipe(
    counted("updated"),
    hotSpan("promote")
  )

const toLong = ({ expires_at: _, ...memory }: Memory, stamp: Stamp): Memory => ({
  ...memory,
  tier: "long",
  updated_at: stamp
})
