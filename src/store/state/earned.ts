import * as Either from "effect/Either"
import * as Earned from "../../domain/Earned.js"
import { objectKey, type ObjectVersion, type Slice, type Version } from "./Slice.js"

/** All that one version of a memory has earned, of what its memory earned at all; null when that is nothing. */
export const earnedBy = (
  objects: ReadonlyArray<ObjectVersion>,
  { hlc, origin }: Pick<Version, "hlc" | "origin">
): Earned.Earned | null => {
  const earned = objects.map(({ body }) => readEarned(body)).filter((each) =>
    each.hlc === hlc && each.origin === origin
  )
  const [first, ...others] = earned
  return first === undefined ? null : others.reduce(Earned.join, first)
}

/** A version as it stands with what it earned. */
export const withEarned = (objects: Slice["objects"], version: Version): Version => {
  const earned = earnedBy(objects.get(objectKey("earned", version.memory.id)) ?? [], version)
  if (earned === null) return version
  const end = version.archived === null ? Earned.endOf(version.memory, earned) : null
  return {
    ...version,
    memory: Earned.applied(version.memory, earned),
    archived: end === null ? version.archived : { at: end.at, reason: end.reason }
  }
}

/** What stands in the tables was checked before it came in. */
export const readEarned = (body: string): Earned.Earned => Either.getOrThrow(Earned.decode(JSON.parse(body)))
