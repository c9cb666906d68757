import { twinKey, type VersionRef } from "../../src/replication/Operation.js"
import { ofLog } from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import { apply, memoryVersion, overruledBy } from "../../src/store/state/apply.js"
import { counting } from "../../src/store/state/objects.js"
import {
  type Change,
  isNewer,
  type ObjectType,
  type ObjectVersion,
  type Outcome,
  places,
  refKey,
  type Row,
  type Slice,
  slotKey,
  type Version
} from "../../src/store/state/Slice.js"
import { endedBy } from "./histories.js"
import type { State } from "./model.js"

/** A node without a database: the least that loads and saves slices, in plain maps. What it comes to, as the model tells it. */
export interface InMemory {
  readonly apply: (entry: Entry) => Outcome
  readonly state: () => Omit<State, "digest">
}

interface Kept {
  readonly row: Row
  readonly version: Version
}

interface World {
  readonly memories: Map<string, Kept>
  readonly conflicts: Map<string, { readonly id: string; readonly version: Version }>
  readonly covered: Set<string>
  readonly objects: Map<string, { readonly type: ObjectType; readonly version: ObjectVersion; readonly oseq: number }>
  readonly counts: Map<string, string>
  readonly ended: Set<string>
  readonly aliases: Map<string, { readonly target: string; readonly by: string }>
  /** Whole versions by what names them, as the log has them. */
  readonly log: Map<string, Version>
  readonly twins: Map<string, { readonly group: string; readonly ref: VersionRef }>
}

export const make = (): InMemory => {
  const world: World = {
    memories: new Map(),
    conflicts: new Map(),
    covered: new Set(),
    objects: new Map(),
    counts: new Map(),
    ended: new Set(),
    aliases: new Map(),
    log: new Map(),
    twins: new Map()
  }
  return {
    apply: (entry) => {
      const { operation, payload } = entry
      const version = memoryVersion(operation, payload)
      if (version !== null) world.log.set(refKey({ ...version, id: version.memory.id }), version)
      const { changes, outcome } = apply(sliceOf(world, entry), operation, ofLog(operation))
      for (const change of changes) save(world, change)
      return outcome
    },
    state: () => stateOf(world)
  }
}

const keyOfRef = ({ hlc, id, origin }: VersionRef) => `${id} ${hlc} ${origin}`
const objectRef = (type: ObjectType, ref: VersionRef) => `${type} ${keyOfRef(ref)}`

/** Everything of the world that the operation names, and no more of anything else than the rules are promised. */
const sliceOf = (world: World, { operation, payload }: Entry): Slice => {
  const objects = new Map<string, ReadonlyArray<ObjectVersion>>()
  for (const { type, version } of world.objects.values()) {
    const key = `${type} ${version.ref.id}`
    objects.set(key, [...objects.get(key) ?? [], version].sort((a, b) => orderOf(a) < orderOf(b) ? -1 : 1))
  }
  const overruled = payload.kind === "decision" ? overruledBy(objects, operation) : null
  const gives = memoryVersion(operation, payload)
  const own = twinning(world, operation)
  const ends = [...own.ends, ...own.older, ...overruled === null ? [] : [overruled]]
  const earning = payload.kind === "earn" ? [operation.entity] : []
  const named = new Set([...earning, ...ends.map(({ id }) => id), ...gives === null ? [] : [gives.memory.id]])
  const ended = new Set(ends.map(refKey))
  const rows = new Map([...world.memories].filter(([id]) => named.has(id)).map(([id, { row }]) => [id, row]))
  return {
    rows,
    next: new Map(
      [...rows.values()].filter((row) => ended.has(refKey(row))).flatMap(({ id }) => {
        const left = [...world.conflicts.values()].filter((each) =>
          each.id === id && !ended.has(refKey({ ...each.version, id }))
        ).map(({ version }) => version)
        return left.length === 0 ? [] : [[id, left.reduce((best, each) => isNewer(each, best) ? each : best)] as const]
      })
    ),
    claims: new Map(
      [...world.memories.values()].map(({ row }) => row)
        .filter(({ id, place }) => !named.has(id) && place !== places.archived)
        .sort((a, b) => isNewer(a, b) ? 1 : -1).map((row) => [slotKey(row), row])
    ),
    standing: payload.kind === "earn" ? standingOf(world, payload.earned.memory_id) : null,
    ends: own.ends,
    older: own.older,
    isCovered: own.isDead || own.isBehind ||
      (gives !== null && world.covered.has(keyOfRef({ ...gives, id: gives.memory.id }))),
    isEnded: operation.body !== null && payload.kind !== "decision" && own.isDead,
    objects,
    former: null
  }
}

/** The version at which the memory stands, as it was written. */
const standingOf = (world: World, id: string): Version | null => {
  const row = world.memories.get(id)?.row
  return row === undefined ? null : world.log.get(refKey({ ...row, id })) ?? null
}

/** What is one with the versions that the operation ends or gives. */
const twinning = (world: World, operation: Entry["operation"]) => {
  const { body, kind } = operation
  const covers = operation.covers.filter(({ id }) => kind !== "earn" || id === operation.entity)
  const type = endedBy(kind)
  const groupOf = (ref: VersionRef) => world.twins.get(`${type} ${keyOfRef(ref)}`)?.group
  const members = (group: string | undefined) =>
    group === undefined ? [] : [...world.twins.values()].filter((each) => each.group === group).map(({ ref }) => ref)
  const all = (refs: ReadonlyArray<VersionRef>) => [...new Map(refs.map((ref) => [keyOfRef(ref), ref])).values()]
  const closed = all([...covers, ...covers.flatMap((ref) => members(groupOf(ref)))])
  const given = refOf(operation)
  if (body === null || kind === "decision") return { ends: closed, older: [], isDead: false, isBehind: false }
  const key = twinKey(operation)
  const twins = members(key === null ? undefined : `${type} ${given.id} ${key}`)
    .filter((ref) => keyOfRef(ref) !== keyOfRef(given))
  const isEnded = (ref: VersionRef) =>
    type === "memory" ? world.covered.has(keyOfRef(ref)) : world.ended.has(objectRef(type, ref))
  const isDead = [given, ...twins].some((ref) => isEnded(ref) || closed.some((one) => keyOfRef(one) === keyOfRef(ref)))
  const isBehind = twins.some((ref) => ref.hlc > given.hlc || (ref.hlc === given.hlc && ref.origin > given.origin))
  return {
    ends: isDead ? all([...closed, given, ...twins]) : closed,
    older: isDead || isBehind ? [] : twins,
    isDead,
    isBehind
  }
}

const refOf = ({ entity, hlc, origin }: Entry["operation"]): VersionRef => ({ id: entity, hlc, origin })
const orderOf = ({ hash, ref }: ObjectVersion) => `${ref.hlc} ${ref.origin} ${hash}`

const save = (world: World, change: Change): void => {
  switch (change._tag) {
    case "Covered":
      world.covered.add(keyOfRef(change.ref))
      return
    case "ConflictDropped":
      world.conflicts.delete(keyOfRef(change.ref))
      return
    case "ConflictAdded": {
      const ref = { ...change.version, id: change.id }
      const version = world.log.get(refKey(ref))
      if (version === undefined) throw new Error("a conflict that nobody wrote")
      world.conflicts.set(keyOfRef(ref), { id: change.id, version })
      return
    }
    case "RowRemoved":
      world.memories.delete(change.row.id)
      return
    case "RowMoved": {
      const kept = world.memories.get(change.row.id)
      if (kept === undefined) throw new Error("a row that is not there was moved")
      world.memories.set(change.row.id, { ...kept, row: { ...kept.row, place: change.to } })
      return assertOneVisible(world)
    }
    case "RowInserted": {
      const { place, version } = change
      const { memory: { id, namespace, title } } = version
      if (world.memories.has(id)) throw new Error("an id has two rows")
      const use = change.use ?? { accessCount: 0, lastAccessedAt: null, extendedUntil: null }
      world.memories.set(id, { version, row: { ...version, id, namespace, title, place, use, rid: 0 } })
      return assertOneVisible(world)
    }
    case "Keyed": {
      const { ref, twinKey, type } = change
      world.twins.set(`${type} ${keyOfRef(ref)}`, { ref, group: `${type} ${ref.id} ${twinKey}` })
      return
    }
    case "Unkeyed":
      throw new Error("no history takes anything back")
    case "Aliased": {
      const by = `${change.by.hlc} ${change.by.origin}`
      const known = world.aliases.get(change.id)
      if (known === undefined || by > known.by) world.aliases.set(change.id, { target: change.target, by })
      return
    }
    case "ObjectEnded":
      world.ended.add(objectRef(change.type, change.ref))
      world.objects.delete(objectRef(change.type, change.ref))
      return
    case "ObjectAdded":
      world.objects.set(objectRef(change.type, change.version.ref), change)
      return
    case "ObjectCounts":
      world.counts.set(`${change.type} ${change.ref.id}`, keyOfRef(change.ref))
  }
}

/** Also between two changes, as the index of the table demands it. */
const assertOneVisible = ({ memories }: World): void => {
  const slots = [...memories.values()].filter(({ row }) => row.place === places.visible).map(({ row }) => slotKey(row))
  if (new Set(slots).size < slots.length) throw new Error("a slot has two visible rows")
}

const stateOf = (world: World): Omit<State, "digest"> => {
  const versionText = (id: string, { hash, hlc, origin, oseq }: Version) => `${id} ${hlc} ${origin} ${oseq} ${hash}`
  return {
    memories: [...world.memories.values()].map(({ row, version }) => memoryRow(row, version)).sort(),
    conflicts: [...world.conflicts.values()].map(({ id, version }) => versionText(id, version)).sort(),
    objects: [...world.objects.values()].map(({ oseq, type, version: { body, hash, ref } }) => {
      const key = `${type} ${ref.id}`
      const siblings = [...world.objects.values()].filter((each) => `${each.type} ${each.version.ref.id}` === key)
        .map(({ version }) => version).sort((a, b) => orderOf(a) < orderOf(b) ? -1 : 1)
      const best = counting(type, siblings)
      if (best === undefined || world.counts.get(key) !== keyOfRef(best.ref)) throw new Error(`${key} counts wrongly`)
      const isCurrent = keyOfRef(best.ref) === keyOfRef(ref)
      return `${type} ${ref.id} ${ref.hlc} ${ref.origin} ${oseq} ${hash} ${isCurrent ? 1 : 0} ${body}`
    }).sort(),
    covered: [...world.covered].sort(),
    ended: [...world.ended].sort(),
    aliases: [...world.aliases].map(([id, { by, target }]) => `${id} ${target} ${by}`).sort()
  }
}

const memoryRow = ({ place }: Row, { archived, hash, hlc, memory, origin, oseq }: Version): string =>
  JSON.stringify([
    memory.id,
    hash,
    place,
    origin,
    oseq,
    archived?.at ?? null,
    archived?.reason ?? null,
    memory.tier,
    memory.namespace,
    memory.title,
    memory.content,
    memory.tags,
    memory.priority,
    memory.confidence,
    memory.created_at,
    hlc,
    memory.expires_at ?? null,
    memory.metadata
  ])
