import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MetricBoundaries from "effect/MetricBoundaries"
import type * as MetricPair from "effect/MetricPair"
import * as MetricRegistry from "effect/MetricRegistry"
import { AUDIT_EVENT_TYPES, type AuditEventType } from "../domain/AuditEvent.js"
import { type MissedReason, REASONS } from "../domain/PeerOutcome.js"
import { globalRegistry } from "./globalRegistry.js"
import * as Prometheus from "./Prometheus.js"
import * as Series from "./series.js"

/**
 * Every metric of one node, in a registry of its own: two nodes in one process count apart. The updates are plain and
 * synchronous, because some run tens of thousands of times a second. Labels come from closed sets, registered at once so that
 * zero is visible; `peer` is bounded by the configuration.
 */
export class Metrics extends Context.Tag("quorate/telemetry/Metrics")<Metrics, {
  /** One commit of the local group commit, however many writes it carried. */
  readonly commit: (facts: {
    readonly operations: number
    readonly queueSeconds: number
    readonly commitSeconds: number
    readonly queueDepth: number
  }) => void

  /** The file of the database is damaged or lost, or is not any more. */
  readonly fileUnusable: (unusable: boolean) => void

  /** The standing check has gone through so many rows more. */
  readonly checkedRows: (rows: number) => void
  /** It has gone through everything. */
  readonly checkRound: () => void
  /** What is wrong in a table, as far as it knows. */
  readonly checkFaults: (table: string, faults: number) => void
  /** So many rows are not in the index of words yet. */
  readonly reindexing: (left: number) => void

  /** A quorum write was decided. */
  readonly quorum: (result: "ok" | "fail") => void
  /** A quorum write was answered without its quorum. */
  readonly quorumFailed: (reason: MissedReason) => void
  /** A write that got its quorum was missed by a peer, before its answer or after. */
  readonly partialQuorum: () => void
  /** How the one retry of a failed push ended. */
  readonly retried: (outcome: "ok" | "fail" | "id_drift") => void
  /** A send was given up after its write had been answered; catch-up delivers it. */
  readonly dropped: (reason: "id_drift" | "peer_fail" | "join_error" | "shutdown") => void

  /** One push request was answered, or failed. */
  readonly push: (operations: number, seconds: number) => void
  /** Makes the series of each configured peer visible before anything happened to it. */
  readonly registerPeers: (peers: ReadonlyArray<string>) => void
  readonly peerQueue: (peer: string, operations: number) => void
  readonly breaker: (peer: string, open: boolean) => void
  /** Operations that the peer is known to lack. */
  readonly lag: (peer: string, operations: number) => void
  /** The peer's clock minus ours. */
  readonly clockSkew: (peer: string, seconds: number) => void
  /** This node and a peer hold the same operations, and came to different states by them. */
  readonly divergence: (peer: string) => void
  /** Another operation was found under the name of one of this node's own. */
  readonly originReused: () => void
  /** A lane to the peer hung or stopped, and its link was begun anew. */
  readonly linkRestarted: (peer: string) => void
  /** Two nodes were found to run under one id. */
  readonly doubleFound: () => void

  /** Operations that peers refuse and that wait for another attempt. */
  readonly deadLetterDepth: (operations: number) => void
  /** A peer refused so many operations that it had not refused before. */
  readonly quarantined: (operations: number) => void
  /** How another attempt to send a refused operation ended. */
  readonly replayed: (outcome: "delivered" | "refused" | "unreachable") => void
  /** Peers brought so many operations or items that touch namespaces which they may not. */
  readonly notAllowed: (count: number) => void
  /** This node refused an operation that it pulled from a peer. */
  readonly rejected: (reason: string) => void
  /** An operation was refused because it is not by its seal its author's: `unsealed`, `forged` or `revoked`. */
  readonly unauthored: (reason: string) => void

  /** A receiver of a webhook took an event; or did not at any attempt. */
  readonly webhookDispatched: () => void
  readonly webhookFailed: () => void
  /** Subscriptions that stand. */
  readonly subscriptions: (count: number) => void
  /** Events that receivers did not take from this node; and those that wait because there are too many of them. */
  readonly deadEvents: (count: number) => void
  readonly deadEventsOverflowed: () => void

  readonly write: (result: WriteResult) => void
  readonly recall: (mode: RecallMode) => void
  /** So many memories were embedded, passed over, given or taken with their vectors, or so many attempts failed. */
  readonly embedding: (outcome: EmbeddingOutcome, count: number) => void
  /** Memories without vectors of this node's model. */
  readonly embeddingLag: (memories: number) => void
  /** A request was answered. `route` is the route's pattern, never the path itself. */
  readonly httpRequest: (route: string, status: number, seconds: number) => void
  /** How long the certificate of a listener is good; below 0 when it has ended. */
  readonly certificate: (listener: string, seconds: number) => void
  /** A connection was cut for what is wrong with its certificate. */
  readonly certificateRefused: (reason: string) => void
  /** A message of a node was judged: `signed`, `unsigned`, or why it was refused. */
  readonly peerMessage: (outcome: string) => void
  /** Something happened that the audit log has. */
  readonly auditEvent: (type: AuditEventType) => void
  /** The sequence of its latest row. */
  readonly auditSequence: (sequence: number) => void
  /** So many rows had no room to wait for the disk. */
  readonly auditLost: (rows: number) => void
  /** Whether a message of a node came with a credential, and whether one that was looked at says whose key it is. */
  readonly credentialShown: (isThere: boolean) => void
  readonly credentialVerified: (isGood: boolean) => void
  /** Of the credential that this node shows: its age, and how long ago it was read from its file. */
  readonly credential: (facts: { readonly ageSeconds: number; readonly lagSeconds: number }) => void
  /** Keys of nodes that are known here to be revoked. */
  readonly revokedKeys: (keys: number) => void
  /** There were as many connections as this node takes. */
  readonly connectionRefused: () => void
  /** Clients did not read their answers. */
  readonly connectionsCut: (connections: number) => void
  readonly processSample: (facts: {
    readonly eventLoopDelaySeconds: number
    readonly residentMemoryBytes: number
  }) => void

  /** What the registry holds now. */
  readonly snapshot: () => ReadonlyArray<MetricPair.MetricPair.Untyped>
  /** The same in the Prometheus text format 0.0.4, as `/metrics` answers it. */
  readonly render: Effect.Effect<string>
}>() {}

/** The metrics of a node in a registry of its caller's. Of two that share one, counters add up and the latest gauge shows. */
export const make = (registry: MetricRegistry.MetricRegistry): Metrics["Type"] => {
  const series = Series.make(registry)
  return {
    ...ofCommits(series),
    ...ofChecks(series),
    ...ofQuorums(series),
    ...ofPeers(series),
    ...ofRefusals(series),
    ...ofVerbs(series),
    ...ofEmbedding(series),
    ...ofRequests(series),
    ...ofAudit(series),
    ...ofTrust(series),
    ...ofWebhooks(series),
    ...ofProcess(series),
    snapshot: () => registry.snapshot(),
    render: Effect.sync(() => Prometheus.encode(registry.snapshot()))
  }
}

/** In a registry of the caller's. */
export const layerOf = (registry: MetricRegistry.MetricRegistry): Layer.Layer<Metrics> =>
  Layer.sync(Metrics, () => make(registry))

/** In a registry of its own, a new one for each build. */
export const layer: Layer.Layer<Metrics> = Layer.sync(Metrics, () => make(MetricRegistry.make()))

/** In Effect's registry of the process: for a program of one node, whose exporter reads that one. */
export const layerGlobal: Layer.Layer<Metrics> = layerOf(globalRegistry)

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

type Part<Name extends keyof Metrics["Type"]> = Pick<Metrics["Type"], Name>

// Made once: a registry tells histograms of one name apart by the identity of their boundaries.
const SHORT_SECONDS = MetricBoundaries.fromIterable(
  [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
)
const COUNTS = MetricBoundaries.fromIterable([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])

const ofCommits = ({ gauge, histogram }: Series.Series): Part<"commit" | "fileUnusable"> => {
  const seconds = histogram("sqlite_commit_seconds", "Time of one commit, its sync included", SHORT_SECONDS)
  const rows = histogram("sqlite_commit_rows", "Operations in one commit", COUNTS)
  const queueDepth = gauge(
    "sqlite_commit_queue_depth",
    "Writes that still waited when the latest commit took its share"
  )
  const queueSeconds = histogram(
    "sqlite_commit_queue_seconds",
    "Time the oldest write of a commit had waited for it",
    SHORT_SECONDS
  )
  const unusable = gauge(
    "sqlite_file_unusable",
    "1 when the file of the database was found damaged, removed or replaced, else 0"
  )
  unusable(0)
  return {
    fileUnusable: (isUnusable) => unusable(isUnusable ? 1 : 0),
    commit: (facts) => {
      rows(facts.operations)
      seconds(facts.commitSeconds)
      queueSeconds(facts.queueSeconds)
      queueDepth(facts.queueDepth)
    }
  }
}

const ofChecks = ({ counter, gauge, gaugeOf }: Series.Series): Part<
  "checkedRows" | "checkRound" | "checkFaults" | "reindexing"
> => {
  const rounds = counter("store_check_rounds_total", "Times that the standing check has gone through everything")
  const faults = gaugeOf("table", "store_check_faults", "Rows that the standing check found not to be as the log says")
  return {
    checkedRows: counter("store_checked_rows_total", "Rows that the standing check has gone through"),
    checkRound: () => rounds(1),
    checkFaults: (table, count) => faults(table)(count),
    reindexing: gauge("store_reindexing_rows", "Rows of a database of before that are not in the index of words yet")
  }
}

const ofQuorums = ({ counter, counterBy }: Series.Series): Part<
  "quorum" | "quorumFailed" | "partialQuorum" | "originReused" | "retried" | "dropped"
> => {
  const reusedOrigins = counter(
    "replication_origin_reused_total",
    "Times another operation was found under the name of one of this node's own"
  )
  const partialQuorums = counter(
    "federation_partial_quorum_total",
    "Times a write that got its quorum was missed by a peer"
  )
  return {
    quorum: counterBy({
      name: "replication_quorum_ack_total",
      description: "Quorum writes decided, by result",
      label: "result",
      values: ["ok", "fail"]
    }),
    quorumFailed: counterBy({
      name: "replication_quorum_failures_total",
      description: "Quorum writes answered without their quorum, by reason",
      label: "reason",
      values: REASONS
    }),
    partialQuorum: () => partialQuorums(1),
    originReused: () => reusedOrigins(1),
    retried: counterBy({
      name: "federation_fanout_retry_total",
      description: "Retries of a failed push, by outcome",
      label: "outcome",
      values: ["ok", "fail", "id_drift"]
    }),
    dropped: counterBy({
      name: "federation_fanout_dropped_total",
      description: "Sends given up after their write was answered and left to catch-up, by reason",
      label: "reason",
      values: ["id_drift", "peer_fail", "join_error", "shutdown"]
    })
  }
}

const ofPeers = ({ counter, counterOf, gaugeOf, histogram }: Series.Series): Part<
  | "push"
  | "registerPeers"
  | "peerQueue"
  | "breaker"
  | "lag"
  | "clockSkew"
  | "divergence"
  | "linkRestarted"
  | "doubleFound"
> => {
  const pushSeconds = histogram("federation_push_seconds", "Time until a peer answered one push", SHORT_SECONDS)
  const pushOperations = histogram("federation_push_operations", "Operations carried by one push", COUNTS)
  const queueDepth = gaugeOf("peer", "federation_peer_queue_depth", "Operations waiting for the peer")
  const breakerOpen = gaugeOf("peer", "federation_breaker_open", "1 while the peer is not being tried, else 0")
  const lag = gaugeOf(
    "peer",
    "replication_lag_operations",
    "Operations of this node that the peer is known to lack"
  )
  const skewSeconds = gaugeOf("peer", "replication_clock_skew_seconds", "The peer's clock minus this node's")
  const divergences = counterOf(
    "peer",
    "replication_divergence_total",
    "Times this node and a peer were found to hold the same operations in different states"
  )
  const doubles = counter("federation_double_node_total", "Times two nodes were found to run under one id")
  const restarts = counterOf(
    "peer",
    "federation_link_restarts_total",
    "Times a lane to the peer hung or stopped, and its link was begun anew"
  )
  return {
    push: (operations, seconds) => {
      pushOperations(operations)
      pushSeconds(seconds)
    },
    registerPeers: (peers) => {
      for (const peer of peers) {
        for (const gauge of [queueDepth, breakerOpen, lag, skewSeconds]) gauge(peer)(0)
        divergences(peer)(0)
        restarts(peer)(0)
      }
    },
    peerQueue: (peer, operations) => queueDepth(peer)(operations),
    breaker: (peer, open) => breakerOpen(peer)(open ? 1 : 0),
    lag: (peer, operations) => lag(peer)(operations),
    clockSkew: (peer, seconds) => skewSeconds(peer)(seconds),
    divergence: (peer) => divergences(peer)(1),
    linkRestarted: (peer) => restarts(peer)(1),
    doubleFound: () => doubles(1)
  }
}

const authorshipReasons = ["unsealed", "forged", "revoked"] as const

const rejectionReasons = [
  ...authorshipReasons,
  "clock_future",
  "origin_reused",
  "not_allowed",
  "not_applicable",
  "invalid",
  "malformed",
  "unsupported",
  "other"
] as const

const ofRefusals = ({ counter, counterBy, gauge }: Series.Series): Part<
  "deadLetterDepth" | "quarantined" | "replayed" | "rejected" | "unauthored" | "notAllowed"
> => {
  const rejections = counterBy({
    name: "replication_rejected_total",
    description: "Operations of peers that this node refused while it caught up, by reason",
    label: "reason",
    values: rejectionReasons
  })
  const unauthored = counterBy({
    name: "replication_unauthored_total",
    description: "Operations of peers that this node refused as not their author's by their seals, by reason",
    label: "reason",
    values: authorshipReasons
  })
  return {
    notAllowed: counter(
      "federation_not_allowed_total",
      "Operations and items of peers that touch a namespace which the peer may not touch, and were refused"
    ),
    deadLetterDepth: gauge(
      "federation_push_dlq_depth",
      "Operations refused by a peer that wait for another attempt"
    ),
    quarantined: counter(
      "federation_push_dlq_quarantined_total",
      "Operations that a peer refused and that were put aside"
    ),
    replayed: counterBy({
      name: "federation_push_dlq_replayed_total",
      description: "Further attempts to send an operation that a peer had refused, by outcome",
      label: "outcome",
      values: ["delivered", "refused", "unreachable"]
    }),
    rejected: (reason) => rejections(rejectionReasons.find((each) => each === reason) ?? "other"),
    unauthored: (reason) => unauthored(authorshipReasons.find((each) => each === reason) ?? "forged")
  }
}

const ofVerbs = ({ counterBy }: Series.Series): Part<"write" | "recall"> => ({
  write: counterBy({
    name: "memory_writes_total",
    description: "Writes of clients, by result",
    label: "result",
    values: writeResults
  }),
  recall: counterBy({
    name: "memory_recalls_total",
    description: "Recalls and searches of clients, by mode",
    label: "mode",
    values: recallModes
  })
})

type EmbeddingOutcome = (typeof embeddingOutcomes)[number]
const embeddingOutcomes = ["embedded", "for_others", "received", "served", "passed_over", "failed"] as const

const ofEmbedding = ({ counterOf, gauge }: Series.Series): Part<"embedding" | "embeddingLag"> => {
  const embeddings = counterOf(
    "outcome",
    "memory_embeddings_total",
    "Memories embedded, passed over, or sent between nodes with their vectors, and attempts that failed, by outcome"
  )
  for (const outcome of embeddingOutcomes) embeddings(outcome)(0)
  const lag = gauge("memory_embedding_lag", "Memories without vectors of this node's model")
  lag(0)
  return { embedding: (outcome, count) => embeddings(outcome)(count), embeddingLag: lag }
}

const ofRequests = ({ counter, counterOf, counterOfBoth, gaugeOf, histogramOf }: Series.Series): Part<
  "httpRequest" | "connectionRefused" | "connectionsCut" | "peerMessage" | "certificate" | "certificateRefused"
> => {
  const refused = counter("http_connections_refused_total", "Connections closed at once: too many were open")
  const requests = counterOfBoth(
    "route",
    "status",
    "http_requests_total",
    "Requests answered, by route and status"
  )
  const messages = counterOf(
    "outcome",
    "federation_messages_total",
    "Messages of nodes, by what their signature came to"
  )
  const certificates = gaugeOf("listener", "tls_certificate_expiry_seconds", "Time until the certificate ends")
  const certificatesRefused = counterOf(
    "reason",
    "tls_certificates_refused_total",
    "Connections cut for the certificate of the client"
  )
  certificatesRefused("no_certificate")(0)
  const seconds = histogramOf("route", "http_request_seconds", "Time to answer a request, by route", SHORT_SECONDS)
  return {
    httpRequest: (route, status, elapsed) => {
      requests(route, status)(1)
      seconds(route)(elapsed)
    },
    certificate: (listener, left) => certificates(listener)(left),
    certificateRefused: (reason) => certificatesRefused(reason)(1),
    peerMessage: (outcome) => messages(outcome)(1),
    connectionRefused: () => refused(1),
    connectionsCut: counter("http_connections_cut_total", "Connections cut because the client did not read its answer")
  }
}

const ofAudit = ({ counter, counterBy, gauge }: Series.Series): Part<"auditEvent" | "auditSequence" | "auditLost"> => ({
  auditEvent: counterBy({
    name: "audit_events_total",
    description: "What happened that concerns security, by type",
    label: "type",
    values: AUDIT_EVENT_TYPES
  }),
  auditSequence: gauge("audit_sequence", "The number of the latest row of the audit log"),
  auditLost: counter("audit_lost_total", "Rows of the audit log that were lost, because the disk did not take them")
})

/** By the names of the original, but for the depth. */
const ofWebhooks = ({ counter, gauge }: Series.Series): Part<
  "webhookDispatched" | "webhookFailed" | "subscriptions" | "deadEvents" | "deadEventsOverflowed"
> => {
  const dispatched = counter("webhook_dispatched_total", "Events that receivers of webhooks took from this node")
  const failed = counter("webhook_failed_total", "Events that a receiver did not take at any of four attempts")
  const overflowed = counter(
    "subscription_dlq_overflow_total",
    "Times that an event waited because its subscription had as many dead letters as there may be"
  )
  return {
    webhookDispatched: () => dispatched(1),
    webhookFailed: () => failed(1),
    subscriptions: gauge("subscriptions_active", "Subscriptions that stand"),
    deadEvents: gauge("subscription_dlq_depth", "Events that receivers did not take from this node"),
    deadEventsOverflowed: () => overflowed(1)
  }
}

/** By the names of the original, but for the last. */
const ofTrust = ({ counterBy, gauge }: Series.Series): Part<
  "credentialShown" | "credentialVerified" | "credential" | "revokedKeys"
> => {
  const shown = counterBy({
    name: "federation_inbound_cred_total",
    description: "Messages of nodes, by whether a credential came with them",
    label: "presence",
    values: ["signed", "unsigned"]
  })
  const verified = counterBy({
    name: "federation_cred_verify_total",
    description: "Credentials of other nodes that were looked at",
    label: "result",
    values: ["ok", "fail"]
  })
  const age = gauge("federation_cred_max_age_seconds", "Age of the credential that this node shows")
  const lag = gauge("federation_renewal_lag_seconds", "Time since that credential was read from its file")
  return {
    credentialShown: (isThere) => shown(isThere ? "signed" : "unsigned"),
    credentialVerified: (isGood) => verified(isGood ? "ok" : "fail"),
    credential: ({ ageSeconds, lagSeconds }) => {
      age(ageSeconds)
      lag(lagSeconds)
    },
    revokedKeys: gauge("federation_revoked_keys", "Keys of nodes that are known to be revoked")
  }
}

const ofProcess = ({ gauge }: Series.Series): Part<"processSample"> => {
  const delaySeconds = gauge(
    "nodejs_eventloop_delay_seconds",
    "99th percentile of the event loop's delay over the latest ten seconds"
  )
  const residentBytes = gauge("process_resident_memory_bytes", "Resident memory of the process")
  return {
    processSample: ({ eventLoopDelaySeconds, residentMemoryBytes }) => {
      delaySeconds(eventLoopDelaySeconds)
      residentBytes(residentMemoryBytes)
    }
  }
}
