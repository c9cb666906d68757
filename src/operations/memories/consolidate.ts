import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as AgentId from "../../domain/AgentId.js"
import * as Consolidation from "../../domain/Consolidation.js"
import * as Stamp from "../../domain/Stamp.js"
import * as Uuid from "../../domain/Uuid.js"
import { Invalid } from "../../domain/validate.js"
import { broadcastConsolidate } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import * as links from "../../store/deciding/links.js"
import { type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import type { Held } from "../../store/deciding/Transaction.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { SlotTaken, SourceNotFound } from "../errors.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"

/**
 * Puts one memory in the place of several: one operation, whole on every node or not there. The ids of the sources stand for
 * the new memory from then on. Its slot may be that of a source.
 */
export const consolidate = (
  request: Consolidation.Consolidate,
  caller: Caller
): Effect.Effect<
  Written,
  Invalid | SourceNotFound | SlotTaken | WriteError,
  MemoryStore | Federation | Uuid.Uuid
> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const uuid = yield* Uuid.Uuid
    const draft = yield* Consolidation.validate(request)
    const agentId = yield* AgentId.resolve(request.agent_id, caller.agentId, uuid.make)
    const idempotency = idempotencyOf(caller, ["consolidate", request])
    // The same key mints the same id on every node, so that a retry elsewhere can not make a second memory.
    const id = idempotency === null ? uuid.make() : Uuid.fromHash(idempotency.keyHash)
    const committed = yield* store.commit((now) => decide(now, draft, { id, agentId }), idempotency)
    const acknowledged = yield* broadcastConsolidate(committed.operation)
    return { ...acknowledged, memory: yield* storedMemory(committed) }
  }).pipe(counted("created"), hotSpan("consolidate"))

const decide = (
  now: Transaction,
  draft: Consolidation.Validated,
  identity: { readonly id: string; readonly agentId: string }
): Either.Either<Decision, Invalid | SourceNotFound | SlotTaken> =>
  Either.gen(function*() {
    const sources = yield* findAll(now, draft.ids)
    const holder = now.holder(draft.namespace, draft.title)
    const isSource = sources.some(({ memory }) => memory.id === holder?.memory.id)
    const isExpired = holder !== null && holder.expiresAt !== null &&
      holder.expiresAt <= Stamp.fromMillis(now.wallMillis)
    if (holder !== null && !isSource && !isExpired) {
      return yield* Either.left(new SlotTaken({ namespace: draft.namespace, existingId: holder.memory.id }))
    }
    const memory = yield* Consolidation.merge(draft, sources.map((source) => source.memory), {
      ...identity,
      stamp: now.stamp
    })
    // What else claims the slot of a source comes forward; the other versions of the sources end with them.
    const siblings = sources.flatMap((source) => now.endable({ ...source, visible: false }))
    const claims = holder !== null && isExpired && !isSource ? now.claims(draft.namespace, draft.title) : []
    const versions = sources.map(({ version }) => version)
    const covers = new Map([...versions, ...siblings, ...claims].map((ref) => [JSON.stringify(ref), ref]))
    return { payload: { kind: "consolidate", memory }, baseHlc: null, covers: Array.from(covers.values()) }
  })

const findAll = (
  now: Transaction,
  ids: ReadonlyArray<string>
): Either.Either<ReadonlyArray<Held>, Invalid | SourceNotFound> =>
  Either.gen(function*() {
    const found = new Map<string, Held>()
    for (const [index, id] of ids.entries()) {
      const held = links.resolve(now, id)
      const field = `ids[${index}]`
      if (held === null) return yield* Either.left(new SourceNotFound({ field }))
      if (found.has(held.memory.id)) {
        return yield* Either.left(new Invalid({ field, message: `${field} is the same memory as an earlier one` }))
      }
      found.set(held.memory.id, held)
    }
    return Array.from(found.values())
  })
