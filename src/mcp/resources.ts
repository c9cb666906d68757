import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { IncomingHttpHeaders } from "node:http"
import { answer } from "../http/calls/answer.js"
import * as Call from "../http/calls/Call.js"
import { needOf } from "../http/contract/access.js"
import * as governanceContract from "../http/contract/governance.js"
import * as memories from "../http/handlers/memories.js"
import { namespaces } from "../operations/node/namespaces.js"
import { answered } from "./calling.js"

/*
 * Memories as resources, for clients that let their user pick what a model reads: `memory://namespace/id`. Levels of a namespace
 * stand in it as they are, and all else is escaped.
 */

const SCHEME = "memory://"
export const TEMPLATE = `${SCHEME}{+namespace}/{id}`
export const MIME_TYPE = "text/markdown"

const PAGE = 50
/** The protocol has no more of them in an answer. */
const MAX_COMPLETED = 100

interface Shown {
  readonly id: string
  readonly namespace: string
  readonly title: string
  readonly content: string
  readonly updatedAt: string
}

export const uriOf = ({ id, namespace }: Pick<Shown, "id" | "namespace">): string =>
  `${SCHEME}${namespace.split("/").map(encodeURIComponent).join("/")}/${encodeURIComponent(id)}`

/** The memory that a URI names; none for what is no URI of one. */
const ofUri = (uri: string): Option.Option<Pick<Shown, "id" | "namespace">> => {
  if (!uri.startsWith(SCHEME)) return Option.none()
  const parts = uri.slice(SCHEME.length).split("/")
  try {
    const [id = "", ...levels] = parts.map(decodeURIComponent).reverse()
    return id === "" || levels.length === 0
      ? Option.none()
      : Option.some({ id, namespace: levels.reverse().join("/") })
  } catch {
    return Option.none()
  }
}

/** A page of them, from where the cursor says, and the cursor of the next; none for a cursor that is none. */
export const list = (headers: IncomingHttpHeaders, cursor: string | undefined) => {
  const offset = cursor === undefined ? 0 : /^[0-9]{1,6}$/.test(cursor) ? Number(cursor) : undefined
  if (offset === undefined) return Effect.succeedNone
  return Effect.map(page(headers, { limit: PAGE, offset }), (found) =>
    Option.some({
      memories: found,
      ...(found.length < PAGE ? {} : { nextCursor: String(offset + found.length) })
    }))
}

/** Of a namespace, those whose ids begin so; or those with most weight. */
export const page = (
  headers: IncomingHttpHeaders,
  asked: { readonly namespace?: string; readonly limit: number; readonly offset: number }
) => {
  const incoming = Call.incoming(headers, Buffer.alloc(0))
  return Effect.map(
    answered(
      headers,
      { need: needOf("memories", "list"), what: "resources/list" },
      memories.list({ urlParams: asked, incoming })
    ),
    ({ body, status }) => status === 200 ? rowsOf(JSON.parse(String(body))) : []
  )
}

/** The memory of a URI, if it is in the namespace that this names. */
export const read = (headers: IncomingHttpHeaders, uri: string) =>
  Option.match(ofUri(uri), {
    onNone: () => Effect.succeedNone,
    onSome: ({ id, namespace }) =>
      Effect.map(
        answered(
          headers,
          { need: needOf("memories", "get"), what: "resources/read" },
          memories.get({ path: { id }, incoming: Call.incoming(headers, Buffer.alloc(0)) })
        ),
        ({ body, status }) =>
          status !== 200
            ? Option.none()
            : Option.filter(shownOf(JSON.parse(String(body))), (found) => found.namespace === namespace)
      )
  })

/** As a text to be read. */
export const textOf = ({ content, title }: Shown): string => `# ${title}\n\n${content}\n`

/** What a variable of the template may be that begins so. Ids are those of the namespace that was chosen before. */
export const complete = (
  headers: IncomingHttpHeaders,
  { begun, chosen, name }: {
    readonly name: string
    readonly begun: string
    readonly chosen: Readonly<Record<string, string>>
  }
) => {
  if (name === "namespace") return Effect.map(inUse(headers), (found) => beginning(found, begun))
  const { namespace } = chosen
  if (name !== "id" || namespace === undefined) return Effect.succeed(beginning([], begun))
  return Effect.map(
    page(headers, { namespace, limit: 1000, offset: 0 }),
    (found) => beginning(found.map(({ id }) => id), begun)
  )
}

const inUse = (headers: IncomingHttpHeaders) =>
  Effect.map(
    answered(
      headers,
      { need: needOf("governance", "namespaces"), what: "completion/complete" },
      Effect.map(namespaces, (found) => answer(governanceContract.namespaces, { namespaces: found }))
    ),
    ({ body, status }) => {
      const value: unknown = status === 200 ? JSON.parse(String(body)) : {}
      const found = Predicate.isRecord(value) && Array.isArray(value["namespaces"]) ? value["namespaces"] : []
      return found.flatMap((row) => Predicate.isRecord(row) ? [String(row["namespace"])] : [])
    }
  )

const beginning = (all: ReadonlyArray<string>, begun: string) => {
  const found = all.filter((value) => value.startsWith(begun))
  return { values: found.slice(0, MAX_COMPLETED), total: found.length, hasMore: found.length > MAX_COMPLETED }
}

const rowsOf = (value: unknown): ReadonlyArray<Shown> =>
  Predicate.isRecord(value) && Array.isArray(value["memories"])
    ? value["memories"].flatMap((row) => Option.toArray(shownOf(row)))
    : []

const shownOf = (row: unknown): Option.Option<Shown> =>
  Predicate.isRecord(row)
    ? Option.some({
      id: String(row["id"]),
      namespace: String(row["namespace"]),
      title: String(row["title"]),
      content: String(row["content"]),
      updatedAt: String(row["updated_at"])
    })
    : Option.none()
