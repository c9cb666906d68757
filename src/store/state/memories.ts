import type { VersionRef } from "../../replication/Operation.js"
import { withEarned } from "./earned.js"
import {
  type Applied,
  type Change,
  isNewer,
  type Order,
  type Outcome,
  type Place,
  places,
  refKey,
  type Row,
  type Slice,
  slotKey,
  type Version
} from "./Slice.js"

/** What an operation wants with versions of memories. */
interface Intent {
  /** A version that is taken out, because what gave it does not count any more. */
  readonly retracts: VersionRef | null
  /** A version that is given. */
  readonly gives: Version | null
  /** The id that those of ended versions stand for from now on. */
  readonly successor: string | null
  readonly by: Order
}

/** How a memory stands when it has earned something, which is among the objects of the slice by now. */
export const reseat = (slice: Slice, objects: Slice["objects"]): ReadonlyArray<Change> => {
  const { standing: version } = slice
  const row = version === null ? undefined : slice.rows.get(version.memory.id)
  if (version === null || row === undefined) return []
  const standing = afterEnding({ ...slice, next: new Map() }, [{ ...row }])
  standing.inserted.set(row.id, withEarned(objects, version))
  return settleSlots(slice, standing, null).steps
}

/** What becomes of memories by an operation. */
export const changeMemories = (slice: Slice, intent: Intent): Applied => {
  const { gives, retracts } = intent
  if (gives !== null && retracts === null && isAlone(slice)) {
    return { outcome: "applied", changes: [first(slice, gives)] }
  }
  const standing = afterEnding(slice, [...slice.ends, ...slice.older, ...retracts === null ? [] : [retracts]])
  const given = gives === null ? null : give(slice, standing, gives)
  const { outcome, steps } = settleSlots(slice, standing, given)
  return {
    outcome,
    changes: [
      ...slice.ends.map((ref): Change => ({ _tag: "Covered", ref })),
      ...standing.dropped.map((ref): Change => ({ _tag: "ConflictDropped", ref })),
      ...steps,
      ...standing.conflicts.map(({ id, version }): Change => ({ _tag: "ConflictAdded", id, version })),
      ...aliases(slice, intent)
    ]
  }
}

/** There is nothing that a version which comes might meet, as with nearly every memory that is new. */
const isAlone = ({ claims, ends, isCovered, older, rows }: Slice): boolean =>
  !isCovered && rows.size === 0 && claims.size === 0 && ends.length === 0 && older.length === 0

/** It becomes the memory of its id, and has its slot. */
const first = ({ objects }: Slice, given: Version): Change => {
  const version = withEarned(objects, given)
  return { _tag: "RowInserted", version, place: isArchived(version) ? places.archived : places.visible, use: null }
}

/** How the memories that an operation names stand while it is applied. */
interface Standing {
  readonly ended: ReadonlySet<string>
  /** Rows that are there no longer. */
  readonly removed: Map<string, Row>
  /** Versions that become the memory of their id. */
  readonly inserted: Map<string, Version>
  /** Conflicts that are none any more, whether they were there or not. */
  dropped: ReadonlyArray<VersionRef>
  /** Versions that live on behind a greater one. */
  readonly conflicts: Array<{ readonly id: string; readonly version: Order & { readonly oseq: number } }>
}

/** When the memory of an id ends, the best of its conflicts takes its place. */
const afterEnding = (slice: Slice, ends: ReadonlyArray<VersionRef>): Standing => {
  const standing: Standing = {
    ended: new Set(ends.map(refKey)),
    removed: new Map(),
    inserted: new Map(),
    dropped: [],
    conflicts: []
  }
  const dropped: Array<VersionRef> = []
  for (const ref of ends) {
    const row = slice.rows.get(ref.id)
    if (row === undefined || row.hlc !== ref.hlc || row.origin !== ref.origin) {
      dropped.push(ref)
      continue
    }
    standing.removed.set(ref.id, row)
    const next = slice.next.get(ref.id)
    if (next === undefined) continue
    standing.inserted.set(ref.id, withEarned(slice.objects, next))
    dropped.push({ id: ref.id, hlc: next.hlc, origin: next.origin })
  }
  standing.dropped = dropped
  return standing
}

/** Gives the memory a version: the greater of the two becomes or stays the memory, the other one its conflict. */
const give = (slice: Slice, standing: Standing, given: Version): Claimer | "superseded" => {
  const version = withEarned(slice.objects, given)
  const { id } = version.memory
  if (slice.isCovered || standing.ended.has(refKey({ ...version, id }))) return "superseded"
  const row = standing.removed.has(id) ? undefined : slice.rows.get(id)
  const current = standing.inserted.get(id) ?? row
  if (current === undefined) {
    standing.inserted.set(id, version)
    return version
  }
  if (current.hash === version.hash) return row ?? version
  if (!isNewer(version, current)) {
    standing.conflicts.push({ id, version })
    return "superseded"
  }
  standing.conflicts.push({ id, version: current })
  if (row !== undefined) standing.removed.set(id, row)
  standing.inserted.set(id, version)
  return version
}

/** What may claim a slot: a memory that stands, or a version that is about to be one. */
type Claimer = Row | Version

const slotOf = (claimer: Claimer): string => slotKey("memory" in claimer ? claimer.memory : claimer)

const isArchived = (claimer: Claimer): boolean =>
  "memory" in claimer ? claimer.archived !== null : claimer.place === places.archived

/** Finds the winner of each slot that something left or came to, and the steps that lead there. */
const settleSlots = (slice: Slice, standing: Standing, given: Claimer | "superseded" | null) => {
  const { inserted, removed } = standing
  const rows = [...slice.rows.values(), ...slice.claims.values()].filter((row) => !isRemoved(standing, row))
  const winners = winnersOf([...rows, ...inserted.values()])
  const placeOf = (claimer: Claimer): Place =>
    isArchived(claimer) ? places.archived : winners.get(slotOf(claimer)) === claimer ? places.visible : places.shadow
  const moved = rows.flatMap((row): ReadonlyArray<Change> => {
    const to = placeOf(row)
    return to === row.place ? [] : [{ _tag: "RowMoved", row, to }]
  })
  const steps: ReadonlyArray<Change> = [
    ...Array.from(removed.values(), (row): Change => ({ _tag: "RowRemoved", row })),
    // Whoever steps back goes first: a slot has one visible row at a time, on the way as well.
    ...moved.toSorted((a, b) => toOf(a) - toOf(b)),
    ...Array.from(inserted, ([id, version]): Change => ({
      _tag: "RowInserted",
      version,
      place: placeOf(version),
      use: slice.rows.get(id)?.use ?? null
    }))
  ]
  return { steps, outcome: outcomeOf(given, placeOf) }
}

const isRemoved = ({ removed }: Standing, { id }: Row): boolean => removed.has(id)

const toOf = (change: Change): number => change._tag === "RowMoved" ? change.to : 0

const winnersOf = (claimers: ReadonlyArray<Claimer>): ReadonlyMap<string, Claimer> => {
  const winners = new Map<string, Claimer>()
  for (const claimer of claimers.filter((each) => !isArchived(each))) {
    const winner = winners.get(slotOf(claimer))
    if (winner === undefined || isNewer(claimer, winner)) winners.set(slotOf(claimer), claimer)
  }
  return winners
}

const outcomeOf = (given: Claimer | "superseded" | null, placeOf: (claimer: Claimer) => Place): Outcome =>
  given === "superseded"
    ? "superseded"
    : given !== null && placeOf(given) === places.shadow
    ? "shadowed"
    : "applied"

const aliases = ({ ends }: Slice, { by, successor }: Intent): ReadonlyArray<Change> =>
  successor === null ?
    [] :
    Array.from(new Set(ends.map(({ id }) => id))).flatMap((id): ReadonlyArray<Change> =>
      id === successor ? [] : [{ _tag: "Aliased", id, target: successor, by: { hlc: by.hlc, origin: by.origin } }]
    )
