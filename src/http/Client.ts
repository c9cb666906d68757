import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Api } from "./contract/Api.js"

/** Where a node is, and the key it asks for. */
export interface Options {
  /** As in `http://127.0.0.1:9077`. */
  readonly baseUrl: string
  readonly apiKey?: Redacted.Redacted | undefined
}

/**
 * A typed client of a node: `client.memories.create({ payload, headers: {} })`. Fails with the errors of the contract, each
 * with a tag. Needs an `HttpClient`, as `NodeHttpClient.layerUndici`.
 */
export const make = ({ apiKey, baseUrl }: Options) =>
  HttpApiClient.make(Api, {
    baseUrl,
    transformClient: apiKey === undefined
      ? undefined
      : HttpClient.mapRequest(HttpClientRequest.setHeader("x-api-key", Redacted.value(apiKey)))
  })

export class QuorateClient extends Context.Tag("quorate/http/QuorateClient")<
  QuorateClient,
  Effect.Effect.Success<ReturnType<typeof make>>
>() {}

export const layer = (options: Options): Layer.Layer<QuorateClient, never, HttpClient.HttpClient> =>
  Layer.effect(QuorateClient, make(options))
