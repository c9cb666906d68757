import type { HttpApiEndpoint } from "@effect/platform/HttpApiEndpoint"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { exportAll } from "../contract/data.js"
import { EVENTS_TYPE, NDJSON_TYPE } from "../contract/parts.js"
import type { changes } from "../contract/subscriptions.js"
import { type Endpoint, formOf, type Headers } from "./answer.js"

/** An answer that is sent while it is made. */
export interface Streamed<E extends Endpoint> {
  readonly endpoint: E
  readonly headers: Headers
  readonly contentType: string
  /** What it holds in memory at most while it is sent. */
  readonly holdsBytes: number
  readonly parts: Stream.Stream<string, unknown>
}

/** Of what is read a page at a time: a page of rows, and its text. */
const PAGE_BYTES = 8 * 1024 * 1024

interface TextEndpoint extends Endpoint {
  readonly successSchema: Schema.Schema<string, unknown>
}

/** For an endpoint whose success is a text, of which each part is small. */
export const texts = <E extends TextEndpoint>(
  endpoint: E,
  parts: Stream.Stream<string, unknown>,
  headers: Headers = {}
): Streamed<E> => ({ endpoint, headers, contentType: formOf(endpoint).contentType, holdsBytes: TEXT_BYTES, parts })

const TEXT_BYTES = 64 * 1024

/** A value whose lists come row by row. Its other fields are asked for when their turn comes. */
type ByRow<A> = {
  readonly [Field in keyof A]: A[Field] extends ReadonlyArray<infer Row> ? Stream.Stream<Row, unknown> : () => A[Field]
}

/** For an endpoint whose success has more rows than memory has room. Fields are sent in the order in which they are given. */
export const byRow = <E extends Endpoint>(endpoint: E, fields: ByRow<HttpApiEndpoint.Success<E>>): Streamed<E> => {
  const written = Object.entries<unknown>(fields).map(([name, value]) => ({ key: JSON.stringify(name), value }))
  const inside = Arr.intersperse(written.map(({ key, value }) => fieldOf(key, value)), Stream.make(","))
  const parts = [Stream.make("{"), ...inside, Stream.make("}")]
  return {
    endpoint,
    headers: {},
    contentType: formOf(endpoint).contentType,
    holdsBytes: PAGE_BYTES,
    parts: Stream.concatAll(Chunk.unsafeFromArray(parts))
  }
}

/** Lines of JSON beside the JSON of an export: the contract says no more of them than that they are text. */
export const lines = (
  endpoint: typeof exportAll,
  parts: Stream.Stream<string, unknown>
): Streamed<typeof exportAll> => ({ endpoint, headers: {}, contentType: NDJSON_TYPE, holdsBytes: PAGE_BYTES, parts })

/** Server-sent events beside the JSON of a page of changes. */
export const events = (
  endpoint: typeof changes,
  parts: Stream.Stream<string, unknown>
): Streamed<typeof changes> => ({
  endpoint,
  headers: { "cache-control": "no-cache", connection: "close" },
  contentType: EVENTS_TYPE,
  holdsBytes: TEXT_BYTES,
  parts
})

/** A page of rows becomes one text. */
export const pages = <Row, E>(
  rows: Stream.Stream<Row, E>,
  textOf: (page: ReadonlyArray<Row>) => string
): Stream.Stream<string, E> =>
  Stream.mapChunks(rows, (page) => page.length === 0 ? Chunk.empty() : Chunk.of(textOf(Chunk.toReadonlyArray(page))))

const fieldOf = (key: string, value: unknown): Stream.Stream<string, unknown> =>
  isRows(value)
    ? Stream.make(`${key}:[`).pipe(Stream.concat(items(value)), Stream.concat(Stream.make("]")))
    : Stream.sync(() => `${key}:${JSON.stringify(Predicate.isFunction(value) ? value() : value)}`)

const isRows = (value: unknown): value is Stream.Stream<unknown, unknown> =>
  Predicate.hasProperty(value, Stream.StreamTypeId)

const items = (rows: Stream.Stream<unknown, unknown>): Stream.Stream<string, unknown> =>
  Stream.suspend(() => {
    let separator = ""
    return pages(rows, (page) => {
      const text = `${separator}${page.map((row) => JSON.stringify(row)).join(",")}`
      separator = ","
      return text
    })
  })
