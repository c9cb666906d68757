import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Link } from "../domain/Link.js"
import type * as Stamp from "../domain/Stamp.js"
import { hotSpan } from "../telemetry/hotSpan.js"
import type { ReadFailed } from "./errors.js"
import { MAX_ALIAS_STEPS, readFailed } from "./MemoryReader.js"

/** A link out of a memory, with what is known of its target. Both ends are ids of live memories. */
export interface Outgoing {
  readonly link: Link
  readonly title: string
  readonly namespace: string
}

export interface Page {
  readonly limit: number
  readonly offset: number
}

/** Which links are followed. What is absent restricts nothing. */
export interface Followed {
  /** Valid at this moment. */
  readonly validAt?: Stamp.Stamp | undefined
  /** Observed by one of these. */
  readonly observers?: ReadonlyArray<string> | undefined
}

/** Links that are looked at for one answer, at most. */
export const MAX_SCANNED = 10_000

/**
 * Reads links as clients see them: between live memories, under the ids that these have now. A link whose end is deleted,
 * archived, or has not arrived yet is kept and not shown; nor is one whose two ends became one memory. Links that became the
 * same, because memories did, are shown once: the latest.
 */
export class LinkReader extends Context.Tag("quorate/store/LinkReader")<LinkReader, {
  /** The id of the live memory that an id stands for; never by a prefix. */
  readonly resolve: (id: string) => Effect.Effect<Option.Option<string>, ReadFailed>
  /** The links of the memory that an id stands for, in both directions, the oldest first. */
  readonly of: (id: string, page: Page) => Effect.Effect<ReadonlyArray<Link>, ReadFailed>
  /** The links out of several memories by their present ids, each memory's in the order of time. */
  readonly outgoing: (
    ids: ReadonlyArray<string>,
    followed: Followed
  ) => Effect.Effect<ReadonlyArray<Outgoing>, ReadFailed>
  /** The links out of one memory that began to hold within a time, in that order. */
  readonly timeline: (
    id: string,
    range: { readonly since: Stamp.Stamp | undefined; readonly until: Stamp.Stamp | undefined; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<Outgoing>, ReadFailed>
  /** The keys of all links from one end to another, whether they are shown or not. */
  readonly between: (sourceId: string, targetId: string) => Effect.Effect<ReadonlyArray<string>, ReadFailed>
  /** The place in the log of the version that counts. */
  readonly placeOf: (
    key: string
  ) => Effect.Effect<Option.Option<{ readonly origin: string; readonly oseq: number }>, ReadFailed>
}>() {}

/** The live memory behind an id, as SQL. `links.resolve` is the same in a transaction. */
const resolved = (id: string) =>
  `coalesce(
    (SELECT id FROM memories WHERE id = ${id} AND visible = 1),
    (WITH RECURSIVE chain (id, step) AS (
        SELECT target, 1 FROM aliases WHERE id = ${id}
        UNION ALL
        SELECT a.target, c.step + 1 FROM chain c CROSS JOIN aliases a ON a.id = c.id WHERE c.step < ${MAX_ALIAS_STEPS}
      ) SELECT m.id FROM chain c CROSS JOIN memories m ON m.id = c.id WHERE m.visible = 1 ORDER BY c.step LIMIT 1),
    (SELECT id FROM memories WHERE id = ${id} AND visible = 0)
  )`

/** Every id that a memory may be meant by: of each `root (id)`, in `names (root, id, step)`. */
const names = `names (root, id, step) AS (
    SELECT id, id, 0 FROM root WHERE id IS NOT NULL
    UNION
    SELECT n.root, a.id, n.step + 1 FROM names n CROSS JOIN aliases a ON a.target = n.id
    WHERE n.step < ${MAX_ALIAS_STEPS}
  )`

/** The links that name one of them at this end. */
const linksBy = (end: "source" | "target") =>
  `SELECT n.root, o.key, o.hlc, o.body FROM names n CROSS JOIN objects o
    ON o.type = 'link' AND o.current = 1 AND json_extract(o.body, '$.${end}_id') = n.id`

/** The links found under the name `raw`, with the live memories at their ends. */
const shown = `shown AS MATERIALIZED (
    SELECT root, key, hlc, body,
      ${resolved("json_extract(body, '$.source_id')")} AS source_id,
      ${resolved("json_extract(body, '$.target_id')")} AS target_id
    FROM raw
  )`

const sameLink = "GROUP BY source_id, target_id, json_extract(body, '$.relation')"
const began = "coalesce(json_extract(body, '$.valid_from'), json_extract(body, '$.created_at'))"

const Body = Schema.parseJson(Link)
const Ends = { source_id: Schema.String, target_id: Schema.String, body: Body }
const LinkRow = Schema.Struct(Ends)
const OutgoingRow = Schema.Struct({ ...Ends, title: Schema.String, namespace: Schema.String })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const literal = sql.literal

  const selectResolved = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.NullOr(Schema.String) }),
    execute: (id) =>
      sql`WITH given (id) AS (SELECT ${id}) SELECT ${literal(resolved("given.id"))} AS id FROM given`
  })

  const selectOf = SqlSchema.findAll({
    Request: Schema.Struct({ id: Schema.String, limit: Schema.Int, offset: Schema.Int }),
    Result: LinkRow,
    execute: ({ id, limit, offset }) =>
      sql`WITH RECURSIVE given (id) AS (SELECT ${id}),
        root (id) AS (SELECT ${literal(resolved("given.id"))} FROM given), ${literal(names)},
        raw AS (${literal(`${linksBy("source")} UNION ${linksBy("target")}`)} LIMIT ${MAX_SCANNED}), ${literal(shown)}
      SELECT source_id, target_id, body, max(hlc) AS hlc FROM shown
      WHERE source_id <> target_id AND (source_id = root OR target_id = root) ${literal(sameLink)}
      ORDER BY hlc, key LIMIT ${limit} OFFSET ${offset}`
  })

  const outgoing = (roots: Statement.Fragment, rest: Statement.Fragment) =>
    sql`WITH RECURSIVE root (id) AS (${roots}), ${literal(names)},
        raw AS (${literal(linksBy("source"))} LIMIT ${MAX_SCANNED}), ${literal(shown)},
        latest AS (
          SELECT source_id, target_id, body, max(hlc) AS hlc FROM shown
          WHERE source_id = root AND target_id <> source_id ${literal(sameLink)}
        )
      SELECT l.source_id, l.target_id, l.body, m.title, m.namespace
      FROM latest l CROSS JOIN memories m ON m.id = l.target_id WHERE ${rest}`
