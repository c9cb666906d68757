import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpServerError from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { areAsked } from "../../access/Keys.js"
import { NodeConfig } from "../../config/NodeConfig.js"
import * as Failure from "../calls/failure.js"
import { internal, invalid, malformed, methodNotAllowed, type Refused, reply, routeNotFound } from "../calls/Refusal.js"
import * as Reply from "../calls/Reply.js"
import * as Routes from "../calls/routes.js"
import { Api, documentOf } from "../contract/Api.js"
import * as documentation from "../contract/documentation.js"
import * as agents from "./agents.js"
import * as archive from "./archive.js"
import * as data from "./data.js"
import * as federation from "./federation.js"
import * as governance from "./governance.js"
import * as graph from "./graph.js"
import * as memories from "./memories.js"
import * as operations from "./operations.js"
import * as subscriptions from "./subscriptions.js"
import * as sync from "./sync.js"
import * as undo from "./undo.js"

type Request = HttpServerRequest.HttpServerRequest

/** What the platform fails with before a handler runs, and what no handler foresaw. */
const otherwise = HttpApiBuilder.middleware((app) =>
  Effect.catchAllCause(app, (cause) => {
    const failure: Option.Option<unknown> = Cause.failureOption(cause)
    if (Option.isSome(failure)) {
      if (isRouteNotFound(failure.value)) return Effect.succeed(offRoute(failure.value.request))
      if (failure.value instanceof HttpApiError.HttpApiDecodeError) {
        return Effect.succeed(Reply.toResponse(reply(undecoded(failure.value))))
      }
    }
    return Cause.isInterruptedOnly(cause)
      ? Effect.interrupt
      : Effect.as(Failure.logUnexpected(cause), Reply.toResponse(internal))
  })
)

const isRouteNotFound = (failure: unknown): failure is HttpServerError.RouteNotFound =>
  HttpServerError.isServerError(failure) && failure._tag === "RouteNotFound"

/** No handler for this path and method: the one, the other, or a parameter in the path is wrong. */
const offRoute = ({ method, url }: Request): HttpServerResponse.HttpServerResponse => {
  const route = Routes.find(Routes.pathOf(url), method)
  if (route === undefined) return Reply.toResponse(reply(routeNotFound))
  const allow = Routes.allowOf(route)
  if (method === "OPTIONS") return HttpServerResponse.empty({ status: 204, headers: { allow } })
  const refused = route.methods.includes(method) ? unreadable(route) : methodNotAllowed(allow)
  return Reply.toResponse(reply(refused))
}

/** A parameter that the router can not read: it is too long, or its escapes are wrong. */
const unreadable = ({ pattern }: Routes.Route): Refused => {
  const name = /:(\w+)/.exec(pattern)?.[1] ?? "path"
  return invalid(name, `${name} must be UTF-8, percent-encoded, and not longer than its bound`)
}

/** Of everything that the router decodes only parameters of the query can be wrong. */
const undecoded = ({ issues: [issue] }: HttpApiError.HttpApiDecodeError): Refused =>
  issue === undefined ? malformed("the request can not be read") : invalid(String(issue.path[0]), issue.message)

/** One layer for each group of the contract. */
const groups = Layer.mergeAll(
  memories.layer,
  archive.layer,
  graph.layer,
  governance.layer,
  agents.layer,
  data.layer,
  operations.layer,
  sync.layer,
  federation.layer,
  undo.layer,
  subscriptions.layer
)

/** The contract as this node shows it: of a key only where there is one. */
const shown = Layer.effect(
  HttpApi.Api,
  Effect.gen(function*() {
    const { api, context } = yield* HttpApi.Api
    const settings = yield* NodeConfig
    return { context, api: areAsked(settings) ? api : api.annotate(OpenApi.Transform, documentation.keyless) }
  })
)

/** Its document, and the page that shows it: both are made when somebody asks. */
const shows = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function*() {
    const shown = yield* HttpApi.Api
    const made = Effect.sync(() => documentOf(shown.api))
    const document = yield* Effect.cached(Effect.map(made, (document) => HttpServerResponse.unsafeJson(document)))
    // The platform keeps the first one that is made: the page by itself would make it by other rules.
    const page = Effect.zipRight(
      made,
      Effect.flatMap(Effect.promise(() => import("./docs.js")), ({ page }) => page(shown))
    )
    yield* router.get(Routes.OPENAPI_PATH, document)
    yield* router.get(Routes.DOCS_PATH, page)
  })
)

/** Every route of the contract, its document and the page that shows it. */
export const layer = Layer.suspend(() => {
  const api = HttpApiBuilder.api(Api).pipe(Layer.provide(groups))
  return Layer.mergeAll(api, shows.pipe(Layer.provide(shown), Layer.provide(api)), otherwise)
})
