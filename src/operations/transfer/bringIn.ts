import * as Either from "effect/Either"
import { isDeepStrictEqual } from "node:util"
import * as Archive from "../../domain/Archive.js"
import * as Hlc from "../../domain/Hlc.js"
import type { Lifetimes } from "../../domain/Lifetimes.js"
import type { Memory } from "../../domain/Memory.js"
import { keepOwner } from "../../domain/Owner.js"
import * as Stamp from "../../domain/Stamp.js"
import { withSuffix } from "../../domain/Upsert.js"
import * as validate from "../../domain/validate.js"
import { archivedId, liveId } from "../../store/deciding/liveId.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Batch, Decision, Entry, Transaction } from "../../store/MemoryStore.js"
import type { Archival } from "../../store/state/Slice.js"
import { SlotTaken } from "../errors.js"
import { isBeside, titlesBeside } from "../memories/titlesBeside.js"

/** What becomes of a row whose title another memory has that says something else: kept beside it, renamed, or refused. */
export type OnConflict = "shadow" | "rename" | "error"

/** What an import decides by, beside its rows. */
export interface Options {
  readonly onConflict: OnConflict
  readonly lifetimes: Lifetimes
}

/** A memory as an export holds it, live or archived. */
export interface Incoming {
  readonly memory: Memory
  readonly archived: Archival | null
  /** In the place of that of the whole import. */
  readonly onConflict?: OnConflict | undefined
  /** It says neither when it was written nor what it is called: where its text is here, it has nothing to say. */
  readonly isUndated?: boolean
}

/**
 * What a row came to: a memory that was not there, a newer text of one that was, an older one that is kept beside it, or
 * nothing.
 */
export interface Brought {
  readonly fate: "created" | "updated" | "older" | "unchanged"
  /** The operation by which the memory is as it is. */
  readonly entry: Entry
  /** The title that it was stored under, where that is not its own. */
  readonly renamed?: string
}

/**
 * Brings a row in under its own id and with its own stamp, as the version of the memory that it is: of two the newer counts, and
 * the other one is listed under the conflicts, whether they have one id or one title. Nothing stands for anything else
 * after that on this node alone. What was here and was ended by somebody who had seen it does not come back beside what
 * took its place; what is here no longer, or in the archive, is live again.
 */
export const bringing = (
  batch: Batch,
  options: Options
): (incoming: Incoming) => Either.Either<Brought, string> => {
  const titles = titlesBeside()
  return (incoming) => {
    const now = batch.now()
    const { memory } = incoming
    const hlc = pastStamp(memory, now.wallMillis)
    const own = now.byId(memory.id) ?? now.archivedById(memory.id)
    const how = { ...options, onConflict: incoming.onConflict ?? options.onConflict, hlc, titles }
    return own === null ? arrive(batch, incoming, how) : meet(batch, incoming, { ...how, own })
  }
}

/**
 * A stamp that no node would take, of a clock that was wrong once, becomes that of the creation; and where that is of the
 * future as well, the first there is. It depends on the row alone, so that the same row is known again, and older than what was
 * made of it here.
 */
const pastStamp = ({ created_at, updated_at }: Memory, wallMillis: number): Stamp.Stamp =>
  [updated_at, created_at].map(validate.canonicalStamp).find((stamp) => !Hlc.isFuture(stamp, wallMillis)) ??
    Stamp.fromMillis(0)

/** What an earlier import with the same key made of a row, by the operation that it wrote for it. */
export const broughtBy = (entry: Entry, { memory: { title } }: Incoming, stored: Memory): Brought => {
  const { baseHlc, hlc } = entry.operation
  const fate = baseHlc === null ? "created" : hlc > baseHlc ? "updated" : "older"
  return { fate, entry, ...(stored.title === title ? {} : { renamed: stored.title }) }
}

/** Whether an earlier import with the same key, which wrote nothing for this row, found it here; else it was refused. */
export const wasThere = (now: Transaction, { memory: { id } }: Incoming): Held | null =>
  now.byId(id) ?? now.archivedById(id) ?? liveId(now, id) ?? archivedId(now, id)

interface How extends Options {
  readonly hlc: Stamp.Stamp
  readonly titles: ReturnType<typeof titlesBeside>
}

/** A memory whose id nothing has here. */
const arrive = (batch: Batch, incoming: Incoming, how: How): Either.Either<Brought, string> => {
  const now = batch.now()
  const { hlc } = how
  const { memory: { id } } = incoming
  const ended = now.endedUntil(id)
  const isEnded = ended !== null && ended >= hlc
  const successor = isEnded ? liveId(now, id) ?? archivedId(now, id) : null
  if (successor !== null) return Either.right({ fate: "unchanged", entry: now.entryOf(successor) })
  // It is wanted again: a version of its own, because the old ones ended for good.
  const stamp = isEnded ? after(ended) : hlc
  return Either.map(place(now, incoming, { ...how, own: null }), ({ covers, memory, renamed }) => ({
    fate: "created" as const,
    entry: batch.write(versionOf(now, { ...incoming, memory }, { stamp, base: null, covers })),
    ...renamed
  }))
}

/** A memory whose id is here. */
const meet = (
  batch: Batch,
  incoming: Incoming,
  how: How & { readonly own: Held }
): Either.Either<Brought, string> => {
  const now = batch.now()
  const { hlc, onConflict, own } = how
  const memory = { ...incoming.memory, metadata: keepOwner(own.memory.metadata, incoming.memory.metadata) }
  const unchanged = () => Either.right({ fate: "unchanged" as const, entry: now.entryOf(own) })
  const saysNothing = incoming.isUndated === true || says(own.memory, memory, hlc === own.version.hlc)
  const isKnown = saysNothing || now.isEndedAt(memory.id, hlc)
  if (isKnown) {
    return own.archived === null || incoming.archived !== null ? unchanged() : restore(batch, how)
  }
  return Either.gen(function*() {
    const placed = yield* place(now, { ...incoming, memory }, how)
    if (says(own.memory, placed.memory, hlc === own.version.hlc)) return yield* unchanged()
    if (onConflict === "error") return yield* Either.left("a memory with this id is here, and says something else")
    const stamp = yield* freeStamp(now, placed.memory, hlc)
    if (stamp === null) return yield* unchanged()
    const version = versionOf(now, { ...incoming, memory: placed.memory }, {
      stamp,
      base: own.version.hlc,
      covers: placed.covers
    })
    const fate = stamp > own.version.hlc ? "updated" as const : "older" as const
    return { fate, entry: batch.write(version), ...placed.renamed }
  })
}

/** Takes what is archived back, as it is there: that is the newest there is of it. */
const restore = (
  batch: Batch,
  { lifetimes, onConflict, own, titles }: How & { readonly own: Held }
): Either.Either<Brought, string> => {
  const now = batch.now()
  const { memory: { namespace, title } } = own
  const taken = slot(now, namespace, title)
  if (taken._tag === "held" && onConflict !== "rename") {
    return Either.left(`it is in the archive, and ${new SlotTaken({ namespace, existingId: "" }).message}`)
  }
  const free = taken._tag === "held" ? freeTitle(now, own.memory, titles) : title
  if (free === null) return Either.left(new SlotTaken({ namespace, existingId: "" }).message)
  const entry = batch.write({
    payload: { kind: "restore", memory: Archive.restored({ ...own.memory, title: free }, now.stamp, lifetimes) },
    baseHlc: own.version.hlc,
    covers: [own.version, ...endedBy(taken)]
  })
  return Either.right({ fate: "updated", entry, ...(free === title ? {} : { renamed: free }) })
}

/** Where a row stands: under its title, beside or in front of another memory of that title, or under a free one. */
const place = (
  now: Transaction,
  { archived, memory }: Incoming,
  { onConflict, own, titles }: How & { readonly own: Held | null }
): Either.Either<Pick<Decision, "covers"> & { readonly memory: Memory; readonly renamed: object }, string> => {
  const { namespace, title } = memory
  const taken = slot(now, namespace, title)
  const here = { memory, renamed: {}, covers: archived === null ? endedBy(taken) : [] }
  if (archived !== null || taken._tag !== "held" || taken.holder.memory.id === memory.id) return Either.right(here)
  if (onConflict === "error" && own === null) {
    return Either.left(new SlotTaken({ namespace, existingId: taken.holder.memory.id }).message)
  }
  if (onConflict !== "rename" || says(taken.holder.memory, { ...memory, id: taken.holder.memory.id }, false)) {
    return Either.right(here)
  }
  const isRenamed = own?.archived === null && own.memory.namespace === namespace &&
    (isBeside(title, own.memory.title) || own.memory.title === titleOfItsOwn(memory))
  const free = isRenamed ? own.memory.title : freeTitle(now, memory, titles)
  return free === null
    ? Either.left(new SlotTaken({ namespace, existingId: taken.holder.memory.id }).message)
    : Either.right({ memory: { ...memory, title: free }, renamed: { renamed: free }, covers: [] })
}

/** The next title that nothing has; null where even that with its id is taken. */
const freeTitle = (now: Transaction, memory: Memory, titles: How["titles"]): string | null => {
  for (const candidate of titles(memory)) {
    if (now.holder(memory.namespace, candidate) === null) return candidate
  }
  const last = titleOfItsOwn(memory)
  return now.holder(memory.namespace, last) === null ? last : null
}

/** Where thousands have the title, each has a part of its id in it. */
const titleOfItsOwn = ({ id, title }: Memory): string => withSuffix(title, ` (${id.slice(0, 18)})`)

/**
 * The first stamp from the row's own on that no version of the memory has: each has one of its own. Null when one of those says
 * the same.
 */
const freeStamp = (now: Transaction, memory: Memory, hlc: Stamp.Stamp): Either.Either<Stamp.Stamp | null, string> => {
  let stamp = hlc
  for (let tried = 0; tried < MAX_TWINS; tried++) {
    const versions = now.versionsAt(memory.id, stamp)
    if (versions.some((version) => says(version.memory, memory, stamp === hlc))) return Either.right(null)
    if (versions.length === 0 && !now.isEndedAt(memory.id, stamp)) return Either.right(stamp)
    stamp = after(stamp)
  }
  return Either.left(`more than ${MAX_TWINS} texts of one id have the same updated_at`)
}

const MAX_TWINS = 32

const versionOf = (
  { stamp: latest }: Transaction,
  { archived, memory }: Incoming,
  { base, covers, stamp }: {
    readonly stamp: Stamp.Stamp
    readonly base: Stamp.Stamp | null
    readonly covers: Decision["covers"]
  }
): Decision => {
  const version = { ...memory, updated_at: stamp }
  return {
    hlc: stamp,
    payload: archived === null
      ? { kind: "store", memory: version }
      : {
        kind: "archive",
        memory: version,
        archivedAt: archived.at < latest ? archived.at : latest,
        reason: archived.reason
      },
    baseHlc: base,
    covers
  }
}

/**
 * Whether two memories say the same: all but their stamps and their use. Of one version that also leaves out what a node earns
 * for it by that use, and fields that a mesh in the middle of an upgrade did not take in.
 */
const says = (a: Memory, b: Memory, isOneVersion: boolean): boolean =>
  isDeepStrictEqual(textOf(a, isOneVersion), textOf(b, isOneVersion))

const textOf = (
  { access_count: _a, created_at: _c, expires_at, last_accessed_at: _l, priority, tier, updated_at: _u, ...text }:
    Memory,
  isOneVersion: boolean
) => isOneVersion ? text : { ...text, priority, tier, expires_at }

/** Each version of a memory has a stamp of its own. */
const after = (stamp: Stamp.Stamp): Stamp.Stamp => Hlc.toStamp(Hlc.tick(Hlc.fromStamp(stamp), 0))
