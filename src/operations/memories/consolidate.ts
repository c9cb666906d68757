import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Consolidation from "../../domain/Consolidation.js"
import type { AgentId, MemoryId } from "../../domain/ids.js"
import type { Lifetimes as Times } from "../../domain/Lifetimes.js"
import type { Metadata } from "../../domain/Memory.js"
import { Invalid } from "../../domain/validate.js"
import { liveId } from "../../store/deciding/liveId.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import * as standards from "../../store/deciding/standards.js"
import type { Held } from "../../store/deciding/Transaction.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { unlessStandard } from "../archive/archival.js"
import { Denied, SlotTaken, SourceNotFound, type StandardInUse } from "../errors.js"
import * as Write from "../writing/Write.js"

/**
 * Puts one memory in the place of several: one operation, whole on every node or not there. The ids of the sources stand for
 * the new memory from then on. Its slot may be that of a source.
 */
export const consolidate = (
  request: Consolidation.Consolidate,
  caller = Write.anonymous
): Write.Verb<Write.Written, Invalid | SourceNotFound | SlotTaken | StandardInUse | Denied> =>
  Write.one({
    name: "consolidate",
    counts: "created",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        const draft = yield* Consolidation.validate(request)
        const asking = yield* Write.askingOf(self, request.agent_id)
        return { draft, asking: { ...asking, lifetimes: yield* Lifetimes } }
      }),
    decide: (now, { asking, draft }) => decide(now, draft, asking),
    answer: Write.withMemory
  })

const decide = (
  now: Transaction,
  draft: Consolidation.Validated,
  identity: { readonly id: MemoryId; readonly agentId: AgentId; readonly lifetimes: Times }
): Either.Either<Decision, Invalid | SourceNotFound | SlotTaken | StandardInUse | Denied> =>
  Either.gen(function*() {
    const sources = yield* findAll(now, draft.ids)
    const place = slot(now, draft.namespace, draft.title)
    const isSource = place._tag !== "free" && sources.some(({ memory }) => memory.id === place.holder.memory.id)
    if (place._tag === "held" && !isSource) {
      return yield* Either.left(new SlotTaken({ namespace: draft.namespace, existingId: place.holder.memory.id }))
    }
    const kept = sources.find(({ memory }) => memory.namespace !== draft.namespace && now.isKept(memory, now.stamp))
    if (kept !== undefined) return yield* Either.left(new Denied({ detail: denial(kept.memory.namespace) }))
    const rules = yield* rulesAmong(now, sources)
    const memory = yield* Consolidation.merge(draft, sources.map((source) => source.memory), {
      ...identity,
      stamp: now.stamp
    }).pipe(Either.map((merged) => ({ ...merged, metadata: { ...merged.metadata, ...rules } })))
    // What else claims the slot of a source comes forward; the other versions of the sources end with them.
    const siblings = sources.flatMap((source) => now.endable({ ...source, visible: false }))
    const claims = isSource ? [] : endedBy(place)
    const versions = sources.map(({ version }) => version)
    const covers = new Map([...versions, ...siblings, ...claims].map((ref) => [JSON.stringify(ref), ref]))
    return { payload: { kind: "consolidate", memory }, baseHlc: null, covers: Array.from(covers.values()) }
  })

const denial = (namespace: string): string =>
  `consolidate denied by governance: what is in ${namespace} is deleted by approval alone, and its sources end`

/** A namespace keeps its rules when its standard is one of the sources. Two standards can not become one memory. */
const rulesAmong = (now: Transaction, sources: ReadonlyArray<Held>): Either.Either<Metadata, StandardInUse> => {
  const [first, second] = sources.filter(({ memory }) => standards.ofMemory(now, memory.id) !== null)
  const { governance } = first?.memory.metadata ?? {}
  return second === undefined
    ? Either.right(governance === undefined ? {} : { governance })
    : Either.flatMap(unlessStandard(now, second), () => Either.right({}))
}

const findAll = (
  now: Transaction,
  ids: ReadonlyArray<string>
): Either.Either<ReadonlyArray<Held>, Invalid | SourceNotFound> =>
  Either.gen(function*() {
    const found = new Map<string, Held>()
    for (const [index, id] of ids.entries()) {
      const held = liveId(now, id)
      const field = `ids[${index}]`
      if (held === null) return yield* Either.left(new SourceNotFound({ field }))
      if (found.has(held.memory.id)) {
        return yield* Either.left(new Invalid({ field, message: `${field} is the same memory as an earlier one` }))
      }
      found.set(held.memory.id, held)
    }
    return Array.from(found.values())
  })
