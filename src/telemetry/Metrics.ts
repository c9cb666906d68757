import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

/*
 * Every metric of a node. The functions below are plain and synchronous, because some run tens of thousands of times a
 * second: an update is a lookup by a constant array of labels and an addition. The registry belongs to the process: nodes
 * that share one add up in its counters, and their gauges show the latest update. A daemon is one node, so it is exact.
 * Labels come from closed sets, registered here so that zero is visible; `peer` is bounded by the configuration.
 */

/** One commit of the local group commit, however many writes it carried. */
export const commit = (facts: {
  readonly operations: number
  readonly queueSeconds: number
  readonly commitSeconds: number
  readonly queueDepth: number
}): void => {
  commitRows.unsafeUpdate(facts.operations, [])
  commitSeconds.unsafeUpdate(facts.commitSeconds, [])
  commitQueueSeconds.unsafeUpdate(facts.queueSeconds, [])
  commitQueueDepth.unsafeUpdate(facts.queueDepth, [])
}

/** A quorum write was decided. */
export const quorum = (result: "ok" | "fail"): void => quorumAcks(result)

/** A quorum write was answered without its quorum. */
export const quorumFailed = (reason: "unreachable" | "timeout" | "id_drift"): void => quorumFailures(reason)

/** A write that got its quorum was missed by a peer, before its answer or after. */
export const partialQuorum = (): void => partialQuorums.unsafeUpdate(1, [])

/** How the one retry of a failed push ended. */
export const retried = (outcome: "ok" | "fail" | "id_drift"): void => retries(outcome)

/** A send was given up after its write had been answered; catch-up delivers it. */
export const dropped = (reason: "id_drift" | "peer_fail" | "join_error" | "shutdown"): void => drops(reason)

/** This node and a peer hold the same operations, and came to different states by them. */
export const divergence = (peer: string): void => divergences(peer, 1)

/** One push request was answered, or failed. */
export const push = (operations: number, seconds: number): void => {
  pushOperations.unsafeUpdate(operations, [])
  pushSeconds.unsafeUpdate(seconds, [])
}

/** Makes the gauges of each configured peer visible before anything happened to it. */
export const registerPeers = (peers: ReadonlyArray<string>): void => {
  for (const peer of peers) {
    peerQueue(peer, 0)
    breaker(peer, false)
    lag(peer, 0)
    clockSkew(peer, 0)
    divergences(peer, 0)
  }
}

export const peerQueue = (peer: string, operations: number): void => peerQueueDepth(peer, operations)

export const breaker = (peer: string, open: boolean): void => breakerOpen(peer, open ? 1 : 0)

/** Operations that the peer is known to lack. */
export const lag = (peer: string, operations: number): void => replicationLag(peer, operations)

/** The peer's clock minus ours. */
export const clockSkew = (peer: string, seconds: number): void => clockSkewSeconds(peer, seconds)

/** Operations that peers refuse and that wait for another attempt. */
export const deadLetterDepth = (operations: number): void => deadLetters.unsafeUpdate(operations, [])

/** A peer refused so many operations that it had not refused before. */
export const quarantined = (operations: number): void => quarantines.unsafeUpdate(operations, [])

/** How another attempt to send a refused operation ended. */
export const replayed = (outcome: "delivered" | "refused" | "unreachable"): void => replays(outcome)

/** This node refused an operation that it pulled from a peer. */
export const rejected = (reason: string): void =>
  rejections(rejectionReasons.find((each) => each === reason) ?? "other")

export const write = (result: WriteResult): void => writes(result)

export const recall = (mode: RecallMode): void => recalls(mode)

/** A request was answered. `route` is the route's pattern, never the path itself. */
export const httpRequest = (route: string, status: number, seconds: number): void => {
  const labels = httpLabels(route, status)
  httpRequests.unsafeUpdate(1, labels.withStatus)
  httpRequestSeconds.unsafeUpdate(seconds, labels.route)
}

export const processSample = (facts: {
  readonly eventLoopDelaySeconds: number
  readonly residentMemoryBytes: number
}): void => {
  eventLoopDelaySeconds.unsafeUpdate(facts.eventLoopDelaySeconds, [])
  residentMemoryBytes.unsafeUpdate(facts.residentMemoryBytes, [])
}

/** What became of a client's write. */
export type WriteResult = (typeof writeResults)[number]
const writeResults = [
  "created",
  "updated",
  "deleted",
  "replayed",
  "conflict",
  "quorum_not_met",
  "local_write_failed",
  "overloaded"
] as const

export type RecallMode = (typeof recallModes)[number]
const recallModes = ["keyword", "search", "semantic", "hybrid"] as const

/** Distinct values of a label with an open set (peers, routes) at most; the rest share the value `other`. */
const MAX_LABEL_VALUES = 256

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

/** A counter with one label whose values are all known; each is registered at once. */
const counterBy = <Value extends string>(options: {
  readonly name: string
  readonly description: string
  readonly label: string
  readonly values: ReadonlyArray<Value>
}): (value: Value) => void => {
  const counter = Metric.counter(options.name, { description: options.description, incremental: true })
  const labels = new Map<Value, Labels>(
    options.values.map((value) => [value, [MetricLabel.make(options.label, value)]])
  )
  for (const each of labels.values()) counter.unsafeUpdate(0, each)
  return (value) => {
    const each = labels.get(value)
    if (each !== undefined) counter.unsafeUpdate(1, each)
  }
}

/** The constant array of labels of each value: metrics find their cell by its identity. */
const labelsOf = (label: string): (value: string) => Labels => {
  const known = new Map<string, Labels>()
  const other: Labels = [MetricLabel.make(label, "other")]
  return (value) => {
    const found = known.get(value)
    if (found !== undefined) return found
    if (known.size >= MAX_LABEL_VALUES) return other
    const labels = [MetricLabel.make(label, value)]
    known.set(value, labels)
    return labels
  }
}

const peerLabels = labelsOf("peer")

const gaugeByPeer = (name: string, description: string): (peer: string, value: number) => void => {
  const gauge = Metric.gauge(name, { description })
  return (peer, value) => gauge.unsafeUpdate(value, peerLabels(peer))
}

const counterByPeer = (name: string, description: string): (peer: string, amount: number) => void => {
  const counter = Metric.counter(name, { description, incremental: true })
  return (peer, amount) => counter.unsafeUpdate(amount, peerLabels(peer))
}

const histogram = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  Metric.histogram(name, MetricBoundaries.fromIterable(boundaries), description)

const counter = (name: string, description: string) =>
  Metric.counter(name, { description, incremental: true }).register()

const routeLabels = labelsOf("route")
const statusLabels = new Map<string, { readonly route: Labels; readonly withStatus: Labels }>()

const httpLabels = (route: string, status: number) => {
  const key = `${status} ${route}`
  const found = statusLabels.get(key)
  if (found !== undefined) return found
  const labels = routeLabels(route)
  const made = { route: labels, withStatus: [...labels, MetricLabel.make("status", String(status))] }
  if (statusLabels.size < MAX_LABEL_VALUES) statusLabels.set(key, made)
  return made
}

const SHORT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

const quorumAcks = counterBy({
  name: "replication_quorum_ack_total",
  description: "Quorum writes decided, by result",
  label: "result",
  values: ["ok", "fail"]
})
const quorumFailures = counterBy({
  name: "replication_quorum_failures_total",
  description: "Quorum writes answered without their quorum, by reason",
  label: "reason",
  values: ["unreachable", "timeout", "id_drift"]
})
const clockSkewSeconds = gaugeByPeer("replication_clock_skew_seconds", "The peer's clock minus this node's")
const replicationLag = gaugeByPeer(
  "replication_lag_operations",
  "Operations of this node that the peer is known to lack"
)

const divergences = counterByPeer(
  "replication_divergence_total",
  "Times this node and a peer were found to hold the same operations in different states"
)

const retries = counterBy({
  name: "federation_fanout_retry_total",
  description: "Retries of a failed push, by outcome",
  label: "outcome",
  values: ["ok", "fail", "id_drift"]
})
const drops = counterBy({
  name: "federation_fanout_dropped_total",
  description: "Sends given up after their write was answered and left to catch-up, by reason",
  label: "reason",
  values: ["id_drift", "peer_fail", "join_error", "shutdown"]
})
const deadLetters = Metric.gauge("federation_push_dlq_depth", {
  description: "Operations refused by a peer that wait for another attempt"
}).register()
const quarantines = counter(
  "federation_push_dlq_quarantined_total",
  "Operations that a peer refused and that were put aside"
)
const replays = counterBy({
  name: "federation_push_dlq_replayed_total",
  description: "Further attempts to send an operation that a peer had refused, by outcome",
  label: "outcome",
  values: ["delivered", "refused", "unreachable"]
})
const rejectionReasons = [
  "clock_future",
  "origin_reused",
  "not_applicable",
  "invalid",
  "malformed",
  "unsupported",
  "other"
] as const
const rejections = counterBy({
  name: "replication_rejected_total",
  description: "Operations of peers that this node refused while it caught up, by reason",
  label: "reason",
  values: rejectionReasons
})
const partialQuorums = counter(
  "federation_partial_quorum_total",
  "Times a write that got its quorum was missed by a peer"
)
const pushSeconds = histogram("federation_push_seconds", "Time until a peer answered one push", SHORT_SECONDS)
  .register()
const pushOperations = histogram("federation_push_operations", "Operations carried by one push", COUNTS).register()
const peerQueueDepth = gaugeByPeer("federation_peer_queue_depth", "Operations waiting for the peer")
const breakerOpen = gaugeByPeer("federation_breaker_open", "1 while the peer is not being tried, else 0")

const commitSeconds = histogram("sqlite_commit_seconds", "Time of one commit, its sync included", SHORT_SECONDS)
  .register()
const commitRows = histogram("sqlite_commit_rows", "Operations in one commit", COUNTS).register()
const commitQueueDepth = Metric.gauge("sqlite_commit_queue_depth", {
  description: "Writes that still waited when the latest commit took its share"
}).register()
const commitQueueSeconds = histogram(
  "sqlite_commit_queue_seconds",
  "Time the oldest write of a commit had waited for it",
  SHORT_SECONDS
).register()

const writes = counterBy({
  name: "memory_writes_total",
  description: "Writes of clients, by result",
  label: "result",
  values: writeResults
})
const recalls = counterBy({
  name: "memory_recalls_total",
  description: "Recalls and searches of clients, by mode",
  label: "mode",
  values: recallModes
})

const httpRequests = Metric.counter("http_requests_total", {
  description: "Requests answered, by route and status",
  incremental: true
})
const httpRequestSeconds = histogram("http_request_seconds", "Time to answer a request, by route", SHORT_SECONDS)

const eventLoopDelaySeconds = Metric.gauge("nodejs_eventloop_delay_seconds", {
  description: "99th percentile of the event loop's delay over the latest ten seconds"
}).register()
const residentMemoryBytes = Metric.gauge("process_resident_memory_bytes", {
  description: "Resident memory of the process"
}).register()
