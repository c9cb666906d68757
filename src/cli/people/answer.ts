import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { ask, NotAnswered, type Question, type Refused } from "../asking/ask.js"
import * as asking from "../asking/target.js"
import type { BadUsage } from "../report.js"
import { json, type NotWritten, print, type Screen, screen } from "./screen.js"

/** What every command has that asks a daemon. */
export const options = {
  ...asking.options,
  json: Options.boolean("json").pipe(Options.withDescription("The answer of the daemon as one line of JSON."))
}

interface Given extends asking.Given {
  readonly json: boolean
}

/** Asks one question, and shows its answer: as it came, or as a text. */
export const answer = <A, I>(
  given: Given,
  question: Question,
  schema: Schema.Schema<A, I>,
  show: (answer: A, screen: Screen) => string
): Effect.Effect<void, BadUsage | Refused | NotAnswered | NotWritten> =>
  Effect.gen(function*() {
    const target = yield* asking.targetOf(given)
    yield* tell(given, yield* ask(target, question), schema, show)
  })

/** Shows what was answered. */
export const tell = <A, I>(
  given: Given,
  answered: unknown,
  schema: Schema.Schema<A, I>,
  show: (answer: A, screen: Screen) => string
): Effect.Effect<void, NotAnswered | NotWritten> =>
  Effect.gen(function*() {
    if (given.json) return yield* print(json(answered))
    yield* print(show(yield* readAs(schema, answered), screen()))
  })

/** What a command needs of an answer. */
export const readAs = <A, I>(schema: Schema.Schema<A, I>, answered: unknown): Either.Either<A, NotAnswered> =>
  Either.mapLeft(
    Schema.decodeUnknownEither(schema)(answered),
    () => new NotAnswered({ why: "the answer is none of Quorate: is --url right?" })
  )
