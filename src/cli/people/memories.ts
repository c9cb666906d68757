import * as Schema from "effect/Schema"
import { harmless, onOneLine, type Screen } from "./screen.js"
import { table } from "./table.js"

/** What is shown of a memory. */
export const Memory = Schema.Struct({
  id: Schema.String,
  title: Schema.String,
  content: Schema.String,
  namespace: Schema.String,
  tier: Schema.String,
  tags: Schema.Array(Schema.String),
  priority: Schema.Number,
  updated_at: Schema.String,
  expires_at: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null })
})
export type Memory = typeof Memory.Type

/**
 * How ids are shown that stand together: so much of each as is enough to read the memory by, and all of it where that would
 * be the same for two of them.
 */
export const shortIds = (ids: ReadonlyArray<string>): (id: string) => string => {
  const begun = new Map<string, string | null>()
  for (const id of ids) {
    const short = begin(id)
    const other = begun.get(short)
    begun.set(short, other === undefined || other === id ? id : null)
  }
  return (id) => harmless(begun.get(begin(id)) === null ? id : begin(id))
}

const begin = (id: string): string => id.slice(0, BY_TIME.test(id) ? TIME_AND_COUNT : SHORT_ID)

/** An id of version 7 begins like those of the same minute: up to its chance no other one of its node is the same. */
const BY_TIME = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-/
const TIME_AND_COUNT = 18
/** So much of any other is unique among some thousands. */
const SHORT_ID = 8

/** To the minute, in the time of nodes. */
export const moment = (stamp: string): string => harmless(stamp.slice(0, 16).replace("T", " "))

/** One a line. */
export const listed = (memories: ReadonlyArray<Memory>, screen: Screen): string => {
  const short = shortIds(memories.map(({ id }) => id))
  return table(
    screen,
    [{ title: "ID" }, { title: "TITLE", isCut: true }, { title: "NAMESPACE" }, { title: "TIER" }, { title: "CHANGED" }],
    memories.map(({ id, namespace, tier, title, updated_at }) => [
      short(id),
      onOneLine(title),
      onOneLine(namespace),
      onOneLine(tier),
      moment(updated_at)
    ])
  )
}

/** A page of a list that has more says so. */
export const andMore = (truncated: boolean | undefined, { dim }: Screen): string =>
  truncated === true ? `\n${dim("There are more: --limit and --offset show them.")}` : ""

/** The head of a memory, and its text. */
export const whole = (memory: Memory, { bold, dim }: Screen): string => {
  const { content, expires_at, id, namespace, priority, tags, tier, title, updated_at } = memory
  const life = expires_at === null ? "kept for good" : `until ${moment(expires_at)}`
  const about = [namespace, `${tier}, ${life}`, `priority ${priority}`, `changed ${moment(updated_at)}`]
  return [
    bold(onOneLine(title)),
    dim(onOneLine([id, ...about, ...(tags.length === 0 ? [] : [tags.join(", ")])].join(" · "))),
    "",
    harmless(content)
  ].join("\n")
}

/** How a write went, as its answer says it. */
export const Written = Schema.Struct({
  id: Schema.optional(Schema.String),
  title: Schema.optional(Schema.String),
  quorum_acks: Schema.optional(Schema.Number),
  pending_id: Schema.optional(Schema.String)
})

/** What was done, and on how many nodes it is; or that it is not done yet. */
export const done = ({ pending_id: waits, quorum_acks: acks }: typeof Written.Type, what: string): string =>
  waits !== undefined
    ? `waits for approval: ${harmless(waits)}`
    : acks === undefined
    ? what
    : `${what} (on ${acks} node${acks === 1 ? "" : "s"})`
