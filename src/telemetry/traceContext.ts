import * as Headers from "@effect/platform/Headers"
import * as HttpTraceContext from "@effect/platform/HttpTraceContext"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/**
 * The trace that a caller says it is in: by `traceparent` as W3C Trace Context has it, in any version that there may come to
 * be, or by the headers of B3. Ids that are malformed, or all zero, name no trace.
 */
export const fromHeaders = (
  headers: { readonly [name: string]: string | ReadonlyArray<string> | undefined }
): Option.Option<Tracer.ExternalSpan> => {
  const given = Headers.fromInput(headers)
  const { traceparent } = given
  if (traceparent !== undefined) return ofTraceparent(traceparent)
  return Option.filter(
    Option.orElse(HttpTraceContext.b3(given), () => HttpTraceContext.xb3(given)),
    ({ spanId, traceId }) => TRACE_ID.test(traceId) && SPAN_ID.test(spanId)
  )
}

/** The same the other way: how a span is named to others. */
export const traceparentOf = ({ sampled, spanId, traceId }: Tracer.AnySpan): string =>
  `00-${traceId}-${spanId}-0${sampled ? 1 : 0}`

/** Ids of one kind in a span at most: the log has them all. */
export const MAX_IDS = 32

/** The span that a `traceparent` names. */
export const ofTraceparent = (text: string): Option.Option<Tracer.ExternalSpan> => {
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(text.trim()) ?? []
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return Option.none()
  return TRACE_ID.test(traceId) && SPAN_ID.test(spanId)
    ? Option.some(Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }))
    : Option.none()
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const TRACE_ID = /^(?!0+$)(?:[0-9a-f]{16}|[0-9a-f]{32})$/
const SPAN_ID = /^(?!0+$)[0-9a-f]{16}$/
