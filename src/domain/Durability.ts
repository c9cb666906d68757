import * as Schema from "effect/Schema"

/** What holds a write before it is acknowledged, where no peer has to. */
export const Durability = Schema.Struct({
  engine: Schema.Literal("sqlite", "postgresql"),
  synchronous: Schema.NullOr(Schema.String).annotations({
    description:
      "How many of how many standbys of the store hold a write before it is answered, as `ANY 1 of 2`; null: none has to"
  })
}).annotations({ description: "What holds a write durably before it is answered, by what the store was asked for" })

export type Durability = typeof Durability.Type

/** A file of this node, each commit of which is on its disk. */
export const OF_FILE: Durability = { engine: "sqlite", synchronous: null }
