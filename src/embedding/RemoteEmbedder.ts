import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import { MAX_DIMENSIONS } from "../domain/limits.js"
import { EmbeddingFailed, type Model, sound } from "./Embedder.js"
import { post } from "./exchange.js"
import { familyOf } from "./families.js"

/** How a kind of server is asked. */
export interface Protocol {
  readonly name: string
  /** Its base URL where none is given; none where it stands nowhere in particular. */
  readonly usualUrl: string | undefined
  /** Where it is asked, of its base URL. */
  readonly urlOf: (base: string) => string
  readonly bodyOf: (asked: {
    readonly model: string
    readonly input: ReadonlyArray<string>
    /** Where somebody said how many there are to be. */
    readonly dimensions: number | undefined
  }) => Readonly<Record<string, unknown>>
  /** The vectors of an answer, in the order of the texts. */
  readonly decode: (text: string) => Effect.Effect<ReadonlyArray<ReadonlyArray<number>>, ParseResult.ParseError>
}

interface Options {
  /** Of the server, without a slash at its end. */
  readonly url: string
  readonly model: string
  readonly key: Option.Option<Redacted.Redacted>
  /** How many are asked for; unless given, those of the first answer. */
  readonly dimensions: number | undefined
}

/** Texts of one request; what is more is asked one request after the other. */
const TEXTS_A_REQUEST = 16
/** A number of JSON takes so many at most: a sign, 17 digits, a point, an exponent, and what separates it. */
const BYTES_A_NUMBER = 28
/** For what stands around the numbers. */
const SLACK_BYTES = 16 * 1024

/** A model behind HTTP, whose answers are not trusted. */
export const make = (client: HttpClient.HttpClient, protocol: Protocol, options: Options): Model => {
  const { model } = options
  const family = familyOf(model)
  let known = options.dimensions

  const some = (input: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const text = yield* post(client, {
        url: protocol.urlOf(options.url),
        key: options.key,
        body: protocol.bodyOf({ model, input, dimensions: options.dimensions }),
        maxAnswerBytes: input.length * (known ?? MAX_DIMENSIONS) * BYTES_A_NUMBER + SLACK_BYTES
      })
      const numbers = yield* Effect.mapError(protocol.decode(text), malformed)
      const dimensions = known ?? Math.min(numbers[0]?.length ?? 0, MAX_DIMENSIONS)
      const vectors = yield* sound(numbers.map((each) => Float32Array.from(each)), input.length, dimensions)
      known = dimensions
      return vectors
    })

  return {
    get id() {
      return known === undefined ? `${protocol.name}:${model}` : `${protocol.name}:${model}@${known}`
    },
    get dimensions() {
      return known ?? 0
    },
    maxTokens: family.maxTokens,
    embed: (texts, purpose) => {
      const told = texts.map((text) => family[purpose] + text)
      const requests = Array.from(
        { length: Math.ceil(told.length / TEXTS_A_REQUEST) },
        (_, at) => told.slice(at * TEXTS_A_REQUEST, (at + 1) * TEXTS_A_REQUEST)
      )
      return Effect.map(Effect.forEach(requests, some), (vectors) => vectors.flat())
    }
  }
}

/** Where in the answer the first problem is, and what. */
const malformed = (error: ParseResult.ParseError) => {
  const [first] = ParseResult.ArrayFormatter.formatErrorSync(error)
  const detail = first === undefined ? "no answer of an embedder" : [...first.path, first.message].join(" ")
  return new EmbeddingFailed({ reason: "malformed", detail: detail.replaceAll(/\s+/g, " ").slice(0, MAX_WORDS) })
}

/** Of a problem in an answer. */
const MAX_WORDS = 200
