import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"

/** A memory as the set has it; the rest of one is the same for all. */
const Told = Schema.Struct({
  id: Schema.String,
  namespace: Schema.String,
  title: Schema.String,
  content: Schema.String,
  tags: Schema.Array(Schema.String),
  created_at: Schema.String,
  /** The conversation that it is a part of. */
  session: Schema.optional(Schema.String)
})
export type Told = typeof Told.Type

/** What makes a question hard: see README.md. */
const Group = Schema.Literal("exact", "forms", "synonym", "typo", "date", "negation", "conversation", "code")
export const GROUPS = Group.literals

const asked = {
  ask: Schema.String,
  /** A language tag of two letters. */
  lang: Schema.String,
  /** Where the agent that asks is at home; absent, it asks everywhere. */
  namespace: Schema.optional(Schema.String)
}

export interface Asked {
  readonly ask: string
  readonly lang: string
  readonly namespace?: string | undefined
}

const Question = Schema.Struct({
  ...asked,
  group: Group,
  /** All memories that answer it. */
  answers: Schema.NonEmptyArray(Schema.String),
  /** The memory is in another language than the question. */
  cross: Schema.optional(Schema.Literal(true))
})
export type Question = typeof Question.Type

/** The moment at which all is asked: "yesterday" was a Tuesday. */
export const NOW_MILLIS = Date.UTC(2026, 4, 20, 9)

const read = <A, I>(name: string, schema: Schema.Schema<A, I>): ReadonlyArray<A> => {
  const decode = Schema.decodeUnknownSync(Schema.parseJson(schema), { onExcessProperty: "error" })
  return readFileSync(new URL(name, folder), "utf8").trim().split("\n").map((line) => decode(line))
}

/** Set for a bundle, which is not where the files are. */
const folder = process.env["QUORATE_RECALL_SET"] ?? new URL(".", import.meta.url)

export const memories = read("memories.ndjson", Told)
export const questions = read("questions.ndjson", Question)
/** Plausible, and answered by nothing in the set. */
export const unanswerable = read("unanswerable.ndjson", Schema.Struct(asked))
