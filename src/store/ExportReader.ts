import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Statement from "@effect/sql/Statement"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Link } from "../domain/Link.js"
import type { Memory } from "../domain/Memory.js"
import { type Archived, ArchivedRow, fromArchivedRow } from "./ArchiveReader.js"
import { ReadFailed } from "./errors.js"
import { eventLoopTurn } from "./eventLoopTurn.js"
import { fromRow, Row } from "./MemoryReader.js"

/**
 * Reads everything, a page after the other: never more than a page is in memory. Each page is as of its own moment. What is
 * there from the beginning to the end is given once.
 */
export class ExportReader extends Context.Tag("quorate/store/ExportReader")<ExportReader, {
  /** Visible memories by id, expired ones included. */
  readonly memories: Stream.Stream<Memory, ReadFailed>
  /** Archived memories by id. */
  readonly archived: Stream.Stream<Archived, ReadFailed>
  /** Links that were not removed, whether their ends are here or not. */
  readonly links: Stream.Stream<Link, ReadFailed>
}>() {}

/** A memory takes about 140 KiB at most, a link a few hundred bytes. */
export const MEMORIES_PER_PAGE = 50
export const LINKS_PER_PAGE = 1000

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const memories = (visible: 1 | 2, after: string) =>
    sql`SELECT * FROM memories WHERE id > ${after} AND visible = ${visible} ORDER BY id LIMIT ${MEMORIES_PER_PAGE}`
  const links = (after: string) =>
    sql`SELECT key AS id, body FROM objects WHERE type = 'link' AND key > ${after} AND current = 1
      ORDER BY key LIMIT ${LINKS_PER_PAGE}`

  return ExportReader.of({
    memories: Stream.map(pages((after) => memories(1, after), Row, MEMORIES_PER_PAGE), fromRow),
    archived: Stream.map(pages((after) => memories(2, after), ArchivedRow, MEMORIES_PER_PAGE), fromArchivedRow),
    links: Stream.map(pages(links, LinkRow, LINKS_PER_PAGE), ({ body }) => body)
  })
})

export const layer: Layer.Layer<ExportReader, never, SqlClient.SqlClient> = Layer.effect(ExportReader, make)

const LinkRow = Schema.Struct({ id: Schema.String, body: Schema.parseJson(Link) })

/** All rows in the order of their ids. A page that is not full is the last. */
const pages = <A extends { readonly id: string }, I>(
  select: (after: string) => Statement.Statement<object>,
  row: Schema.Schema<A, I>,
  size: number
): Stream.Stream<A, ReadFailed> => {
  const decode = Schema.decodeUnknown(Schema.Array(row))
  const page = (after: string): Effect.Effect<ReadonlyArray<A>, SqlError | ParseError> =>
    Effect.zipLeft(Effect.flatMap(select(after), decode), eventLoopTurn)
  return Stream.paginateChunkEffect("", (after) =>
    Effect.map(page(after), (rows) => {
      const last = rows.length < size ? undefined : rows.at(-1)
      return [Chunk.unsafeFromArray(rows), Option.map(Option.fromNullable(last), ({ id }) => id)]
    })).pipe(Stream.mapError((cause) => new ReadFailed({ cause })))
}
