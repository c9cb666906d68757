import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiError from "@effect/platform/HttpApiError"
import * as HttpApiSwagger from "@effect/platform/HttpApiSwagger"
import * as HttpServerError from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Prometheus from "../telemetry/Prometheus.js"
import * as Answer from "./answer.js"
import { Api, document } from "./Api.js"
import * as Body from "./body.js"
import { Drain } from "./Drain.js"
import * as endpoints from "./endpoints.js"
import {
  internal,
  invalid,
  malformed,
  methodNotAllowed,
  type Refusal,
  type Refused,
  reply,
  routeNotFound
} from "./errors.js"
import * as Health from "./Health.js"
import * as reads from "./reads.js"
import * as Reply from "./Reply.js"
import * as Routes from "./routes.js"
import * as sync from "./sync.js"

type Request = HttpServerRequest.HttpServerRequest

const incoming = NodeHttpServerRequest.toIncomingMessage

/** The raw parts of a request for an endpoint that wants them. */
const callOf = (request: Request, id = "") => ({ headers: incoming(request).headers, id })

const withBody = (request: Request, id = "") =>
  Effect.map(Body.readEffect(incoming(request)), (body) => ({ ...callOf(request, id), body }))

/** A whole answer of an endpoint, as the router returns it. */
const respond = <R>(reply: Effect.Effect<Reply.Reply, Refusal, R>) =>
  Answer.refusals(Effect.map(reply, Reply.toResponse))

const memories = HttpApiBuilder.group(Api, "memories", (handlers) =>
  Effect.gen(function*() {
    const { keep } = yield* Drain
    return handlers
      .handleRaw("create", ({ request }) =>
        respond(Effect.flatMap(withBody(request), (call) => keep(endpoints.create(call)))))
      .handle("list", ({ urlParams }) =>
        Answer.refusals(reads.list(urlParams)))
      .handleRaw("get", ({ path }) => respond(endpoints.get(path)))
      .handleRaw("update", ({ path, request }) =>
        respond(Effect.flatMap(withBody(request, path.id), (call) =>
          keep(endpoints.update(call)))))
      .handleRaw("remove", ({ path, request }) =>
        respond(keep(endpoints.remove(callOf(request, path.id)))))
      .handleRaw("promote", ({ path, request }) => respond(keep(endpoints.promote(callOf(request, path.id)))))
      .handle("search", ({ urlParams }) => Answer.refusals(reads.search(urlParams)))
      .handle("recallQuery", ({ urlParams }) => Answer.refusals(reads.recall(urlParams)))
      .handleRaw("recall", ({ request }) =>
        Answer.refusals(Effect.flatMap(withBody(request), ({ body, headers }) =>
          reads.recallBody(headers, body))))
      .handle("stats", () =>
        Answer.refusals(reads.stats))
      .handle("namespaces", () =>
        Answer.refusals(reads.namespaces))
  }))

const operations = HttpApiBuilder.group(Api, "operations", (handlers) =>
  handlers
    .handleRaw("health", () => respond(Health.health))
    .handleRaw("live", () => respond(Effect.succeed(Health.live)))
    .handleRaw("ready", () => respond(Health.ready))
    .handle("metrics", () => Prometheus.render)
    .handle("apiMetrics", () => Prometheus.render))

const nodes = HttpApiBuilder.group(Api, "sync", (handlers) =>
  Effect.gen(function*() {
    const { keep } = yield* Drain
    return handlers
      .handleRaw("push", ({ request }) => respond(Effect.flatMap(withBody(request), (call) => keep(sync.push(call)))))
      .handleRaw("hello", ({ request }) => respond(sync.hello(incoming(request).headers)))
      .handleRaw("since", ({ request }) => respond(sync.since(queryOf(request))))
  }))

const queryOf = ({ url }: Request) => new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "")

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
      : Effect.as(Answer.logUnexpected(cause), Reply.toResponse(internal))
  })
)

const isRouteNotFound = (failure: unknown): failure is HttpServerError.RouteNotFound =>
  HttpServerError.isServerError(failure) && failure._tag === "RouteNotFound"

/** No handler for this path and method: the one, the other, or the id in the path is wrong. */
const offRoute = ({ method, url }: Request): HttpServerResponse.HttpServerResponse => {
  const route = Routes.find(url.split("?", 1)[0] ?? "")
  if (route === undefined) return Reply.toResponse(reply(routeNotFound))
  const allow = Routes.allowOf(route)
  if (method === "OPTIONS") return HttpServerResponse.empty({ status: 204, headers: { allow } })
  const refused = route.methods.includes(method) ? unreadableId : methodNotAllowed(allow)
  return Reply.toResponse(reply(refused))
}

const unreadableId = invalid("id", "id must be 1 to 128 bytes of UTF-8, percent-encoded")

/** Of everything that the router decodes only parameters of the query can be wrong. */
const undecoded = ({ issues: [issue] }: HttpApiError.HttpApiDecodeError): Refused =>
  issue === undefined ? malformed("the request can not be read") : invalid(String(issue.path[0]), issue.message)

/** Every route of the contract, its document and the page that shows it. */
export const layer = Layer.suspend(() => {
  const specification = document()
  const api = HttpApiBuilder.api(Api).pipe(Layer.provide([memories, operations, nodes]))
  return Layer.mergeAll(
    api,
    HttpApiBuilder.Router.use((router) =>
      router.get(Routes.OPENAPI_PATH, HttpServerResponse.unsafeJson(specification))
    ),
    HttpApiSwagger.layer({ path: Routes.DOCS_PATH }).pipe(Layer.provide(api)),
    otherwise
  )
})
