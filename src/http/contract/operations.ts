import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { described } from "./parts.js"

const Health = Schema.Struct({
  status: Schema.Literal("ok", "error"),
  service: Schema.Literal("ai-memory"),
  version: Schema.String,
  embedder_ready: Schema.Boolean,
  federation_enabled: Schema.Boolean
}).annotations({ identifier: "Health" })

const Live = Schema.Struct({ status: Schema.Literal("ok") }).annotations({ identifier: "Live" })

/** Whether a node is ready, and what was looked at. */
export const Ready = Schema.Struct({
  ready: Schema.Boolean,
  start: Schema.optional(Schema.String.annotations({
    description: "What this start of the node is called: by it the doctor knows the daemon that holds a database"
  })),
  checks: Schema.Record({ key: Schema.String, value: Schema.Struct({ ok: Schema.Boolean, detail: Schema.String }) })
}).annotations({ identifier: "Ready" })

export const health = HttpApiEndpoint.get("health", "/api/v1/health")
  .addSuccess(Health)
  .addError(Health.annotations({ description: "The database can not be read" }), { status: 503 })
  .annotateContext(described("Whether the node works, as the original tells it", "Needs no API key."))

export const live = HttpApiEndpoint.get("live", "/health/live")
  .addSuccess(Live)
  .annotateContext(described("Whether the process runs", "Does no I/O and needs no API key."))

export const ready = HttpApiEndpoint.get("ready", "/health/ready")
  .addSuccess(Ready)
  .addError(Ready.annotations({ description: "Not ready: draining, or a check that decides is not ok" }), {
    status: 503
  })
  .annotateContext(described(
    "Whether the node can take a write now",
    "The database takes a write and its file is in its place, the clock is sane, the first round of catch-up is over and " +
      "the node is not shutting down. Needs no API key."
  ))

const exposition = HttpApiSchema.Text({ contentType: "text/plain; version=0.0.4; charset=utf-8" })

export const metrics = HttpApiEndpoint.get("metrics", "/metrics")
  .addSuccess(exposition)
  .annotateContext(described("Metrics in the Prometheus text format", "Also at /api/v1/metrics."))

export const apiMetrics = HttpApiEndpoint.get("apiMetrics", "/api/v1/metrics")
  .addSuccess(exposition)
  .annotateContext(described("Metrics in the Prometheus text format", "The same as /metrics."))

export const operations = HttpApiGroup.make("operations")
  .add(health)
  .add(live)
  .add(ready)
  .add(metrics)
  .add(apiMetrics)
  .annotateContext(OpenApi.annotations({ title: "Operations", description: "How the node is" }))
