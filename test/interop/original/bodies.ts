import * as Schema from "effect/Schema"
import * as shapes from "./shapes.js"

/** Request bodies of the client's surface that are not a memory's. */
const Text = Schema.String
const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

export const Link = Schema.Struct({
  source_id: Text,
  target_id: Text,
  relation: Schema.optionalWith(Text, { default: () => "related_to" })
})

export const Consolidate = Schema.Struct({
  ids: Schema.Array(Text),
  title: Text,
  summary: Text,
  namespace: Schema.optionalWith(Text, { default: () => "global" }),
  tier: Schema.optionalWith(shapes.Tier, { default: () => "long" as const }),
  agent_id: maybe(Text)
})

export const Archive = Schema.Struct({ ids: Schema.Array(Text), reason: maybe(Text) })

const standard = { id: maybe(Text), parent: maybe(Text), governance: maybe(Schema.Unknown) }
export const Standard = Schema.Struct({ namespace: maybe(Text), ...standard, standard: maybe(Schema.Struct(standard)) })

export const Agent = Schema.Struct({
  agent_id: Text,
  agent_type: Text,
  capabilities: Schema.optionalWith(Schema.Array(Text), { default: () => [] })
})

export const Notify = Schema.Struct({
  target_agent_id: Text,
  title: Text,
  payload: maybe(Text),
  content: maybe(Text),
  priority: maybe(Schema.Int),
  tier: maybe(shapes.Tier),
  agent_id: maybe(Text)
})
