import { withSuffix } from "../../domain/Upsert.js"
import { slotKey } from "../../store/state/Slice.js"

/** Memories of one title that one request looks at, at most. */
const MAX_SUFFIX = 10_000

/**
 * Titles to try for what can not have its own: `title (2)`, `title (3)`, …. None is given twice for one title, so that a
 * thousand rows of one title look a thousand times and not half a million.
 */
export const titlesBeside = (): (slot: Slot) => Iterable<string> => {
  const suffixes = new Map<string, number>()
  return function*(slot) {
    const key = slotKey(slot)
    for (let suffix = suffixes.get(key) ?? 2; suffix <= MAX_SUFFIX; suffix++) {
      suffixes.set(key, suffix + 1)
      yield withSuffix(slot.title, ` (${suffix})`)
    }
  }
}

interface Slot {
  readonly namespace: string
  readonly title: string
}

/** Whether a title is one of those for another. */
export const isBeside = (title: string, other: string): boolean => {
  const suffix = / \([0-9]+\)$/.exec(other)
  return suffix !== null && withSuffix(title, suffix[0]) === other
}
