import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { randomUUID } from "node:crypto"
import { ask, type NotAnswered, type Question, Refused } from "../asking/ask.js"
import type { Target } from "../asking/exchange.js"

/** So long a write is sent again that could not be made yet, or is not on enough nodes. */
const LONGEST = Duration.seconds(30)
const FIRST = Duration.millis(500)

/**
 * A write, sent again under one key while the node says that it may be: it is made once. What is told of it in the end is its last
 * answer.
 */
export const write = (target: Target, question: Question): Effect.Effect<
  Readonly<Record<string, unknown>>,
  Refused | NotAnswered
> => {
  const headers = { "idempotency-key": randomUUID(), ...question.headers }
  return Effect.retry(ask(target, { ...question, headers }), {
    while: (error) => error instanceof Refused && error.status === 503,
    schedule: Schedule.exponential(FIRST).pipe(Schedule.upTo(LONGEST))
  })
}
