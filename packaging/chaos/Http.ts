import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Agent } from "undici"
import { isRecord } from "../../test/mesh/Cluster.js"

/** Nothing was sent, for nobody listens; or nobody knows what became of it. */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly why: "refused" | "lost" }> {}

export interface Request {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMillis?: number
}

export interface Reply {
  readonly status: number
  readonly opId: string | null
  readonly body: Readonly<Record<string, unknown>>
}

export interface Http {
  readonly ask: (url: string, request: Request) => Effect.Effect<Reply, NoAnswer>
}

const TIMEOUT_MILLIS = 5_000

/** What clients ask with; `authority` is the certificate by which they know the nodes. */
export const make = (authority: string | undefined): Effect.Effect<Http, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Agent(authority === undefined ? {} : { connect: { ca: authority } })),
      (agent) => Effect.promise(() => agent.destroy())
    ),
    (agent) => ({ ask: (url, request) => ask(agent, url, request) })
  )

const ask = (agent: Agent, url: string, request: Request): Effect.Effect<Reply, NoAnswer> =>
  Effect.tryPromise({
    try: async (interrupted) => {
      const response = await agent.request({
        origin: url,
        path: request.path,
        method: request.method,
        headers: { ...(request.body === undefined ? {} : { "content-type": "application/json" }), ...request.headers },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: AbortSignal.any([interrupted, AbortSignal.timeout(request.timeoutMillis ?? TIMEOUT_MILLIS)])
      })
      const text = await response.body.text()
      const parsed: unknown = text.startsWith("{") ? JSON.parse(text) : { text }
      const opId = response.headers["x-op-id"]
      return {
        status: response.statusCode,
        opId: typeof opId === "string" ? opId : null,
        body: isRecord(parsed) ? parsed : {}
      }
    },
    catch: (error) => new NoAnswer({ why: isRecord(error) && error["code"] === "ECONNREFUSED" ? "refused" : "lost" })
  })
