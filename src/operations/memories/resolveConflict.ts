import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Memory } from "../../domain/Memory.js"
import type * as Stamp from "../../domain/Stamp.js"
import { Invalid } from "../../domain/validate.js"
import * as validate from "../../domain/validate.js"
import type { VersionRef } from "../../replication/Operation.js"
import * as Payload from "../../replication/Payload.js"
import { isExpired } from "../../store/deciding/slot.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { ConflictReader, type LiveVersion } from "../../store/read/ConflictReader.js"
import { NotFound, type ReadFailed, SlotTaken } from "../errors.js"
import * as Write from "../writing/Write.js"

/** Which of the two is right. `version` names the one that lost, as the list of conflicts shows it. */
export interface ResolveConflict {
  readonly keep: "winner" | "loser"
  readonly version?: string | undefined
}

/** A conflict that is over, once that has met its quorum. */
export interface Resolved extends Write.Acknowledged {
  readonly id: string
  /** The new version, when the one that lost was kept. */
  readonly memory?: Memory
}

/**
 * Ends a conflict of a memory on all nodes. To keep the winner ends the versions that lost, or the one that is named. To
 * keep the loser makes it the newest version: it takes the place of what won, and an id whose slot it takes stands for it
 * from then on. Other versions that lost stay listed, each for a decision of its own.
 */
export const resolveConflict = (
  id: string,
  request: ResolveConflict,
  caller = Write.anonymous
): Write.Verb<Resolved, Invalid | NotFound | SlotTaken | ReadFailed, ConflictReader> =>
  Write.one({
    name: "resolveConflict",
    counts: "updated",
    caller,
    request: [id, request],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const reader = yield* ConflictReader
        yield* validate.memoryId(id)
        const version = request.version === undefined ? undefined : yield* validate.stamp("version", request.version)
        // What a version says never changes: it can be read before the transaction, which looks whether it is still there.
        return { version, live: yield* reader.versions(id) }
      }),
    decide: (now, { live, version }) =>
      Either.flatMap(find(now, id, version), (conflict) =>
        request.keep === "winner" ? Either.right(keepWinner(now, conflict)) : keepLoser(now, conflict, live)),
    answer: ({ acknowledged, operation, payload }) => {
      const memory = Payload.versionOf(payload)
      return { ...acknowledged, id: operation.entity, ...(memory === undefined ? {} : { memory }) }
    }
  })

/** A memory with those of its versions that lost and are meant. */
interface Found {
  readonly held: Held
  readonly isShadow: boolean
  readonly losers: ReadonlyArray<VersionRef>
}

/** Under exactly this id: conflicts are listed by the ids of what is in conflict, whatever these stand for. */
const find = (now: Transaction, id: string, version: Stamp.Stamp | undefined): Either.Either<Found, NotFound> => {
  const held = now.byId(id) ?? now.archivedById(id)
  if (held === null) return Either.left(new NotFound())
  const isShadow = !held.visible && held.archived === null
  const losers = now.endable(held).filter((ref) =>
    ref.id === id && (isShadow || !isSame(ref, held.version)) && (version === undefined || ref.hlc === version)
  )
  return losers.length === 0 ? Either.left(new NotFound()) : Either.right({ held, isShadow, losers })
}

/**
 * Ends exactly what lost. Where memories are deleted by approval alone it is the winner that does so, by being written again:
 * elsewhere nobody can tell a version that lost from one that somebody deletes.
 */
const keepWinner = (now: Transaction, { held, isShadow, losers }: Found): Decision => {
  const { namespace, title } = held.memory
  const winner = isShadow ? now.holder(namespace, title) : held
  return winner === null || winner.archived !== null || !now.isKept(held.memory, now.stamp)
    ? { payload: { kind: "delete", entity: held.memory.id }, baseHlc: null, covers: losers }
    : {
      payload: { kind: "store", memory: { ...winner.memory, updated_at: now.stamp } },
      baseHlc: winner.version.hlc,
      covers: [winner.version, ...losers]
    }
}

const keepLoser = (
  now: Transaction,
  found: Found,
  live: ReadonlyArray<LiveVersion>
): Either.Either<Decision, Invalid | NotFound | SlotTaken> =>
  Either.gen(function*() {
    const { held } = found
    const kept = yield* theOne(found)
    const version = live.find(({ ref }) => isSame(ref, kept))
    const memory = version === undefined ? undefined : Payload.versionOf(version.payload)
    if (version === undefined || memory === undefined) return yield* Either.left(new NotFound())
    const newest = { ...memory, updated_at: now.stamp }
    const ends = isSame(kept, held.version) ? [kept] : [held.version, kept]
    if (version.payload.kind === "archive") {
      const { reason } = version.payload
      const payload = { kind: "archive" as const, memory: newest, archivedAt: now.stamp, reason }
      return { payload, baseHlc: held.version.hlc, covers: ends }
    }
    const inTheWay = yield* holderOf(now, found, kept, newest)
    return {
      payload: { kind: "store" as const, memory: newest },
      baseHlc: held.version.hlc,
      covers: [...ends, ...inTheWay]
    }
  })

/** The version that is kept: a shadow as it stands, or the only one that lost. */
const theOne = ({ held, isShadow, losers }: Found): Either.Either<VersionRef, Invalid> => {
  const standing = isShadow ? losers.find((ref) => isSame(ref, held.version)) : undefined
  const [first, ...others] = losers
  if (standing !== undefined) return Either.right(standing)
  return first === undefined || others.some(({ hlc }) => hlc !== first.hlc)
    ? Either.left(new Invalid({ field: "version", message: "version is required: more than one version lost" }))
    : Either.right(first)
}

/**
 * What the kept version ends in its slot: the winner of a shadow, or what has expired, and that alone. What else claims the slot
 * stays listed, for a decision of its own.
 */
const holderOf = (
  now: Transaction,
  { held, isShadow }: Found,
  kept: VersionRef,
  memory: Memory
): Either.Either<ReadonlyArray<VersionRef>, SlotTaken> => {
  const holder = now.holder(memory.namespace, memory.title)
  if (holder === null || holder.memory.id === memory.id) return Either.right([])
  const stays = isShadow && memory.namespace === held.memory.namespace && memory.title === held.memory.title
  if (isSame(kept, held.version) || isExpired(now, holder)) return Either.right([holder.version])
  return stays
    ? Either.right([])
    : Either.left(new SlotTaken({ namespace: memory.namespace, existingId: holder.memory.id }))
}

const isSame = (a: VersionRef, b: VersionRef) => a.id === b.id && a.hlc === b.hlc && a.origin === b.origin
