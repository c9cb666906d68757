import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Quarantine from "../../domain/Quarantine.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import type { Kind } from "../../replication/kinds.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { ProvenanceReader } from "../../store/read/ProvenanceReader.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { Denied, NotFound, type ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { putBack } from "./putBack.js"
import { type Thing, thingsOf } from "./things.js"

/** What was written so that things stand as they did before; each that there was nothing to do for is in none of them. */
export interface Reverted extends Write.Acknowledged {
  readonly id: string
  /** Memories that are as they were, and such as were not there and are gone, or put away. */
  readonly restored: number
  readonly deleted: number
  readonly archived: number
  readonly links: number
  readonly standards: number
  /** Actions that nobody decides about any more. */
  readonly rejected: number
  /** Votes and decisions that were set aside: they count again when the quarantine ends. */
  readonly left: number
}

/** Who asks for it where that is not said: it is nobody's whose memories are put back. */
const NOBODY = "system"

/** Operations that are looked at together. */
const PAGE = 1_000

/**
 * Writes what stands while a quarantine does, so that it stands for good: also when the quarantine ends, and on nodes that know of
 * none. What is written already is not written again: it can be run once more, for what came meanwhile.
 */
export const revert = (
  id: string,
  caller = Write.anonymous
): Write.Verb<Reverted, validate.Invalid | NotFound | Denied | ReadFailed, ProvenanceReader | AuditLog> =>
  Effect.gen(function*() {
    const agentId = Option.getOrElse(caller.agentId, () => NOBODY)
    let left = 0
    const { ackedBy, acks, durability, kinds, opId } = yield* Write.inChunks({
      name: "revert",
      counts: "updated",
      caller,
      otherwise: NOBODY,
      request: [id],
      governed: "ungoverned",
      prepare: () =>
        Effect.gen(function*() {
          yield* validate.memoryId(id)
          const reader = yield* ProvenanceReader
          const quarantine = yield* Effect.flatMap(
            reader.quarantine(id),
            Option.match({ onNone: () => new NotFound(), onSome: Effect.succeed })
          )
          yield* unlessOwn(quarantine, agentId)
          return { reader, quarantine }
        }),
      items: (_, { quarantine, reader }) =>
        Stream.paginateChunkEffect(
          0,
          (after) =>
            Effect.map(reader.written(quarantine, { after, limit: PAGE }), ({ found, next }) => {
              const page = thingsOf(found)
              left += page.left
              return [Chunk.unsafeFromArray(page.things), Option.fromNullable(next)]
            })
        ),
      write: (batch, thing: Thing) => {
        // What is not set aside any more stands by now: that is not to be kept.
        if (batch.now().current("quarantine", id) !== null) putBack(batch, thing, { agentId })
      }
    })
    const count = (...of: ReadonlyArray<Kind>) => of.reduce((sum, kind) => sum + (kinds.get(kind) ?? 0), 0)
    const done = {
      id,
      restored: count("store"),
      deleted: count("delete"),
      archived: count("archive"),
      links: count("link", "unlink"),
      standards: count("namespace_meta", "namespace_meta_clear"),
      rejected: count("decision"),
      left
    }
    const { record } = yield* AuditLog
    yield* record({ type: "memory.reverted", agentId, payload: { ...done } })
    return { ...done, opId, acks, ackedBy, durability }
  })

/** What this node writes would be set aside itself. */
const unlessOwn = (quarantine: Quarantine.Quarantine, agentId: string) =>
  Effect.gen(function*() {
    const { nodeId, origin } = yield* MemoryStore
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const own = { origin: origin(), hlc: Stamp.fromMillis(now), agents: [agentId] }
    if (!Quarantine.matches(quarantine, own)) return
    return yield* new Denied({
      detail:
        `this quarantine sets aside what ${nodeId} writes for ${agentId}: revert on another node or as another agent`
    })
  })
