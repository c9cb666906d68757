import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type { Acknowledged } from "../../federation/Federation.js"
import * as Payload from "../../replication/Payload.js"
import type { Entry } from "../../store/MemoryStore.js"
import type { QuorumNotMet } from "../errors.js"

/**
 * Tells the span of a write what was written and how its quorum went, with the names that the conventions for generative AI
 * have for memories. Nothing of what a memory says is among them.
 */
export const spanned =
  (entry: Entry) =>
  <R>(verdict: Effect.Effect<Acknowledged, QuorumNotMet, R>): Effect.Effect<Acknowledged, QuorumNotMet, R> =>
    Effect.withFiberRuntime((fiber) =>
      fiber.getFiberRef(FiberRef.currentTracerEnabled)
        ? Effect.annotateCurrentSpan(attributesOf(entry)).pipe(
          Effect.zipRight(verdict),
          Effect.tapBoth({
            onFailure: ({ got, reason }) => Effect.annotateCurrentSpan({ [GOT]: got, [VERDICT]: reason }),
            onSuccess: ({ acks }) => Effect.annotateCurrentSpan({ [GOT]: acks, [VERDICT]: "met" })
          })
        )
        : verdict
    )

const GOT = "quorate.quorum.got"
const VERDICT = "quorate.quorum.verdict"

const attributesOf = ({ operation: { baseHlc, entity, kind, opId }, payload }: Entry): Record<string, unknown> => {
  const memory = Option.fromNullable(Payload.versionOf(payload))
  const action = kind === "delete" ? "delete_memory" : baseHlc === null ? "create_memory" : "update_memory"
  return {
    "quorate.op_id": opId,
    "quorate.kind": kind,
    "gen_ai.operation.name": action,
    "gen_ai.memory.record.id": entity,
    "gen_ai.memory.record.count": 1,
    ...Option.match(memory, {
      onNone: () => ({}),
      onSome: ({ namespace }) => ({ "gen_ai.memory.store.id": namespace })
    })
  }
}
