import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { MAX_PRIORITY } from "../../domain/limits.js"
import { earning } from "../../store/deciding/earning.js"
import { MemoryStore, type Reinforced } from "../../store/MemoryStore.js"
import { Background } from "../writing/Background.js"
import * as Write from "../writing/Write.js"

type TouchServices = Background | Write.WriteServices

/**
 * Counts the memories as used, after the answer that gave them. What they earn by it beyond this node, a longer tier, a
 * higher priority or, when every other node would soon lose them, a later expiry, is a write that replicates.
 */
export const touch = (
  ids: ReadonlyArray<string>
): Effect.Effect<void, never, TouchServices> =>
  Effect.gen(function*() {
    const background = yield* Background
    yield* background.run("counting recalled memories", counted(ids))
  })

/** The same at once; one that is named twice counts as used twice. */
export const counted = (
  ids: ReadonlyArray<string>
): Effect.Effect<void, Write.CommitError, MemoryStore | Write.WriteServices> =>
  Effect.flatMap(MemoryStore, (store) => Effect.flatMap(store.touch(ids), Effect.forEach(reinforce, { discard: true })))

/**
 * For the version that was recalled: what has been written since knows nothing of it. A mesh that has members of version 0.2.0
 * has no words for it: there the memory earns it once more when it is recalled again.
 */
const reinforce = (earned: Reinforced) =>
  Write.together({
    name: "reinforce",
    counts: "nothing",
    caller: Write.anonymous,
    request: [],
    governed: "ungoverned",
    prepare: () => Effect.void,
    decide: (batch) => {
      const now = batch.now()
      const held = now.byId(earned.id)
      if (held === null || now.format === 1) return Either.void
      const { memory } = held
      batch.write(earning(now, held, {
        long: earned.promote,
        priority: earned.raisePriority ? Math.min(memory.priority + 1, MAX_PRIORITY) : null,
        expires_at: earned.expiresAt
      }))
      return Either.void
    },
    // It is kept and will replicate: nobody waits for its quorum.
    settle: ({ written }) => Effect.ignore(Write.acknowledge(written))
  })
