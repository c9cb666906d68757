import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as PendingAction from "../../domain/PendingAction.js"
import type { VersionVector } from "../../replication/VersionVector.js"
import * as governed from "../../store/deciding/governed.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { PendingReader } from "../../store/read/PendingReader.js"
import { Leader } from "../../store/site/Leader.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"

/** How often votes that came from elsewhere are looked at. */
const INTERVAL = Duration.seconds(1)
/** Actions decided in one round at most; the next round takes the others. */
const MAX_DECIDED = 100

type Requires = PendingReader | Write.WriteServices

/**
 * Decides actions whose votes were cast on several nodes, so that no node had all of them before its caller. Each node that
 * sees enough votes and no decision decides; where several do, the first decision counts and all of them come to one memory.
 */
export const layer: Layer.Layer<never, never, Requires> = Layer.scopedDiscard(Effect.gen(function*() {
  const store = yield* MemoryStore
  const { leads } = yield* Leader
  let seen: VersionVector | null = null
  const round = Effect.suspend(() => {
    const vector = store.vector()
    // Without a new operation there is no new vote.
    if (vector === seen || !leads()) return Effect.void
    return Effect.zipRight(
      Effect.zipRight(decideRipe, mendTwice),
      Effect.sync(() => {
        seen = vector
      })
    )
  })
  yield* round.pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.failCause(cause)
        : Effect.logWarning("deciding by votes failed; the next round tries again", cause)
    ),
    Effect.zipRight(Effect.sleep(INTERVAL)),
    Effect.forever,
    Effect.forkScoped
  )
}))

/** One round: decides what has its votes; answers the ids. */
export const decideRipe: Effect.Effect<ReadonlyArray<string>, Write.CommitError | ReadFailed, Requires> = Effect.gen(
  function*() {
    const reader = yield* PendingReader
    const ids = yield* reader.ripe(yield* Clock.currentTimeMillis, MAX_DECIDED)
    const decided = yield* Effect.forEach(ids, decideOne)
    return ids.filter((_, index) => decided[index] === true)
  }
)

/**
 * An approved store that two sides of a partition did may have come to two memories: a new one where the title was free, and a
 * change of the one that had the title where it was not. The node whose decision does not count, and no other, puts its memory
 * in the place of the new one, as it would have been had they known of each other.
 */
export const mendTwice: Effect.Effect<void, Write.CommitError | ReadFailed, Requires> = Effect.gen(function*() {
  const reader = yield* PendingReader
  const { nodeId } = yield* MemoryStore
  yield* Effect.forEach(yield* reader.twice(nodeId, MAX_DECIDED), mendOne, { discard: true })
})

const mendOne = (
  { counts, here, id }: { readonly id: string; readonly counts: string; readonly here: string }
): Effect.Effect<void, Write.CommitError, Write.WriteServices> =>
  Write.together({
    name: "mendTwice",
    counts: "nothing",
    caller: Write.anonymous,
    request: [id],
    governed: "ungoverned",
    prepare: () => Effect.void,
    decide: (batch) => {
      const now = batch.now()
      const [kept, twin] = [now.byId(here), now.byId(counts)]
      if (kept === null || twin === null || kept.memory.content !== twin.memory.content) return Either.void
      batch.write({
        payload: { kind: "store", memory: { ...kept.memory, updated_at: now.stamp } },
        baseHlc: kept.version.hlc,
        covers: [kept.version, twin.version]
      })
      return Either.void
    },
    settle: ({ written }) =>
      written.length === 0 ? Effect.void : Effect.zipRight(
        Effect.logInfo(`governance: ${id} was approved on two sides, and is one memory again`),
        Effect.ignore(Write.acknowledge(written))
      )
  })

/** The decision is that of the agent whose vote was the last one needed. */
const decideOne = (id: string): Effect.Effect<boolean, Write.CommitError, Write.WriteServices> =>
  Write.together({
    name: "decideRipe",
    counts: "nothing",
    caller: Write.anonymous,
    request: [id],
    governed: "ungoverned",
    prepare: () => Effect.void,
    decide: (batch) => {
      const now = batch.now()
      const found = governed.find(now, id)
      const approver = found?.action.approver
      if (found === null || found.decision !== null || typeof approver !== "object" || !("consensus" in approver)) {
        return Either.void
      }
      const last = found.votes[approver.consensus - 1]
      if (last !== undefined && !PendingAction.isExpired(found.action, now.wallMillis)) {
        governed.decide(batch, found.action, { approved: true, decider: last.agent_id })
      }
      return Either.void
    },
    settle: ({ written }) =>
      Effect.gen(function*() {
        if (written.length === 0) return false
        yield* Effect.logInfo(`governance: ${id} is approved by the votes of several nodes`)
        yield* Write.acknowledge(written).pipe(
          // It is kept and will replicate: nobody waits for its quorum.
          Effect.catchTag("QuorumNotMet", () => Effect.void)
        )
        return true
      })
  })
