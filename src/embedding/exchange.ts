import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { EmbeddingFailed } from "./Embedder.js"

/** One request to an embedder behind HTTP. */
interface Asked {
  readonly url: string
  readonly key: Option.Option<Redacted.Redacted>
  readonly body: Readonly<Record<string, unknown>>
  /** Of an answer so many bytes are read at most; one that has more is of no use. */
  readonly maxAnswerBytes: number
}

/** For a whole answer. A question waits much less: whoever asks it has a deadline of his own. */
const DEADLINE = Duration.seconds(30)
/** Of what a server says of a failure. */
const MAX_WORDS = 200
/** It wants to rest for longer: that is not believed. */
const MAX_RETRY_AFTER = Duration.minutes(10)
/** It is not these texts that the server does not like: it may answer them another time. */
const NOT_NOW: ReadonlySet<number> = new Set([401, 403, 404, 408, 429, 502, 503, 504])

/** The text of the answer. */
export const post = (client: HttpClient.HttpClient, asked: Asked): Effect.Effect<string, EmbeddingFailed> =>
  client.execute(requestOf(asked)).pipe(
    Effect.mapError((error) => unavailable(messageOf(error))),
    Effect.flatMap((response) =>
      Effect.flatMap(read(response, asked.maxAnswerBytes), (text) => judge(asked, response, text))
    ),
    Effect.timeoutFail({
      duration: DEADLINE,
      onTimeout: () => unavailable(`no answer within ${Duration.format(DEADLINE)}`)
    })
  )

const requestOf = ({ body, key, url }: Asked) => {
  const request = HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post(url, { acceptJson: true }), body)
  return Option.match(key, { onNone: () => request, onSome: (key) => HttpClientRequest.bearerToken(request, key) })
}

/** Not read to its end when it is longer: then its end is missing. */
const read = (response: HttpClientResponse.HttpClientResponse, maxBytes: number) =>
  Effect.suspend(() => {
    const parts: Array<Uint8Array> = []
    let bytes = 0
    return Stream.runForEachWhile(response.stream, (part) =>
      Effect.sync(() => {
        parts.push(part)
        bytes += part.length
        return bytes <= maxBytes
      })).pipe(
        Effect.mapError((error) => unavailable(messageOf(error))),
        Effect.map(() => bytes <= maxBytes ? Option.some(Buffer.concat(parts).toString("utf8")) : Option.none())
      )
  })

const judge = (
  { key, maxAnswerBytes }: Asked,
  { headers, status }: HttpClientResponse.HttpClientResponse,
  text: Option.Option<string>
): Effect.Effect<string, EmbeddingFailed> => {
  if (status === 200) {
    return Option.match(text, {
      onNone: () => new EmbeddingFailed({ reason: "malformed", detail: `more than ${maxAnswerBytes} bytes` }),
      onSome: Effect.succeed
    })
  }
  const words = wordsOf(Option.getOrElse(text, () => "a long answer"), key)
  const retryAfter = headers["retry-after"]
  return new EmbeddingFailed({
    reason: NOT_NOW.has(status) ? "unavailable" : "refused",
    detail: `${status}${words === "" ? "" : ` ${words}`}`,
    ...(/^[0-9]{1,9}$/.test(retryAfter ?? "")
      ? { retryAfterMillis: Math.min(Number(retryAfter) * 1000, Duration.toMillis(MAX_RETRY_AFTER)) }
      : {})
  })
}

/** In one line, and without the key, that a server may tell in what it does not like. */
const wordsOf = (text: string, key: Option.Option<Redacted.Redacted>): string => {
  const hidden = Option.match(key, {
    onNone: () => text,
    onSome: (key) => text.replaceAll(Redacted.value(key), "<redacted>")
  })
  return hidden.slice(0, 10 * MAX_WORDS).replaceAll(/[\s\p{C}]+/gu, " ").trim().slice(0, MAX_WORDS)
}

const unavailable = (detail: string) => new EmbeddingFailed({ reason: "unavailable", detail })

/** The innermost reason, such as `connect ECONNREFUSED 127.0.0.1:8080`. */
const messageOf = (cause: unknown): string => {
  let inner = cause
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause
  return inner instanceof Error ? inner.message : String(inner)
}
