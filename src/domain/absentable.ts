import * as Schema from "effect/Schema"

/** A field that may be left out; null says the same. In the type it is never null, and never present as undefined. */
export const absentable = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(schema, { exact: true, nullable: true })
