import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { MAX_PRIORITY } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import type { Stamp } from "../../domain/Stamp.js"
import { MemoryStore, type Reinforced } from "../../store/MemoryStore.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import { Background } from "../writing/Background.js"
import * as Write from "../writing/Write.js"
import { amend } from "./amend.js"

export type TouchServices = Background | MemoryReader | Write.WriteServices

/**
 * Counts the memories as used, after the answer that gave them. What they earn by it beyond this node, a longer tier, a
 * higher priority or, when every other node would soon lose them, a later expiry, is a write that replicates.
 */
export const touch = (
  ids: ReadonlyArray<string>
): Effect.Effect<void, never, TouchServices> =>
  Effect.gen(function*() {
    const background = yield* Background
    const store = yield* MemoryStore
    const work = Effect.flatMap(store.touch(ids), Effect.forEach(reinforce, { discard: true }))
    yield* background.run("counting recalled memories", work)
  })

const reinforce = (earned: Reinforced) =>
  amend({
    name: "reinforce",
    counts: "nothing",
    caller: Write.anonymous,
    request: [],
    idOrPrefix: earned.id,
    expected: Option.none(),
    change: Effect.succeed((memory, stamp) => reinforced(memory, earned, stamp))
  }).pipe(
    // It is kept and will replicate: nobody waits for its quorum.
    Effect.catchTag("QuorumNotMet", () => Effect.void)
  )

const reinforced = ({ expires_at, ...memory }: Memory, earned: Reinforced, stamp: Stamp): Memory => ({
  ...memory,
  tier: earned.promote ? "long" : memory.tier,
  priority: earned.raisePriority ? Math.min(memory.priority + 1, MAX_PRIORITY) : memory.priority,
  updated_at: stamp,
  // What was made to last meanwhile, or longer than it earned, stays so.
  ...(earned.promote || expires_at === undefined ? {} : { expires_at: later(expires_at, earned.expiresAt) })
})

const later = (expiry: string, earned: Stamp | null): string => earned !== null && earned > expiry ? earned : expiry
