import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** Whether a trace is recorded: by its id, and by what the caller of this node decided. */
type Sampler = (traceId: string, parent: Option.Option<Tracer.AnySpan>) => boolean

/** The samplers of the OpenTelemetry standard, by their names there. */
export const names = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio"
] as const

export const make = (name: (typeof names)[number], ratio: number): Sampler => {
  const root: Sampler = name.endsWith("always_on")
    ? () => true
    : name.endsWith("always_off")
    ? () => false
    : (traceId) => isBelow(traceId, ratio)
  return name.startsWith("parentbased_")
    ? (traceId, parent) => Option.isSome(parent) ? parent.value.sampled : root(traceId, parent)
    : root
}

/** A tracer that exports only the spans of the traces which the sampler takes; the others still carry their ids to peers. */
export const sampled = (tracer: Tracer.Tracer, sampler: Sampler): Tracer.Tracer =>
  Tracer.make({
    context: (f, fiber) => tracer.context(f, fiber),
    span: (name, parent, context, links, startTime, kind, options) => {
      const span = tracer.span(name, parent, context, links, startTime, kind, options)
      return sampler(span.traceId, parent) ? span : new UnsampledSpan(span)
    }
  })

/** The lowest 52 bits of the trace id, as a share of all: every node decides alike. */
const isBelow = (traceId: string, ratio: number) => Number.parseInt(traceId.slice(-13), 16) / 2 ** 52 < ratio

const noAttributes: ReadonlyMap<string, unknown> = new Map()

/** Has the ids of the span it stands for, records nothing, and is never exported. */
class UnsampledSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly sampled = false
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly links: ReadonlyArray<Tracer.SpanLink>
  readonly kind: Tracer.SpanKind
  readonly attributes = noAttributes
  status: Tracer.SpanStatus

  constructor(span: Tracer.Span) {
    this.name = span.name
    this.spanId = span.spanId
    this.traceId = span.traceId
    this.parent = span.parent
    this.context = span.context
    this.links = span.links
    this.kind = span.kind
    this.status = span.status
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
  }

  attribute(): void {}
  event(): void {}
  addLinks(): void {}
}
