import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { ofTraceparent } from "../../telemetry/traceContext.js"

/** What is told of an operation's trace, as W3C writes it. */
interface Traced {
  readonly traceparent: string | null
}

/**
 * The one receiving of many operations, as seen in the trace of each: a span under that of its send. Nothing is done
 * otherwise for it, and without a tracer there is none.
 */
export const inReceiveSpans = <A, E, R>(
  incoming: ReadonlyArray<Traced>,
  receiving: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    FiberRef.get(FiberRef.currentTracerEnabled),
    (isTraced) => isTraced && incoming.length > 0 ? traced(countByTrace(incoming), receiving) : receiving
  )

/** How many of them belong to each trace; those of none stand under the empty text. */
const countByTrace = (incoming: ReadonlyArray<Traced>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { traceparent } of incoming) counts.set(traceparent ?? "", (counts.get(traceparent ?? "") ?? 0) + 1)
  return counts
}

/** What all of them wait for belongs to the only span, or else to that of the request. */
const traced = <A, E, R>(counts: ReadonlyMap<string, number>, receiving: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const request = Option.getOrUndefined(yield* Effect.option(Effect.currentSpan))
    const spans = yield* Effect.forEach(counts, ([traceparent, count]) =>
      Effect.makeSpan("federation.receive", {
        captureStackTrace: false,
        attributes: { "federation.operations": count },
        ...parentOf(traceparent, request)
      }))
    const [only, ...others] = spans
    const shared = only === undefined || others.length > 0
      ? receiving
      : Effect.provideService(receiving, Tracer.ParentSpan, only)
    return yield* Effect.onExit(shared, (exit) =>
      Effect.clockWith((clock) =>
        Effect.sync(() => {
          for (const span of spans) span.end(clock.unsafeCurrentTimeNanos(), exit)
        })
      ))
  })

/** The request's own span where it belongs to the trace of the operation, else the span of the send, linked to it. */
const parentOf = (traceparent: string, request: Tracer.Span | undefined) => {
  const parent = Option.getOrUndefined(ofTraceparent(traceparent))
  if (parent === undefined || parent.traceId === request?.traceId) return {}
  return { parent, links: request === undefined ? [] : [{ _tag: "SpanLink" as const, span: request, attributes: {} }] }
}
