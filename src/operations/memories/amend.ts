import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import { broadcastStore } from "../../federation/broadcasts.js"
import type { Federation } from "../../federation/Federation.js"
import { type Decision, MemoryStore, type Transaction } from "../../store/MemoryStore.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import type { Held } from "../../store/deciding/Transaction.js"
import { AmbiguousPrefix, NotFound, type ReadFailed, SlotTaken, VersionMismatch } from "../errors.js"
import { idempotencyOf, storedMemory } from "../writing/caller.js"
import type { Caller, WriteError, Written } from "../writing/Written.js"

/** Which version the caller wants to change, as it read it; `none` takes whatever is there. */
export type Expected = Option.Option<string>

/** The exact id behind an id or unique prefix; what is unknown stays as it is, for the transaction to decide. */
export const resolveId = (
  idOrPrefix: string
): Effect.Effect<string, AmbiguousPrefix | ReadFailed, MemoryReader> =>
  Effect.gen(function*() {
    const reader = yield* MemoryReader
    const { ids } = yield* reader.resolve(idOrPrefix)
    if (ids.length > 1) return yield* new AmbiguousPrefix({ matches: ids.length })
    return ids[0] ?? idOrPrefix
  })

/** The memory a write is about, if it is there and still at the version the caller expects. */
export const expectHeld = (
  now: Transaction,
  id: string,
  expected: Expected
): Either.Either<Held, NotFound | VersionMismatch> => {
  const held = now.byId(id)
  if (held === null) return Either.left(new NotFound())
  return Option.isSome(expected) && expected.value !== held.version.hlc
    ? Either.left(new VersionMismatch({ currentVersion: held.version.hlc }))
    : Either.right(held)
}

/** Gives an existing memory a new version, here and on as many peers as the quorum asks for. */
export const amend = (options: {
  readonly idOrPrefix: string
  readonly expected: Expected
  readonly caller: Caller
  /** What the idempotency key stands for. */
  readonly request: ReadonlyArray<unknown>
  readonly change: (memory: Memory, stamp: Stamp.Stamp) => Memory
}): Effect.Effect<
  Written,
  NotFound | AmbiguousPrefix | SlotTaken | VersionMismatch | WriteError | ReadFailed,
  MemoryStore | MemoryReader | Federation
> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const id = yield* resolveId(options.idOrPrefix)
    const committed = yield* store.commit(
      (now) =>
        Either.flatMap(expectHeld(now, id, options.expected), (held) =>
          decide(now, held, options.change(held.memory, now.stamp))),
      idempotencyOf(options.caller, [...options.request, options.idOrPrefix])
    )
    const acknowledged = yield* broadcastStore(committed.operation)
    return { ...acknowledged, memory: yield* storedMemory(committed) }
  })

/** The new version ends the one it replaces, and with it everything else that claimed the slot it goes to. */
export const decide = (now: Transaction, held: Held, memory: Memory): Either.Either<Decision, SlotTaken> => {
  const holder = now.holder(memory.namespace, memory.title)
  const isOther = holder !== null && holder.memory.id !== memory.id
  const stays = memory.namespace === held.memory.namespace && memory.title === held.memory.title
  const isExpired = holder?.expiresAt !== null && holder !== null &&
    holder.expiresAt <= Stamp.fromMillis(now.wallMillis)
  // A shadow may be edited where it stands; what may not is to push another memory out of its slot.
  if (isOther && !stays && !isExpired) {
    return Either.left(new SlotTaken({ namespace: memory.namespace, existingId: holder.memory.id }))
  }
  const claims = isOther && stays ? [] : now.claims(memory.namespace, memory.title)
  const others = claims.filter(({ id }) => id !== memory.id)
  return Either.right({
    payload: { kind: "store", memory },
    baseHlc: held.version.hlc,
    covers: [held.version, ...twins(now, held), ...others]
  })
}

/** Versions that other nodes made of the same row of an original node: one of them stands for all. */
const twins = (now: Transaction, held: Held) =>
  now.endable({ ...held, visible: false }).filter(({ hlc, origin }) =>
    hlc === held.version.hlc && origin !== held.version.origin
  )
