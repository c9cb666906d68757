import type * as Statement from "@effect/sql/Statement"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"

/** A memory takes about 140 KiB at most. */
export const MEMORIES_PER_PAGE = 50

/** All rows, in the order of `select`, which is given the last row of the page before. A page that is not full is the last. */
export function pages<A, I>(
  row: Schema.Schema<A, I>,
  size: number,
  select: (last: A | null) => Statement.Statement<object>
): Stream.Stream<A, ReadFailed> {
  const decode = Schema.decodeUnknown(Schema.Array(row))
  const first: A | null = null
  return Stream.paginateChunkEffect(first, (last: A | null) =>
    select(last).pipe(
      Effect.flatMap(decode),
      Effect.zipLeft(eventLoopTurn),
      Effect.map((rows) => [
        Chunk.unsafeFromArray(rows),
        Option.fromNullable(rows.length < size ? undefined : rows.at(-1))
      ])
    )).pipe(Stream.mapError((cause) => new ReadFailed({ cause })))
}
