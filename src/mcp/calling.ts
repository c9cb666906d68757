import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type { IncomingHttpHeaders } from "node:http"
import * as Call from "../http/calls/Call.js"
import * as Claims from "../http/calls/claims.js"
import { Drain } from "../http/calls/Drain.js"
import * as Failure from "../http/calls/failure.js"
import type { Refusal } from "../http/calls/Refusal.js"
import type { Reply } from "../http/calls/Reply.js"
import type { Need } from "../http/contract/access.js"
import { AuditLog } from "../telemetry/AuditLog.js"
import * as TraceContext from "../telemetry/traceContext.js"
import * as Asked from "./asked.js"
import type { Tool } from "./tools.js"

/** How long a call may take until its caller is told that it did not end. */
const LONGEST = Duration.seconds(60)

/** What of an answer becomes that of a call. */
type Answered = Pick<Reply, "body" | "status">

/** The answer of a tool, under the key of the request that brought the call. */
export const callTool = <R>(
  tool: Tool<R>,
  headers: IncomingHttpHeaders,
  given: Readonly<Record<string, unknown>>
): Effect.Effect<Answered, never, R | Drain | AuditLog> => {
  const asked = Asked.asked(headers, { ...tool.usual, ...given })
  const incoming = Asked.incoming(asked, tool.elsewhere)
  return answered(
    headers,
    { need: tool.need, what: tool.name },
    Call.remarked(incoming, tool.readOnly ? tool.run(asked, incoming) : kept(tool.run(asked, incoming)))
  )
}

/**
 * The answer of a handler to one thing that a request asks for: if the key opens it, within the namespaces of the key. Whatever
 * it fails with is an answer, too.
 */
export const answered = <R>(
  headers: IncomingHttpHeaders,
  { need, what }: { readonly need: Need; readonly what: string },
  run: Effect.Effect<Reply, Refusal, R>
): Effect.Effect<Answered, never, R | AuditLog> =>
  Effect.zipRight(opened(headers, need, what), Call.inReach(headers, run)).pipe(
    Effect.catchAllCause((cause) => {
      const { reply, unexpected } = Failure.ofCause(cause)
      return Option.isNone(unexpected)
        ? Effect.succeed(reply)
        : Effect.as(Failure.logUnexpected(unexpected.value), reply)
    }),
    Effect.timeoutTo({ duration: LONGEST, onSuccess: (answer: Answered) => answer, onTimeout: () => tookTooLong })
  )

/** Who has a key that is not for this has tried a door: the audit log has that. */
const opened = (headers: IncomingHttpHeaders, need: Need, what: string) =>
  Effect.gen(function*() {
    const opens = Claims.opens(headers, need)
    if (Either.isRight(opens)) return
    const { message, status } = opens.left
    const payload = { reason: message, status, route: what, key: Claims.keyOf(headers) ?? "" }
    yield* (yield* AuditLog).record({ type: "access.key_refused", agentId: "", payload })
    return yield* opens.left
  })

/** A write runs to its end when its caller hangs up, and shutdown waits for it. */
const kept = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flatMap(Drain, (drain) => drain.keep(effect))

const tookTooLong: Answered = {
  status: 504,
  body: JSON.stringify({ error: `this took longer than ${Duration.toSeconds(LONGEST)} s, and may still be done` })
}

/**
 * Within a span of its own, below the one that the caller names in `_meta.traceparent`, else below that of its request. Where
 * nothing is recorded the caller's trace goes on to the peers all the same.
 */
export const inSpan = <A, E, R>(
  name: string,
  traceparent: unknown,
  attributes: Readonly<Record<string, unknown>>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const parent = typeof traceparent === "string" ? TraceContext.ofTraceparent(traceparent) : Option.none()
  const below = Option.match(parent, { onNone: () => ({}), onSome: (span) => ({ parent: span }) })
  return Effect.flatMap(FiberRef.get(FiberRef.currentTracerEnabled), (isTraced): Effect.Effect<A, E, R> =>
    isTraced
      ? Effect.useSpan(
        name,
        { kind: "server", captureStackTrace: false, attributes, ...below },
        (span) => Effect.withParentSpan(effect, span)
      )
      : Option.match(parent, { onNone: () => effect, onSome: (span) => Effect.withParentSpan(effect, span) }))
}
