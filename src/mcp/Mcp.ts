import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import type { IncomingMessage } from "node:http"
import { type McpProfile, NodeConfig } from "../config/NodeConfig.js"
import * as Body from "../http/calls/body.js"
import { Budgets } from "../http/calls/Budget.js"
import type { Drain } from "../http/calls/Drain.js"
import * as Failure from "../http/calls/failure.js"
import { overloaded, type Refused } from "../http/calls/Refusal.js"
import * as Reply from "../http/calls/Reply.js"
import { MCP_PATH } from "../http/calls/routes.js"
import type { AuditLog } from "../telemetry/AuditLog.js"
import * as Calling from "./calling.js"
import * as Outcome from "./outcome.js"
import * as Prompts from "./prompts.js"
import type { Asking } from "./protocol.js"
import * as Resources from "./resources.js"
import * as Tools from "./tools.js"

type Requires = Tools.Requires | Drain | AuditLog | Budgets

/** The route of the Model Context Protocol: what its clients ask for is answered by the handlers of the contract. */
export const layer = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function*() {
    const services = yield* Effect.context<Requires>()
    const { mcpProfile } = yield* NodeConfig
    // Whoever asks first and hangs up must not end what others wait for.
    const protocol = yield* Effect.cached(Effect.uninterruptible(loaded))
    yield* router.post(MCP_PATH, Effect.provide(serve(protocol, mcpProfile), services))
  })
)

/** With the first request: nobody waits for it who does not need it. */
const loaded = Effect.gen(function*() {
  const protocol = yield* Effect.promise(() => import("./protocol.js"))
  const fork = Runtime.runFork(yield* Effect.runtime())
  const asked = new WeakMap<Request, Asking>()
  const handler = protocol.handler(({ requestInfo }) => {
    const asking = requestInfo === undefined ? undefined : asked.get(requestInfo)
    if (asking === undefined) throw new Error("a request that nobody sent")
    return protocol.serverOf(asking)
  }, { onError: (error) => fork(Effect.logDebug(`mcp: ${error.message}`)) })
  return (request: Request, message: object, asking: Asking) => {
    asked.set(request, asking)
    return handler.fetch(request, { parsedBody: message })
  }
})

type Exchange = Effect.Effect.Success<typeof loaded>

const serve = (protocol: Effect.Effect<Exchange>, usual: McpProfile) =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const message = NodeHttpServerRequest.toIncomingMessage(request)
    const body = yield* Body.readEffect(message)
    const parsed = yield* Body.parse(message.headers, body)
    if (!Predicate.isRecord(parsed)) return notOne
    // Of changes there are none to hear of, and a stream of them would never end.
    if (parsed["method"] === "subscriptions/listen") return unheard(parsed["id"])
    const asking = askingOf(message, profileOf(request.url, usual), yield* Effect.runtime<Requires>())
    const exchange = yield* protocol
    const response = yield* Effect.promise((signal) => exchange(asWeb(message, signal), parsed, asking))
    const text = yield* Effect.promise(() => response.text())
    const { answers } = yield* Budgets
    if (!answers.take(Buffer.byteLength(text), NodeHttpServerRequest.toServerResponse(request))) {
      return Reply.toResponse(overloaded)
    }
    return HttpServerResponse.text(text, { status: response.status, headers: headersOf(response) })
  }).pipe(
    Effect.catchAll((refused) => Effect.succeed(unreadable(refused))),
    Failure.refusals
  )

const headersOf = ({ headers }: Response): Record<string, string> =>
  Object.fromEntries(Array.from(headers).filter(([name]) => name !== "content-length"))

const profileOf = (url: string, usual: McpProfile): McpProfile => {
  const [, query = ""] = url.split("?", 2)
  const asked = new URLSearchParams(query).get("profile")
  return asked === "core" || asked === "full" ? asked : usual
}

/** The request as the package takes it, whose body is read already. */
export const asWeb = (
  { headers, method = "POST" }: Pick<IncomingMessage, "headers" | "method">,
  signal: AbortSignal
): Request => {
  const given = Object.entries(headers).flatMap(([name, value]) =>
    SECRET.has(name) || value === undefined ? [] : [[name, String(value)] satisfies [string, string]]
  )
  return new Request(`http://localhost${MCP_PATH}`, { method, headers: given, signal })
}

/** What is no business of the package. */
const SECRET: ReadonlySet<string> = new Set([
  "authorization",
  "x-api-key",
  "cookie",
  "content-length",
  "transfer-encoding"
])

const askingOf = ({ headers }: IncomingMessage, profile: McpProfile, runtime: Runtime.Runtime<Requires>): Asking => {
  const runPromiseExit = Runtime.runPromiseExit(runtime)
  const run = async <A>(effect: Effect.Effect<A, never, Requires>, signal: AbortSignal): Promise<A> => {
    const exit = await runPromiseExit(effect, { signal })
    if (Exit.isSuccess(exit)) return exit.value
    throw new Error("the call was interrupted")
  }
  const tools = Tools.ofProfile[profile]
  return {
    tools,
    call: (tool, given, meta, signal) =>
      run(
        Calling.inSpan(
          `tools/call ${tool.name}`,
          meta?.["traceparent"],
          { "mcp.method.name": "tools/call", "gen_ai.tool.name": tool.name, "gen_ai.operation.name": "execute_tool" },
          Calling.callTool(tool, headers, given)
        ).pipe(Effect.map((answer) => Outcome.ofReply(tool, answer))),
        signal
      ),
    resources: (cursor, signal) => run(Resources.list(headers, cursor), signal),
    read: (uri, meta, signal) =>
      run(
        Calling.inSpan(
          "resources/read",
          meta?.["traceparent"],
          { "mcp.method.name": "resources/read" },
          Effect.map(Resources.read(headers, uri), Option.map(Resources.textOf))
        ),
        signal
      ),
    complete: (asked, signal) => run(Resources.complete(headers, asked), signal),
    prompt: (name, given, signal) => run(Prompts.textOf(headers, name, given), signal)
  }
}

const INVALID_REQUEST = -32600
const PARSE_ERROR = -32700
const METHOD_NOT_FOUND = -32601

const errorOf = (status: number, code: number, message: string, id: unknown = null) =>
  HttpServerResponse.unsafeJson({ jsonrpc: "2.0", id, error: { code, message } }, { status })

const notOne = errorOf(400, INVALID_REQUEST, "the body must be one message of JSON-RPC; batches are not taken")

const unheard = (id: unknown) =>
  errorOf(
    404,
    METHOD_NOT_FOUND,
    "this server announces no changes: ask again when you need to know",
    Predicate.isString(id) || Predicate.isNumber(id) ? id : null
  )

const unreadable = ({ message, status }: Refused) =>
  errorOf(status, status === 400 ? PARSE_ERROR : INVALID_REQUEST, message)
