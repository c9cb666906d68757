import * as Predicate from "effect/Predicate"

/*
 * What the exporter makes of a span that failed: it calls it interrupted, and writes down where on this machine it happened.
 * Neither is for others to read.
 */

/** The traces as they go out. */
export const cleanTraces = (data: unknown): unknown => {
  if (Array.isArray(data)) return data.map(cleanTraces)
  if (!Predicate.isRecord(data)) return data
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      key === "attributes" && Array.isArray(value)
        ? value.filter((one) => !(Predicate.hasProperty(one, "key") && UNWANTED.has(String(one.key))))
        : NESTED.has(key)
        ? cleanTraces(value)
        : value
    ])
  )
}

/** Where spans and their events are. */
const NESTED: ReadonlySet<string> = new Set(["resourceSpans", "scopeSpans", "spans", "events"])

const UNWANTED: ReadonlySet<string> = new Set([
  "span.label",
  "status.interrupted",
  "exception.stacktrace",
  "code.stacktrace"
])
