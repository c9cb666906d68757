import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import type { IncomingHttpHeaders } from "node:http"
import * as receive from "../../federation/inbound/receive.js"
import * as serveCatchup from "../../federation/inbound/serveCatchup.js"
import { Api } from "../contract/Api.js"
import * as Body from "../server/body.js"
import { Refused } from "../server/Refusal.js"
import * as Reply from "../server/Reply.js"
import * as Call from "./Call.js"

export const layer = HttpApiBuilder.group(Api, "sync", (handlers) =>
  handlers
    .handleRaw("push", ({ request }) => Call.writeBody(request, push))
    .handleRaw("hello", ({ request }) => Call.respond(hello(Call.headersOf(request))))
    .handleRaw("since", ({ request }) => Call.respond(since(Call.queryOf(request))))
    .handleRaw("digests", () => Call.respond(digests)))

/** The endpoints of other nodes. Their headers may hold anything: an original sends ids with arrows as keys. */
export const push = ({ body, headers }: Call.Call) =>
  Effect.gen(function*() {
    const value = yield* Body.parse(headers, body)
    return Reply.text(200, yield* receive.push(value, single(headers)))
  }).pipe(
    Effect.catchTag("PushRefused", ({ error, field, status }) =>
      new Refused({ status, message: error, ...(field === undefined ? {} : { field }) }))
  )

const hello = (headers: IncomingHttpHeaders) =>
  Effect.map(serveCatchup.hello(single(headers)), (answer) => Reply.json(200, serveCatchup.encodeHello(answer)))

const since = (params: URLSearchParams) => Effect.map(serveCatchup.since(params), (answer) => Reply.text(200, answer))

const digests = Effect.map(serveCatchup.digests, (answer) => Reply.text(200, answer))

/** The only header that node gives as a list is `set-cookie`, which no request has. */
const single = (headers: IncomingHttpHeaders): receive.Headers =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value])
  )
