import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Entity from "../../domain/Entity.js"
import type * as Uuid from "../../domain/Uuid.js"
import type { Invalid } from "../../domain/validate.js"
import type { Federation } from "../../federation/Federation.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import type { MemoryStore, Transaction } from "../../store/MemoryStore.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { type AwaitingApproval, type Denied, SlotTaken } from "../errors.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { type Asking, askingOf, commitGoverned, type Planned } from "../writing/commitGoverned.js"
import { counted } from "../writing/counted.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"

/** An entity that met its quorum. */
export interface Registered extends Written {
  /** It was not there before. */
  readonly created: boolean
}

/**
 * Registers an entity under its canonical name, or adds names to the one that is registered there. It is a memory, and
 * replicates as one; a memory of that title that is no entity is left alone.
 */
export const registerEntity = (
  request: Entity.RegisterEntity,
  caller: Caller
): Effect.Effect<
  Registered,
  Invalid | SlotTaken | Denied | AwaitingApproval | WriteError,
  MemoryStore | Federation | Uuid.Uuid
> =>
  Effect.gen(function*() {
    const draft = yield* Entity.validate(request)
    const idempotency = idempotencyOf(caller, ["registerEntity", request])
    const asking = yield* askingOf(request.agent_id, caller, idempotency)
    const { acknowledged, committed } = yield* commitGoverned(asking, (now) => plan(now, draft, asking), idempotency)
    const { baseHlc } = committed.operation
    return { ...acknowledged, memory: yield* storedMemory(committed), created: baseHlc === null }
  }).pipe(counted("created"), hotSpan("registerEntity"))

const plan = (
  now: Transaction,
  draft: Entity.Validated,
  asking: Asking
): Either.Either<Planned, Invalid | SlotTaken> => {
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

const storing = (
  memory: Planned["memory"],
  over: Pick<Planned["decision"], "baseHlc" | "covers">
): Planned => ({ action: "store", memory, decision: { payload: { kind: "store", memory }, ...over } })
