import type { VersionRef } from "../../replication/Operation.js"
import {
  type Applied,
  type Change,
  isNewer,
  objectKey,
  type ObjectType,
  type ObjectVersion,
  type Slice
} from "./Slice.js"

/** The version of an object that counts: the greatest, but of decisions the first. The versions stand in their order. */
export const counting = (type: ObjectType, versions: ReadonlyArray<ObjectVersion>): ObjectVersion | undefined =>
  type === "decision" ? versions[0] : versions.at(-1)

/** What an operation wants with versions of objects of one type. */
interface Intent {
  readonly type: ObjectType
  /** Versions that end for ever, also when they are not there yet. */
  readonly ends: ReadonlyArray<VersionRef>
  readonly gives: Given | null
}

type Given = ObjectVersion & { readonly oseq: number }

/** What becomes of objects by an operation. */
export const changeObjects = (slice: Slice, { ends, gives, type }: Intent): Applied => {
  const given = gives === null || slice.isEnded || ends.some(isSame(gives.ref)) ? null : gives
  const ids = new Set([...ends, ...given === null ? [] : [given.ref]].map(({ id }) => id))
  const keys = Array.from(ids, (id) => settle(slice.objects.get(objectKey(type, id)) ?? [], { id, type, ends, given }))
  return {
    outcome: gives === null || keys.some(({ best }) => best !== undefined && isSame(gives.ref)(best.ref))
      ? "applied"
      : "superseded",
    changes: [...ends.map((ref): Change => ({ _tag: "ObjectEnded", type, ref })), ...keys.flatMap(({ steps }) => steps)]
  }
}

/** A version of an object goes, as if it had never come; another one counts then. */
export const removeObject = (
  objects: Slice["objects"],
  type: ObjectType,
  { hlc, id, origin }: VersionRef
): ReadonlyArray<Change> => {
  const ref = { hlc, id, origin }
  const before = objects.get(objectKey(type, id)) ?? []
  const left = before.filter((version) => !isSame(ref)(version.ref))
  if (left.length === before.length) return []
  const best = counting(type, left)
  return [
    { _tag: "ObjectRemoved", type, ref },
    ...best === undefined ? [] : [{ _tag: "ObjectCounts" as const, type, ref: best.ref }]
  ]
}

/** What becomes of one key, and the version of it that counts in the end. */
const settle = (before: ReadonlyArray<ObjectVersion>, options: {
  readonly id: string
  readonly type: ObjectType
  readonly ends: ReadonlyArray<VersionRef>
  readonly given: Given | null
}) => {
  const { ends, given, id, type } = options
  const left = before.filter(({ ref }) => !ends.some(isSame(ref)))
  const isNew = given !== null && given.ref.id === id && !left.some(({ ref }) => isSame(ref)(given.ref))
  const best = counting(type, isNew ? [...left, given].sort(ascending) : left)
  const old = counting(type, before)
  const added: ReadonlyArray<Change> = isNew ? [{ _tag: "ObjectAdded", type, version: given, oseq: given.oseq }] : []
  const counts: ReadonlyArray<Change> = best === undefined || (old !== undefined && isSame(old.ref)(best.ref))
    ? []
    : [{ _tag: "ObjectCounts", type, ref: best.ref }]
  return { best, steps: [...added, ...counts] }
}

const ascending = (a: ObjectVersion, b: ObjectVersion): number =>
  isNewer({ ...a.ref, hash: a.hash }, { ...b.ref, hash: b.hash }) ? 1 : -1

const isSame = (a: VersionRef) => (b: VersionRef): boolean => a.id === b.id && a.hlc === b.hlc && a.origin === b.origin
