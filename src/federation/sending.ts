import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { OpId, PeerId, PeerUrl } from "../domain/ids.js"
import type { Operation } from "../replication/Operation.js"
import { MAX_IDS, traceparentOf } from "../telemetry/traceContext.js"
import {
  fitting,
  inTrace,
  MAX_BULK_OPERATIONS,
  MAX_PUSH_OPERATIONS,
  type Outcome,
  type Outgoing,
  outgoing,
  type Peer
} from "./wire/PeerClient.js"

/** Where a write is sent: what the peer did with each operation, and a failure with that when it holds none of them. */
export interface Target {
  readonly peer: Peer
  readonly send: (
    items: ReadonlyArray<Outgoing>,
    options: How
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome>, ReadonlyArray<Outcome.Outcome>>
  /** Whether an operation that was acked under this id is still held there, by all that is known of the peer. */
  readonly holds: (operation: Operation, by: PeerId) => boolean
}

export interface How {
  readonly bulk: boolean
  /** The write can not do without the peer: one that was given up is tried whether it is back. */
  readonly wanted: boolean
  /** The peer that is to hold it first: there it goes before what others are to hold first. */
  readonly first?: PeerUrl | undefined
}

/** How some writes are sent to a peer. */
export type Send = (target: Target) => ReturnType<Target["send"]>

/** The trace that a write belongs to, when it is one that is kept. */
interface Trace {
  /** The write's fan-out in that trace; the span of its caller where nothing is recorded here. */
  readonly span: Tracer.AnySpan
  /** Null where nothing is recorded here: what a caller says of its trace is passed on as it is. */
  readonly tracer: Tracer.Tracer | null
}

/** A write on its way to the peers. Its text is made once for all of them. */
export interface Sending {
  readonly operation: Operation
  readonly trace: Trace | null
  readonly written: Outgoing
  /** Who acked it, as far as it is known; null before its first fan-out. */
  held: Acks | null
  /** The fan-out that it was in last. */
  latest: Latest | null
}

/** Who acked a write. */
export type Acks = Map<PeerUrl, Outcome.Held>

export interface Latest {
  /** Told who is found to hold it. */
  readonly listeners: ReadonlySet<(url: PeerUrl) => void>
  /** What it leaves to the next. */
  readonly handedOn: Set<Operation>
}

export const make = (operation: Operation, trace: Trace | null): Sending => ({
  operation,
  trace,
  written: outgoing(operation),
  held: null,
  latest: null
})

/** Operations of live writes that share a fan-out at most. */
export const MAX_TOGETHER = MAX_PUSH_OPERATIONS

/**
 * Opens the span of a fan-out, in the trace of its caller. The fan-out itself may be shared with writes of other
 * traces: it is the same with a tracer and without.
 */
export const inFanoutSpan =
  (attributes: Record<string, unknown>) =>
  <A, E>(fanout: (trace: Trace | null) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.withFiberRuntime((fiber) =>
      fiber.getFiberRef(FiberRef.currentTracerEnabled)
        ? Effect.useSpan("federation.quorumFanout", { captureStackTrace: false, attributes }, (span) =>
          Effect.flatMap(Effect.tracer, (tracer) =>
            Effect.withParentSpan(fanout(span.sampled ? { span, tracer } : null), span)))
        : fanout(passedOn(fiber.currentContext))
    )

/** The trace that a caller named, of a node that records none. */
const passedOn = (context: Context.Context<never>): Trace | null => {
  const parent = Option.getOrNull(Context.getOption(context, Tracer.ParentSpan))
  return parent?._tag === "ExternalSpan" ? { span: parent, tracer: null } : null
}

/**
 * Sends the same to each peer, but for the trace that an operation names: each traced write has a span for each peer,
 * which the peer goes on from. Operations of one fan-out span share it.
 */
export const toEach = (writes: ReadonlyArray<Sending>, how: How): Send => {
  const shared = writes.map(({ written }) => written)
  if (writes.every(({ trace }) => trace === null)) return (target) => target.send(shared, how)
  return (target) =>
    Effect.clockWith((clock) =>
      Effect.suspend(() => {
        const spans = new Map<Tracer.AnySpan, Tracer.Span>()
        const items = writes.map(({ operation: { opId }, trace, written }): Outgoing => {
          if (trace === null) return written
          if (trace.tracer === null) return { ...inTrace(written, traceparentOf(trace.span)), span: trace.span }
          const span = spans.get(trace.span) ??
            spanOf(trace.tracer, trace.span, target, clock.unsafeCurrentTimeNanos())
          spans.set(trace.span, span)
          noteOperation(span, opId)
          return { ...inTrace(written, traceparentOf(span)), span }
        })
        const end = (exit: Exit.Exit<unknown, unknown>) =>
          Effect.sync(() => {
            for (const span of spans.values()) span.end(clock.unsafeCurrentTimeNanos(), exit)
          })
        return Effect.onExit(target.send(items, how), end)
      })
    )
}

const spanOf = (tracer: Tracer.Tracer, parent: Tracer.AnySpan, { peer }: Target, nanos: bigint): Tracer.Span => {
  const span = tracer.span("federation.send", Option.some(parent), Context.empty(), [], nanos, "internal")
  span.attribute("peer.id", peer.name)
  return span
}

const noteOperation = (span: Tracer.Span, opId: OpId): void => {
  const noted = span.attributes.get(OP_IDS)
  const ids: ReadonlyArray<unknown> = Array.isArray(noted) ? noted : []
  if (ids.length < MAX_IDS) span.attribute(OP_IDS, [...ids, opId])
}

const OP_IDS = "quorate.op_ids"

/** In their order, each as large as one push may be. */
export const chunksOf = (sendings: ReadonlyArray<Sending>): ReadonlyArray<ReadonlyArray<Sending>> => {
  const chunks: Array<ReadonlyArray<Sending>> = []
  for (let from = 0; from < sendings.length;) {
    const next = sendings.slice(from, from + MAX_BULK_OPERATIONS)
    const chunk = next.slice(0, fitting(next.map(({ written }) => written.bytes), MAX_BULK_OPERATIONS))
    chunks.push(chunk)
    from += chunk.length
  }
  return chunks
}
