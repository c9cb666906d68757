import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ask, type NotAnswered, Refused } from "../asking/ask.js"
import type { Target } from "../asking/exchange.js"
import { readAs } from "./answer.js"

const WHOLE_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/

const Found = Schema.Struct({ id: Schema.String })

/** The whole id of a memory that is named by the beginning of it, as lists show them. */
export const wholeId = (target: Target, text: string): Effect.Effect<string, Refused | NotAnswered> =>
  WHOLE_ID.test(text)
    ? Effect.succeed(text)
    : named(text, ask(target, { method: "GET", path: pathOf(text) })).pipe(
      Effect.flatMap((answered) => readAs(Found, answered)),
      Effect.map(({ id }) => id)
    )

/** Where a memory is. */
export const pathOf = (id: string): string => `/api/v1/memories/${encodeURIComponent(id)}`

/** Says which memory it is that is not there. */
export const named = <A, E, R>(id: string, asked: Effect.Effect<A, E, R>): Effect.Effect<A, E | Refused, R> =>
  Effect.mapError(asked, (error) =>
    error instanceof Refused && error.status === 404
      ? new Refused({ status: 404, body: { error: `there is no memory ${id}` } })
      : error)
