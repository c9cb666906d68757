import type { Memory } from "./Memory.js"

/** Two memories that say different things of one topic; the first one is the newer. */
export interface Contradiction {
  readonly source_id: string
  readonly target_id: string
}

/** What a memory is about: the `topic` in its metadata, or its title. */
export const topicOf = ({ metadata, title }: Memory): string => {
  const topic = metadata["topic"]
  return typeof topic === "string" ? topic : title
}

/** Pairs of memories with one topic and different contents, `most` at most. The memories are given newest first. */
export const find = (
  memories: ReadonlyArray<Memory>,
  options: { readonly topicOf: (memory: Memory) => string; readonly most: number }
): ReadonlyArray<Contradiction> => {
  const earlier = new Map<string, Array<Memory>>()
  const found: Array<Contradiction> = []
  for (const memory of memories) {
    const topic = options.topicOf(memory)
    const others = earlier.get(topic) ?? []
    earlier.set(topic, others)
    for (const other of others) {
      if (found.length === options.most) return found
      if (other.content !== memory.content) found.push({ source_id: other.id, target_id: memory.id })
    }
    others.push(memory)
  }
  return found
}
