import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { harmless } from "../people/screen.js"
import { type Broken, exchange, type Target, type Unreachable } from "./exchange.js"

type Value = string | number | boolean

/** One request to a daemon. What is undefined or none of a query is not sent. */
export interface Question {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /** As in `/api/v1/memories`; what stands in it is encoded already. */
  readonly path: string
  readonly query?: Readonly<Record<string, Value | Option.Option<Value> | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

type Body = Readonly<Record<string, unknown>>

/** The daemon answered that it will not, or can not. */
export class Refused extends Data.TaggedError("Refused")<{ readonly status: number; readonly body: Body }> {
  override get message() {
    const said = ["error", "detail", "reason", "message"].flatMap((name) => {
      const text = this.body[name]
      return Predicate.isString(text) ? [text] : []
    })
    return said.length > 0 ? harmless(said.join(": ")) : `the daemon answered ${this.status}`
  }
}

/** It was not asked, or its answer can not be had. */
export class NotAnswered extends Data.TaggedError("NotAnswered")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

/** What a daemon answers, which is an object of JSON. */
export const ask = (target: Target, question: Question): Effect.Effect<Body, Refused | NotAnswered> =>
  Effect.gen(function*() {
    const { body, headers = {}, method } = question
    const request = {
      method,
      path: pathOf(question),
      headers: { ...headers, ...(body === undefined ? {} : JSON_TYPE) }
    }
    const { status, text } = yield* exchange(target, request, body === undefined ? undefined : JSON.stringify(body))
      .pipe(
        Effect.catchTags({
          Unreachable: (error) => notAsked(target, error),
          Broken: (error) => cutOff(target, error)
        })
      )
    const given = Either.getOrElse(Schema.decodeUnknownEither(AnObject)(text), () => undefined)
    if (status < 200 || status > 299) return yield* new Refused({ status, body: given ?? {} })
    return given ?? (yield* strange(target))
  })

const JSON_TYPE = { "content-type": "application/json" }
const AnObject = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const pathOf = ({ path, query = {} }: Question): string => {
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    const sent = Option.isOption(value) ? Option.getOrUndefined(value) : value
    if (sent !== undefined) given.set(name, String(sent))
  }
  return given.size === 0 ? path : `${path}?${given}`
}

const notAsked = ({ url }: Target, { problem }: Unreachable) =>
  new NotAnswered({
    why: `no daemon answers at ${url.origin} (${problem}): start one with quorate serve, or name it with --url`
  })

const cutOff = ({ url }: Target, { problem }: Broken) =>
  new NotAnswered({
    why: `the answer of ${url.origin} did not arrive (${problem}): what was asked for may have been done`
  })

const strange = ({ url }: Target) =>
  new NotAnswered({ why: `${url.origin} does not answer as Quorate does: is --url right?` })
