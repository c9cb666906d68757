import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Archive from "../../domain/Archive.js"
import * as Link from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import * as Subscription from "../../domain/Subscription.js"
import type { VersionRef } from "../../replication/Operation.js"
import type { Payload } from "../../replication/Payload.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Batch, Transaction } from "../../store/MemoryStore.js"
import { refKey } from "../../store/state/Slice.js"
import type { Thing } from "./things.js"

/*
 * Writes a thing as it stands while what was done to it is set aside, so that it stands like that also when it is not, and on nodes
 * that know of no quarantines. A thing that is written like that already is left alone.
 */

/** Versions that one operation ends, at most: less than it may. */
const MAX_ENDED = 2_000

interface How {
  /** Who takes it back. */
  readonly agentId: string
}

export const putBack = (batch: Batch, thing: Thing, how: How): void => {
  switch (thing.type) {
    case "memory":
      return ofMemory(batch, thing)
    case "link":
    case "namespace_meta":
    case "subscription":
      return ofObject(batch, thing.type, thing)
    case "pending":
      return ofPending(batch, thing.id, how)
  }
}

/** Those that may live again. */
const alive = (now: Transaction, { gave, type }: Thing): ReadonlyArray<VersionRef> =>
  gave.filter((ref) => !now.isEnded(type, ref))

const among = (refs: ReadonlyArray<VersionRef>, ref: VersionRef): boolean =>
  refs.some((each) => refKey(each) === refKey(ref))

const ofMemory = (batch: Batch, thing: Thing): void => {
  const now = batch.now()
  const bad = alive(now, thing)
  const held = now.byId(thing.id) ?? now.archivedById(thing.id)
  if (held === null) {
    if (bad.length > 0) takeAway(batch, thing.id, bad)
    return
  }
  if (bad.length === 0 && !among(thing.ended, held.version)) return
  const holder = held.visible || held.archived !== null ? null : now.holder(held.memory.namespace, held.memory.title)
  again(batch, held, bad)
  // What is newer would hold the slot from now on: who held it is newer still.
  if (holder !== null) again(batch, holder, [])
}

/** The same version anew, which ends these as well. */
const again = (batch: Batch, { archived, memory, version }: Held, ends: ReadonlyArray<VersionRef>): void => {
  const payloadOf = (): Payload => {
    const anew = { ...memory, updated_at: batch.now().stamp }
    return archived === null
      ? { kind: "store", memory: anew }
      : { kind: "archive", memory: anew, archivedAt: archived.at, reason: archived.reason }
  }
  inParts(batch, { base: version, ends, payloadOf })
}

/** Ends what was not there before. Where memories are deleted by approval alone it is put away instead. */
const takeAway = (batch: Batch, id: string, ends: ReadonlyArray<VersionRef>): void => {
  const now = batch.now()
  const newest = ends.toSorted((a, b) => a.hlc < b.hlc ? 1 : -1).map((ref) => now.given(ref)).find((given) =>
    given !== null
  )
  const kept = newest !== undefined && newest !== null && !newest.isArchived && now.isKept(newest.memory, now.stamp)
    ? newest.memory
    : null
  if (kept !== null) return putAway(batch, kept, ends)
  for (const some of Arr.chunksOf(ends, MAX_ENDED)) {
    batch.write({ payload: { kind: "delete", entity: id }, baseHlc: some[0].hlc, covers: some })
  }
}

const putAway = (batch: Batch, memory: Memory, ends: ReadonlyArray<VersionRef>): void => {
  const payloadOf = (): Payload => {
    const { stamp } = batch.now()
    return {
      kind: "archive",
      memory: { ...memory, updated_at: stamp },
      archivedAt: stamp,
      reason: Archive.reasons.reverted
    }
  }
  const [base] = ends
  if (base !== undefined) inParts(batch, { base, ends: ends.slice(1), payloadOf })
}

/** One version after the other, each of which ends the last one and some more. */
const inParts = (batch: Batch, { base, ends, payloadOf }: {
  readonly base: VersionRef
  readonly ends: ReadonlyArray<VersionRef>
  readonly payloadOf: () => Payload
}): void => {
  let last = base
  for (const some of ends.length === 0 ? [[]] : Arr.chunksOf(ends, MAX_ENDED)) {
    const { operation } = batch.write({ payload: payloadOf(), baseHlc: last.hlc, covers: [last, ...some] })
    last = { id: base.id, hlc: operation.hlc, origin: operation.origin }
  }
}

/** What ends an object. */
const endings = { link: "unlink", namespace_meta: "namespace_meta_clear", subscription: "unsubscribe" } as const

const ofObject = (batch: Batch, type: keyof typeof endings, thing: Thing): void => {
  const now = batch.now()
  const bad = alive(now, thing)
  const current = now.current(type, thing.id)
  if (current === null) {
    const kind = endings[type]
    for (const some of Arr.chunksOf(bad, MAX_ENDED)) {
      batch.write({ payload: { kind, entity: thing.id }, baseHlc: null, covers: some })
    }
    return
  }
  if (bad.length === 0 && !among(thing.ended, current.ref)) return
  const body: unknown = JSON.parse(current.body)
  inParts(batch, {
    base: current.ref,
    ends: bad,
    payloadOf: () => anew(type, body, batch.now())
  })
}

const anew = (type: keyof typeof endings, body: unknown, now: Transaction): Payload => {
  switch (type) {
    case "link":
      return { kind: "link", link: Either.getOrThrow(Link.decode(body)) }
    case "namespace_meta":
      return {
        kind: "namespace_meta",
        meta: { ...Either.getOrThrow(NamespaceMeta.decode(body)), updated_at: now.stamp }
      }
    case "subscription":
      return { kind: "subscription", subscription: Either.getOrThrow(Subscription.decode(body)) }
  }
}

/** Nothing ends an action but a decision. */
const ofPending = (batch: Batch, id: string, { agentId }: How): void => {
  const now = batch.now()
  if (now.current("pending", id) !== null || now.current("decision", id) !== null) return
  const decision = { id, approved: false, decider: agentId, decided_at: now.stamp }
  batch.write({ payload: { kind: "decision", decision }, baseHlc: null, covers: [] })
}
