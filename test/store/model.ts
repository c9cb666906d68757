import type { Memory } from "../../src/domain/Memory.js"
import type { Operation } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import { bucketOf, type Place, places } from "../../src/store/log/Digest.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import { endedBy, keyOf, refOf, versionsOf } from "./histories.js"

/*
 * What a node must come to, as a plain function of the set of operations it holds: written from the rules, with nothing of
 * the tables' own way to it. Each part is a sorted list of texts, one for each row.
 */
export interface State {
  readonly memories: ReadonlyArray<string>
  readonly conflicts: ReadonlyArray<string>
  readonly objects: ReadonlyArray<string>
  readonly covered: ReadonlyArray<string>
  readonly ended: ReadonlyArray<string>
  readonly aliases: ReadonlyArray<string>
  /** The sum over all rows. */
  readonly digest: number
}

/** A version of a memory, with the operation that made it. */
interface Version {
  readonly operation: Operation
  readonly memory: Memory
  readonly archived: { readonly at: string; readonly reason: string } | null
}

export const model = (entries: ReadonlyArray<Entry>): State => {
  const covered = endedIn(entries, "memory")
  const { conflicts, memories } = liveMemories(entries, covered)
  const objects = liveObjects(entries)
  return {
    memories: memories.map(({ place, version }) => memoryRow(version, place)).sort(),
    conflicts: conflicts.map(({ memory, operation }) => versionText(memory.id, operation)).sort(),
    objects: objects.map(({ isCurrent, operation }) => objectRow(operation, isCurrent)).sort(),
    covered: Array.from(covered).sort(),
    ended: OBJECT_FAMILIES.flatMap((family) => Array.from(endedIn(entries, family), (key) => `${family} ${key}`))
      .sort(),
    aliases: aliases(entries),
    digest: sum(weights(entries).map(({ weight }) => weight))
  }
}

/** The sums over the rows of the model, by bucket; those of zero left out. */
export const buckets = (entries: ReadonlyArray<Entry>): ReadonlyArray<readonly [number, number]> => {
  const sums = new Map<number, number>()
  for (const { key, weight } of weights(entries)) {
    const bucket = bucketOf(key)
    sums.set(bucket, sum([sums.get(bucket) ?? 0, weight]))
  }
  return Array.from(sums).filter(([, amount]) => amount !== 0).sort(([a], [b]) => a - b)
}

/** What each row adds to the sums. */
const weights = (entries: ReadonlyArray<Entry>): ReadonlyArray<{ readonly key: string; readonly weight: bigint }> => {
  const { conflicts, memories } = liveMemories(entries, endedIn(entries, "memory"))
  return [
    ...memories.map(({ place, version }) => ({
      key: version.memory.id,
      weight: weightOf(version.operation.hash, place)
    })),
    ...conflicts.map(({ memory, operation }) => ({
      key: memory.id,
      weight: weightOf(operation.hash, places.conflict)
    })),
    ...liveObjects(entries).map(({ operation }) => ({
      key: operation.entity,
      weight: weightOf(operation.hash, places.object)
    }))
  ]
}

/** Of each id the greatest version, in its place; the others are conflicts. */
const liveMemories = (entries: ReadonlyArray<Entry>, covered: ReadonlySet<string>) => {
  const counting = countingDecisions(entries)
  const live = entries.flatMap((entry) => versionOf(entry, counting) ?? [])
    .filter(({ memory, operation }) => !covered.has(keyOf({ ...refOf(operation), id: memory.id })))
    .filter(({ operation }) => !isBehindTwin(entries, operation))
    .sort((a, b) => newestFirst(a.operation, b.operation))
  const winners = firstOfEach(live, ({ memory }) => memory.id).map((version) => standing(entries, version))
  const visible = firstOfEach(
    winners.filter(({ archived }) => archived === null),
    ({ memory: { namespace, title } }) => JSON.stringify([namespace, title])
  )
  return {
    memories: winners.map((version) => ({
      version,
      place: version.archived !== null ? places.archived : visible.includes(version) ? places.visible : places.shadow
    })),
    conflicts: live.filter((version) => !winners.some(({ operation }) => operation === version.operation))
  }
}

/** A version with all that it has earned. */
const standing = (entries: ReadonlyArray<Entry>, version: Version): Version => {
  const { memory, operation: { hlc, origin } } = version
  const ended = endedIn(entries, "earned")
  const earned = entries.flatMap(({ operation, payload }) =>
    payload.kind === "earn" && !ended.has(keyOf(refOf(operation))) && payload.earned.memory_id === memory.id &&
      payload.earned.hlc === hlc && payload.earned.origin === origin
      ? [payload.earned]
      : []
  )
  const long = earned.some((each) => each.long)
  const until = memory.expires_at === undefined || long
    ? undefined
    : [memory.expires_at, ...earned.flatMap(({ expires_at }) => expires_at ?? [])].sort().at(-1)
  const { expires_at: _, ...kept } = memory
  // The end that was found with the latest expiry in sight; of those the one that was found first.
  const [end] = earned.flatMap(({ expired }) => expired ?? [])
    .sort((a, b) =>
      a.seen !== b.seen
        ? (a.seen < b.seen ? 1 : -1)
        : a.at !== b.at
        ? (a.at < b.at ? -1 : 1)
        : a.reason < b.reason
        ? 1
        : -1
    )
  const isOver = version.archived === null && end !== undefined && until !== undefined && until <= end.seen
  return {
    ...version,
    memory: {
      ...kept,
      tier: long ? "long" : memory.tier,
      priority: Math.max(memory.priority, ...earned.map(({ priority }) => priority ?? 0)),
      ...(until === undefined ? {} : { expires_at: until })
    },
    archived: isOver ? { at: end.at, reason: end.reason } : version.archived
  }
}

/** The row of a memory, as it is written by the node under test, too. */
const memoryRow = ({ archived, memory, operation }: Version, place: Place): string =>
  JSON.stringify([
    memory.id,
    operation.hash,
    place,
    operation.origin,
    operation.oseq,
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
    operation.hlc,
    memory.expires_at ?? null,
    memory.metadata
  ])

const versionText = (id: string, { hash, hlc, origin, oseq }: Operation): string =>
  `${id} ${hlc} ${origin} ${oseq} ${hash}`

const objectRow = (operation: Operation, isCurrent: boolean): string =>
  `${versionsFamily(operation)} ${versionText(operation.entity, operation)} ${isCurrent ? 1 : 0} ${operation.body}`

const OBJECT_FAMILIES = ["link", "pending", "vote", "namespace_meta", "earned", "subscription", "delivery"] as const

const versionsFamily = ({ kind }: Operation) => kind === "decision" ? kind : endedBy(kind)

/** The keys of all versions of a family that some operation ends. */
const namedBy = (entries: ReadonlyArray<Entry>, family: ReturnType<typeof endedBy>): ReadonlySet<string> =>
  new Set(
    entries.filter(({ operation }) => endedBy(operation.kind) === family)
      .flatMap(({ operation: { covers, entity, kind } }) =>
        covers.filter(({ id }) => kind !== "earn" || id === entity).map(keyOf)
      )
  )

/** With the twins of each that are there. */
const endedIn = (entries: ReadonlyArray<Entry>, family: ReturnType<typeof endedBy>): ReadonlySet<string> => {
  const named = namedBy(entries, family)
  const twins = entries.map(({ operation }) => operation)
    .filter((operation) =>
      operation.kind !== "decision" && endedBy(operation.kind) === family && operation.body !== null
    )
    .filter((operation) => twinsOf(entries, operation).some((twin) => named.has(keyOf(refOf(twin)))))
  return new Set([...named, ...twins.map((operation) => keyOf(refOf(operation)))])
}

/** Versions of the same thing that were made for the same request, itself included. */
export const twinsOf = (entries: ReadonlyArray<Entry>, operation: Operation): ReadonlyArray<Operation> =>
  operation.idempotency === null || operation.kind === "decision" ? [] : entries.map((entry) => entry.operation).filter(
    ({ body, entity, idempotency, kind }) =>
      kind !== "decision" && body !== null && entity === operation.entity &&
      endedBy(kind) === endedBy(operation.kind) &&
      JSON.stringify(idempotency) === JSON.stringify(operation.idempotency)
  )

const isBehindTwin = (entries: ReadonlyArray<Entry>, operation: Operation): boolean =>
  twinsOf(entries, operation).some((twin) => newestFirst(twin, operation) < 0)

/** The earliest decision of each action. */
const countingDecisions = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> =>
  firstOfEach(
    entries.filter(({ operation }) => operation.kind === "decision")
      .sort((a, b) => newestFirst(b.operation, a.operation)),
    ({ operation }) => operation.entity
  )

const versionOf = (entry: Entry, counting: ReadonlyArray<Entry>): Version | undefined => {
  const { operation, payload } = entry
  const memory = Payload.versionOf(payload)
  if (memory === undefined || (payload.kind === "decision" && !counting.includes(entry))) return undefined
  const archived = payload.kind === "archive" ? { at: payload.archivedAt, reason: payload.reason } : null
  return { operation, memory, archived }
}

/** Links, actions, votes, decisions and standards that nothing ended, and which of each counts. */
const liveObjects = (entries: ReadonlyArray<Entry>) => {
  const live = entries.filter((entry) =>
    versionsOf(entry).some(({ family, ref }) =>
      family !== "memory" && (family === "decision" || !endedIn(entries, family).has(keyOf(ref)))
    )
  ).map(({ operation }) => operation).sort(newestFirst)
  const greatest = firstOfEach(live.filter(({ kind }) => kind !== "decision"), keyOfObject)
  const current = [...greatest, ...countingDecisions(entries).map(({ operation }) => operation)]
  return live.map((operation) => ({ operation, isCurrent: current.includes(operation) }))
}

const keyOfObject = (operation: Operation) => `${versionsFamily(operation)} ${operation.entity}`

/** A memory takes over the other ids that its operation ends; the newest such operation says which one. */
const aliases = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> => {
  const claims = entries
    .filter(({ operation }) => endedBy(operation.kind) === "memory")
    .sort((a, b) => newestFirst(a.operation, b.operation))
    .flatMap(({ operation: { covers, hlc, origin }, payload }) => {
      const target = Payload.versionOf(payload)?.id
      return target === undefined ? [] : covers.filter(({ id }) => id !== target).map(({ id }) => ({
        id,
        text: `${id} ${target} ${hlc} ${origin}`
      }))
    })
  return firstOfEach(claims, ({ id }) => id).map(({ text }) => text).sort()
}

/** 48 bits of the hash for each place. */
const weightOf = (hash: string, place: Place): bigint => BigInt(`0x${hash.slice(place * 12, place * 12 + 12)}`)

const sum = (amounts: ReadonlyArray<bigint | number>): number =>
  Number(amounts.reduce<bigint>((total, amount) => (total + BigInt(amount)) % 2n ** 48n, 0n))

const firstOfEach = <A>(items: ReadonlyArray<A>, group: (item: A) => string): ReadonlyArray<A> => {
  const known = new Set<string>()
  return items.filter((item) => {
    const key = group(item)
    const isFirst = !known.has(key)
    known.add(key)
    return isFirst
  })
}

const newestFirst = (a: Operation, b: Operation): number => {
  const [x, y] = [`${a.hlc} ${a.origin} ${a.hash}`, `${b.hlc} ${b.origin} ${b.hash}`]
  return x < y ? 1 : x > y ? -1 : 0
}
