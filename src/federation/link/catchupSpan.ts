import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import type { Operation } from "../../replication/Operation.js"
import * as TraceContext from "../../telemetry/traceContext.js"
import type { RecentTraces } from "../RecentTraces.js"
import { inTrace, type Outgoing, outgoing, type Peer } from "../wire/PeerClient.js"

type Batch = ReadonlyArray<Outgoing>

/** An operation from the log, in the trace of its write as long as that is known: a peer goes on from there. */
export const fromLog = (traces: RecentTraces) => (operation: Operation): Outgoing => {
  const span = traces.of(operation.opId)
  const written = outgoing(operation)
  return span === undefined ? written : { ...inTrace(written, TraceContext.traceparentOf(span)), span }
}

/**
 * The span of a push from the log: a trace of its own, for it carries writes of many, and linked to each that is known. Without
 * a tracer there is none.
 */
export const inCatchupSpan =
  (peer: Peer) => <A, E, R>(batch: Batch, push: (batch: Batch) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(FiberRef.get(FiberRef.currentTracerEnabled), (isTraced) =>
      isTraced
        ? Effect.useSpan("federation.catchup", {
          root: true,
          captureStackTrace: false,
          attributes: {
            "peer.id": peer.name,
            "federation.operations": batch.length,
            "quorate.op_ids": batch.slice(0, TraceContext.MAX_IDS).map(({ operation: { opId } }) => opId)
          },
          links: Array.from(new Set(batch.flatMap(({ span }) => span ?? [])), (span) => ({
            _tag: "SpanLink" as const,
            span,
            attributes: {}
          }))
        }, (span) => push(batch.map((item) => ({ ...item, span }))))
        : push(batch))
