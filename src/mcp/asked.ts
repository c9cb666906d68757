import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { IncomingHttpHeaders } from "node:http"
import { decoder } from "../domain/ShapeError.js"
import * as Call from "../http/calls/Call.js"
import * as Caller from "../http/calls/Caller.js"
import { type Refused, wrongShape } from "../http/calls/Refusal.js"
import * as Remarks from "../http/calls/Remarks.js"

/*
 * What a tool is called with, as the endpoint that it stands for takes it. The headers are those of the request that brought the
 * call: by them it is known who asks, and what the key of the request opens.
 */

export interface Asked {
  readonly headers: IncomingHttpHeaders
  /** Null says the same as nothing. */
  readonly given: Readonly<Record<string, unknown>>
}

export const asked = (headers: IncomingHttpHeaders, given: Readonly<Record<string, unknown>>): Asked => ({
  headers,
  given: Object.fromEntries(Object.entries(given).filter(([, value]) => Predicate.isNotNullable(value)))
})

/** As a body of JSON, but for what the endpoint takes elsewhere. */
export const incoming = ({ given, headers }: Asked, elsewhere: ReadonlyArray<string> = []): Call.Incoming => {
  const body = Object.entries(given).filter(([name]) => !elsewhere.includes(name))
  return Call.incoming(headers, Buffer.from(JSON.stringify(Object.fromEntries(body))))
}

/** Who writes, and under which key: by the header of the request, and by the call. */
export const writing = ({ given, headers }: Asked) => ({
  "x-agent-id": Caller.single(headers["x-agent-id"]),
  "idempotency-key": textOf(given["idempotency_key"])
})

/** The same, of what is there in the version that is expected. */
export const matching = (asked: Asked) => {
  const version = textOf(asked.given["expected_version"])
  return { ...writing(asked), "if-match": version === undefined ? undefined : `"${version}"` }
}

const textOf = (value: unknown): string | undefined => value === undefined ? undefined : String(value)

/** The memory, or whatever else, that the call is about. */
export const path = ({ given }: Asked): Either.Either<{ readonly id: string }, Refused> =>
  Either.mapLeft(decodePath(given), wrongShape)

const decodePath = decoder(Schema.Struct({ id: Schema.String }))

/** As the parameters of an endpoint's query. What these do not know is remarked upon. */
export const parameters = <A>(
  endpoint: { readonly urlParamsSchema: Option.Option<Schema.Schema<A, unknown>> }
) => {
  const schema = Option.getOrThrow(endpoint.urlParamsSchema)
  const decode = decoder(schema)
  const names = Remarks.namesOf(Option.some(schema))
  return ({ given }: Asked, { remarks }: Call.Incoming): Effect.Effect<A, Refused> =>
    Effect.gen(function*() {
      yield* Remarks.fields(remarks, given, names)
      const texts = Object.entries(given).map(([name, value]) => [name, parameterOf(value)] as const)
      return yield* Either.mapLeft(decode(Object.fromEntries(texts)), wrongShape)
    })
}

/** A number or a flag as it stands in a query; what else there is can be no parameter, and its text is none either. */
const parameterOf = (value: unknown): string => Predicate.isString(value) ? value : JSON.stringify(value)
