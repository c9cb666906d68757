import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { version } from "../../domain/version.js"
import { Federation } from "../../federation/Federation.js"
import { readiness } from "../../operations/node/readiness.js"
import { Embedding } from "../../operations/recall/Embedding.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import { Drain } from "../calls/Drain.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/operations.js"

export const layer = HttpApiBuilder.group(Api, "operations", (handlers) =>
  handlers
    .handleRaw(...Call.read(contract.health, () => health))
    .handleRaw(...Call.read(contract.live, () => live))
    .handleRaw(...Call.read(contract.ready, () => ready))
    .handleRaw(...Call.read(contract.metrics, () => Effect.map(metrics, (text) => answer(contract.metrics, text))))
    .handleRaw(
      ...Call.read(contract.apiMetrics, () => Effect.map(metrics, (text) => answer(contract.apiMetrics, text)))
    ))

/** What this node counted, and no other. */
const metrics = Effect.flatMap(Metrics, ({ render }) => render)

/** The original's health: its clients look for the service by the original's name. */
const health = Effect.gen(function*() {
  const { checks } = yield* readiness
  const federation = yield* Federation
  const ok = checks["database"]?.ok === true
  return answer(
    contract.health,
    {
      status: ok ? "ok" : "error",
      service: "ai-memory",
      version,
      embedder_ready: (yield* (yield* Embedding).state) === "answering",
      federation_enabled: Option.isSome(federation.policy)
    },
    {},
    ok ? 200 : 503
  )
})

/** Answers as long as the process turns its event loop. */
const live = Effect.sync(() => answer(contract.live, { status: "ok" }))

/** A node that shuts down says so before its listener is gone, so that no new work is sent to it. */
const ready = Effect.gen(function*() {
  const drain = yield* Drain
  const found = yield* readiness
  const draining = drain.isDraining()
  const shutdown = { ok: !draining, detail: draining ? "draining" : "not shutting down" }
  const ready = found.ready && !draining
  return answer(
    contract.ready,
    { ready, start: found.start, checks: { ...found.checks, shutdown } },
    {},
    ready ? 200 : 503
  )
})
