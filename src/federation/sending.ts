import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { Operation } from "../replication/Operation.js"
import type { PeerLink } from "./link/PeerLink.js"
import { inTrace, type Written } from "./wire/PeerApi.js"
import { type Outgoing, outgoing } from "./wire/PeerClient.js"

/** The trace that a write belongs to, when it is one that is kept. */
export interface Trace {
  /** The write's fan-out in that trace. */
  readonly span: Tracer.Span
  readonly tracer: Tracer.Tracer
}

/** A write on its way to the peers. Its text is made once for all of them. */
export interface Sending {
  readonly operation: Operation
  readonly trace: Trace | null
  readonly written: Written
}

export const make = (operation: Operation, trace: Trace | null): Sending => ({
  operation,
  trace,
  written: outgoing(operation)
})

/**
 * Opens the span of a fan-out, in the trace of its caller. The fan-out itself may be shared with writes of other traces: it
 * is the same with a tracer and without.
 */
export const inFanoutSpan =
  (attributes: Record<string, unknown>) =>
  <A, E>(fanout: (trace: Trace | null) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withFiberRuntime((fiber) =>
      fiber.getFiberRef(FiberRef.currentTracerEnabled)
        ? Effect.useSpan("federation.quorumFanout", { captureStackTrace: false, attributes }, (span) =>
          Effect.flatMap(Effect.tracer, (tracer) =>
            Effect.withParentSpan(fanout(span.sampled ? { span, tracer } : null), span)))
        : fanout(null)
    )

/**
 * Sends the same to each peer, but for the trace that an operation names: each traced write has a span for each peer, which
 * the peer goes on from. Operations of one fan-out span share it.
 */
export const toEach = (
  writes: ReadonlyArray<Sending>,
  how: { readonly bulk: boolean }
): (link: PeerLink) => ReturnType<PeerLink["send"]> => {
  const shared = writes.map(({ written }) => written)
  if (writes.every(({ trace }) => trace === null)) return (link) => link.send(shared, how)
  return (link) =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const spans = new Map<Tracer.Span, Tracer.Span>()
        const items = writes.map(({ trace, written }): Outgoing => {
          if (trace === null) return written
          const span = spans.get(trace.span) ?? spanOf(trace, link, clock.unsafeCurrentTimeNanos())
          spans.set(trace.span, span)
          return { ...inTrace(written, traceparentOf(span)), span }
        })
        const end = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => {
            for (const span of spans.values()) span.end(clock.unsafeCurrentTimeNanos(), exit)
          })
        return Effect.onExit(link.send(items, how), end)
      })
    )
}

const spanOf = ({ span: parent, tracer }: Trace, { peer }: PeerLink, nanos: bigint): Tracer.Span => {
  const span = tracer.span("federation.send", Option.some(parent), Context.empty(), [], nanos, "internal")
  span.attribute("peer.id", peer.name)
  return span
}

const traceparentOf = ({ sampled, spanId, traceId }: Tracer.Span): string =>
  `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`
