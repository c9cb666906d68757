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

/** So much of an id is unique among some thousands, and enough to read the memory by. */
const SHORT_ID = 8

export const shortId = (id: string): string => harmless(id.slice(0, SHORT_ID))

/** To the minute, in the time of nodes. */
export const moment = (stamp: string): string => harmless(stamp.slice(0, 16).replace("T", " "))

/** One a line. */
export const listed = (memories: ReadonlyArray<Memory>, screen: Screen): string =>
  table(
    screen,
    [{ title: "ID" }, { title: "TITLE", isCut: true }, { title: "NAMESPACE" }, { title: "TIER" }, { title: "CHANGED" }],
    memories.map(({ id, namespace, tier, title, updated_at }) => [
      shortId(id),
      onOneLine(title),
      onOneLine(namespace),
      onOneLine(tier),
      moment(updated_at)
    ])
  )

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
