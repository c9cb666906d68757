import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A span as one of the nodes made it. */
export interface Seen extends Tracer.Span {
  readonly node: string
  exit: Exit.Exit<unknown, unknown> | null
}

/** Keeps every span that any node makes, under ids as they are on the wire. */
export class Recorder {
  readonly spans: Array<Seen> = []
  private next = 0

  /** Whether new traces are kept; those that go on keep what was said of them. */
  sampled = true

  readonly tracerOf = (url: string): Tracer.Tracer =>
    Tracer.make({
      context: (run) => run(),
      span: (name, parent, context, links, startTime, kind) => {
        const attributes = new Map<string, unknown>()
        const all = [...links]
        const seen: Seen = {
          _tag: "Span",
          node: new URL(url).hostname,
          exit: null,
          name,
          parent,
          context,
          links: all,
          kind,
          attributes,
          spanId: this.id(16),
          traceId: Option.match(parent, { onNone: () => this.id(32), onSome: ({ traceId }) => traceId }),
          sampled: Option.match(parent, { onNone: () => this.sampled, onSome: ({ sampled }) => sampled }),
          status: { _tag: "Started", startTime },
          end: (_, exit) => {
            seen.exit = exit
          },
          attribute: (key, value) => {
            attributes.set(key, value)
          },
          event: () => {},
          addLinks: (more) => {
            all.push(...more)
          }
        }
        this.spans.push(seen)
        return seen
      }
    })

  /** A span of a caller from outside, under which a write is made. */
  caller(): Tracer.ExternalSpan {
    return Tracer.externalSpan({ traceId: this.id(32), spanId: this.id(16), sampled: true, context: Context.empty() })
  }

  of(traceId: string): ReadonlyArray<Seen> {
    return this.spans.filter((span) => span.traceId === traceId)
  }

  private id(length: number): string {
    return (++this.next).toString(16).padStart(length, "0")
  }
}
