import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Prng } from "./prng.js"

/** Spans that go nowhere, with ids from the seed. */
export const make = (prng: Prng): Tracer.Tracer =>
  Tracer.make({
    context: (run) => run(),
    span: (name, parent, context, links, startTime, kind) => {
      let status: Tracer.SpanStatus = { _tag: "Started", startTime }
      return {
        _tag: "Span",
        name,
        parent,
        context,
        links,
        kind,
        spanId: prng.uuid().replaceAll("-", "").slice(0, 16),
        traceId: Option.match(parent, {
          onNone: () => prng.uuid().replaceAll("-", ""),
          onSome: ({ traceId }) => traceId
        }),
        sampled: true,
        attributes: new Map(),
        get status() {
          return status
        },
        end: (endTime, exit) => {
          status = { _tag: "Ended", startTime, endTime, exit }
        },
        attribute: () => {},
        event: () => {},
        addLinks: () => {}
      }
    }
  })
