import type { Origin } from "../domain/ids.js"
import * as VersionVector from "./VersionVector.js"

/** Any set of operations, not only what a node holds: the same canonical form, entry by entry. */
export type OperationSet = VersionVector.VersionVector

export const empty: OperationSet = VersionVector.empty

export const of = (operations: ReadonlyArray<{ readonly origin: Origin; readonly oseq: number }>): OperationSet =>
  fromRanges(operations.map(({ origin, oseq }) => ({ origin, from: oseq, to: oseq })))

/** All ranges of an origin at once: one by one would cost the square of their number. */
export const fromRanges = (ranges: ReadonlyArray<VersionVector.OriginRange>): OperationSet => {
  const byOrigin = new Map<Origin, Array<VersionVector.Range>>()
  for (const { from, origin, to } of ranges) {
    const known = byOrigin.get(origin)
    if (known === undefined) byOrigin.set(origin, [[from, to]])
    else known.push([from, to])
  }
  return VersionVector.fromEntries(Array.from(byOrigin, ([origin, beyond]) => [origin, { upto: 0, beyond }] as const))
}

/** Its ranges by origin, then ascending. */
export const ranges = (set: OperationSet): ReadonlyArray<VersionVector.OriginRange> =>
  VersionVector.missing(set, VersionVector.empty)

/** What is in either. */
export const union: (a: OperationSet, b: OperationSet) => OperationSet = VersionVector.merge

/** What is in `a` and not in `b`. */
export const difference = (a: OperationSet, b: OperationSet): OperationSet => fromRanges(VersionVector.missing(a, b))

/** What is in both. */
export const intersection = (a: OperationSet, b: OperationSet): OperationSet => difference(a, difference(a, b))

export const size = (set: OperationSet): number => sizeOf(ranges(set))

/** Operations in ranges that do not overlap. */
export const sizeOf = (ranges: ReadonlyArray<VersionVector.OriginRange>): number =>
  ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0)
