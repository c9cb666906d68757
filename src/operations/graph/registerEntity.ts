import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Entity from "../../domain/Entity.js"
import type { Memory } from "../../domain/Memory.js"
import type { Invalid } from "../../domain/validate.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { SlotTaken } from "../errors.js"
import * as Write from "../writing/Write.js"

/** An entity that met its quorum. */
export interface RegisteredEntity extends Write.Written {
  /** It was not there before. */
  readonly created: boolean
}

/**
 * Registers an entity under its canonical name, or adds names to the one that is registered there. It is a memory, and
 * replicates as one; a memory of that title that is no entity is left alone.
 */
export const registerEntity = (
  request: Entity.RegisterEntity,
  caller = Write.anonymous
): Write.Verb<RegisteredEntity, Invalid | SlotTaken | Write.Ruled> =>
  Write.one({
    name: "registerEntity",
    counts: "created",
    caller,
    request: [request],
    governed: { action: "store", agentId: request.agent_id },
    prepare: () => Effect.suspend(() => Entity.validate(request)),
    decide: plan,
    answer: (done) => ({ ...Write.withMemory(done), created: done.operation.baseHlc === null })
  })

const plan = (
  now: Transaction,
  draft: Entity.Validated,
  asking: Write.Asking
): Either.Either<Write.Planned, Invalid | SlotTaken> => {
  const { name, namespace } = draft
  const taken = slot(now, namespace, name)
  if (taken._tag !== "held") {
    const memory = Entity.build(draft, { ...asking, stamp: now.stamp })
    return Either.right(storing(memory, { baseHlc: null, covers: endedBy(taken) }))
  }
  const { holder } = taken
  return Entity.is(holder.memory)
    ? Either.map(
      Entity.extend(holder.memory, draft, now.stamp),
      (memory) => storing(memory, { baseHlc: holder.version.hlc, covers: now.claims(namespace, name) })
    )
    : Either.left(new SlotTaken({ namespace, existingId: holder.memory.id }))
}

const storing = (memory: Memory, over: Pick<Decision, "baseHlc" | "covers">): Write.Planned => ({
  memory,
  decision: { payload: { kind: "store", memory }, ...over }
})
