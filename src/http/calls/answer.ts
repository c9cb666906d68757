import type { HttpApiEndpoint } from "@effect/platform/HttpApiEndpoint"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type { Reply } from "./Reply.js"
import type { AsText } from "./untyped.js"

/*
 * The one way to an answer: an endpoint of the contract, and a value of the type of its success. What is written is the
 * value as it is, and nothing is encoded while a request waits: a test says that no success is changed by its encoding.
 */

/** An endpoint, as far as its answer depends on it. */
export interface Endpoint extends HttpApiEndpoint.Any {
  readonly successSchema: { readonly ast: SchemaAST.AST }
}

export type Headers = Readonly<Record<string, string>>

/** The answer of this endpoint, and of no other. */
export interface Answer<E extends Endpoint> extends Reply {
  readonly endpoint: E
}

/** The status is that of the contract: 200 where this has more than one, unless another one is given. */
export const answer = <E extends Endpoint>(
  endpoint: E,
  body: HttpApiEndpoint.Success<E>,
  headers: Headers = {},
  status?: number
): Answer<E> => {
  const form = formOf(endpoint)
  return {
    endpoint,
    status: status ?? form.status,
    headers,
    contentType: form.contentType,
    body: form.isText ? String(body) : JSON.stringify(body)
  }
}

/** A JSON text that was written where its value comes from. */
export const text = <E extends AsText>(endpoint: E, body: string): Answer<E> => {
  const { contentType, status } = formOf(endpoint)
  return { endpoint, status, headers: {}, contentType, body }
}

interface BytesEndpoint extends Endpoint {
  readonly successSchema: Schema.Schema<Uint8Array, unknown>
}

/** For an endpoint whose success is bytes. */
export const bytes = <E extends BytesEndpoint>(endpoint: E, body: Uint8Array): Answer<E> => {
  const { contentType, status } = formOf(endpoint)
  return { endpoint, status, headers: {}, contentType, body }
}

/** What the contract says of an answer beside its type. */
interface Form {
  readonly status: number
  readonly contentType: string
  readonly isText: boolean
}

/** Looked up once for each endpoint. */
export const formOf = (endpoint: Endpoint): Form => {
  const known = forms.get(endpoint)
  if (known !== undefined) return known
  const { ast } = endpoint.successSchema
  const { contentType, kind } = HttpApiSchema.getEncoding(ast)
  const form = { status: HttpApiSchema.getStatusSuccessAST(ast), contentType, isText: kind === "Text" }
  forms.set(endpoint, form)
  return form
}

const forms = new WeakMap<Endpoint, Form>()
