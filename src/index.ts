/**
 * What other Effect programs use: a node as a layer, what it is built from, the verbs, and the parts of its quorum writes. A
 * program that only talks to nodes imports `quorate/client` instead.
 *
 * Units are in the types: a wait is a `Duration`, a moment is a stamp (RFC 3339 text, nine decimals, UTC), and a plain number has
 * its unit in its name.
 */

/** A node: `MemoryNode.layer` is one for embedding, `layerDaemon` one with its listener, `layerCore` one without defaults. */
export * as MemoryNode from "./MemoryNode.js"
/** The settings of a node. Port: `NodeConfig.NodeConfig`. */
export * as NodeConfig from "./config/NodeConfig.js"
/** What a node counts, and the registry that holds it. Port: `Metrics.Metrics`. */
export * as Metrics from "./telemetry/Metrics.js"
/** The file of a node: the connection that writes (port: `Sqlite.Sqlite`) and the one that reads (port: `SqlClient`). */
export * as Sqlite from "./store/log/Sqlite.js"
/** Where new ids come from. Port: `Uuid.Uuid`. */
export * as Uuid from "./domain/Uuid.js"
/** How peers are reached. Port: `PeerTransport.PeerTransport`. */
export * as PeerTransport from "./federation/wire/PeerTransport.js"
/** Peers over HTTP, on connections that can be provided as well: port `NodeHttpClient.Dispatcher` of `@effect/platform-node`. */
export * as HttpPeerTransport from "./federation/wire/HttpPeerTransport.js"
/** The connections that a node makes to its peers when none are provided: pooled, and over TLS. */
export * as PeerConnections from "./federation/wire/dispatcher.js"
export { PeerFailed } from "./federation/wire/Peer.js"
export type { Peer } from "./federation/wire/Peer.js"
/** Where a node with a listener is reached; port 0 in its settings takes any free one. */
export { HttpListener } from "./http/server/Server.js"

export { type AskInbox, type Inbox, inbox, type Received } from "./operations/agents/inbox.js"
export { type Message, type Notified, notify } from "./operations/agents/notify.js"
export { listAgents, registerAgent, type RegisteredAgent } from "./operations/agents/registerAgent.js"
export { type Session, type SessionRequest, startSession } from "./operations/agents/startSession.js"
export { archive, type ArchivedIds, type ArchiveRequest } from "./operations/archive/archive.js"
export {
  type Archived,
  type ArchiveStats,
  archiveStats,
  type ListArchive,
  listArchive
} from "./operations/archive/listArchive.js"
export { purgeArchive, type PurgeRequest } from "./operations/archive/purgeArchive.js"
export { restore } from "./operations/archive/restore.js"
export { approve, type Approved, reject, type Rejected, type Voted } from "./operations/governance/decide.js"
export { type ListPending, listPending } from "./operations/governance/pending.js"
export {
  clearStandard,
  type SetStandard,
  setStandard,
  type StandardCleared,
  type StandardSet
} from "./operations/governance/setStandard.js"
export {
  type Chain,
  type FoundStandard,
  type NoStandard,
  standardOf,
  standardsChain
} from "./operations/governance/standards.js"
export { entityByAlias } from "./operations/graph/entityByAlias.js"
export { type Invalidated, type KgInvalidate, kgInvalidate } from "./operations/graph/kgInvalidate.js"
export { type KgAnswer, type KgQuery, kgQuery, type Reached } from "./operations/graph/kgQuery.js"
export { type KgTimeline, kgTimeline } from "./operations/graph/kgTimeline.js"
export { type AskLineage, type Direction, type Kin, lineage } from "./operations/graph/lineage.js"
export { link, type Linked } from "./operations/graph/link.js"
export { linksOf } from "./operations/graph/linksOf.js"
export { type RegisteredEntity, registerEntity } from "./operations/graph/registerEntity.js"
export { type Unlink, unlink, type Unlinked } from "./operations/graph/unlink.js"
export { bulk, type BulkWritten, type RowError } from "./operations/memories/bulk.js"
export { collectExpired } from "./operations/memories/collectExpired.js"
export { consolidate } from "./operations/memories/consolidate.js"
export {
  type Contradicting,
  type ContradictionLink,
  contradictions,
  type ContradictionsRequest
} from "./operations/memories/contradictions.js"
export { forget, type ForgetRequest } from "./operations/memories/forget.js"
export { getMemory } from "./operations/memories/getMemory.js"
export { listConflicts } from "./operations/memories/listConflicts.js"
export { type List, listMemories } from "./operations/memories/listMemories.js"
export { promote } from "./operations/memories/promote.js"
export { remember } from "./operations/memories/remember.js"
export { remove } from "./operations/memories/remove.js"
export { type ResolveConflict, resolveConflict, type Resolved } from "./operations/memories/resolveConflict.js"
export { searchMemories, type SearchRequest } from "./operations/memories/searchMemories.js"
export { update } from "./operations/memories/update.js"
export { namespaces } from "./operations/node/namespaces.js"
export { type Readiness, readiness } from "./operations/node/readiness.js"
export { stats } from "./operations/node/stats.js"
export { type Taxonomy, taxonomy, type TaxonomyNode, type TaxonomyRequest } from "./operations/node/taxonomy.js"
export { type Budget } from "./operations/recall/budget.js"
export { Embedding } from "./operations/recall/Embedding.js"
export { recall, type Recalled, type RecallRequest, type ScoredMemory } from "./operations/recall/recall.js"
export { exportData, type Exported } from "./operations/transfer/exportData.js"
export { importData, type Imported, type ImportItem } from "./operations/transfer/importData.js"
export { type Listed, type Provenance, provenance, type ProvenanceRequest } from "./operations/undo/provenance.js"
export { quarantine, type Quarantined, type QuarantineRequest, release } from "./operations/undo/quarantine.js"
export { revert, type Reverted } from "./operations/undo/revert.js"
/** Who calls a verb, where nobody says. */
export { anonymous } from "./operations/writing/Written.js"
export type { Acknowledged, Caller, Counted, Removed, WriteError, Written } from "./operations/writing/Written.js"
/** What the verbs fail with: each error has a tag, and says in its comment what was written when it is met. */
export * as errors from "./operations/errors.js"

export { Consolidate } from "./domain/Consolidation.js"
export { CreateLink } from "./domain/CreateLink.js"
export { CreateMemory } from "./domain/CreateMemory.js"
export { RegisterEntity } from "./domain/Entity.js"
export { AgentId, MemoryId, NodeId, OpId, Origin, PeerId, PeerUrl } from "./domain/ids.js"
export { Link } from "./domain/Link.js"
export { Memory } from "./domain/Memory.js"
export { NamespaceMeta } from "./domain/NamespaceMeta.js"
export { PendingAction } from "./domain/PendingAction.js"
/** Moments as texts that sort by time: `Stamp.parse`, `Stamp.fromMillis`, `Stamp.toMillis`. */
export * as Stamp from "./domain/Stamp.js"
export { Tier } from "./domain/Tier.js"
export { UpdateMemory } from "./domain/UpdateMemory.js"
export { Invalid } from "./domain/validate.js"

/** The fan-out below every quorum write. It knows nothing of memories: targets, acks and errors are the caller's. */
export { quorumFanout, QuorumMissed } from "./federation/quorumFanout.js"
export type { QuorumFanout, Tally } from "./federation/quorumFanout.js"
/** How many nodes must hold a write (W of N), and how long its caller waits for them. */
export * as QuorumPolicy from "./replication/QuorumPolicy.js"
/** One write's way to its quorum, as a value: who holds it, and whether they are enough. */
export * as AckTracker from "./replication/AckTracker.js"
/** The mesh as a node sees it: its policy, its links, and what replicates. */
export * as Federation from "./federation/Federation.js"
/** Sends operations of the log, each kind by its own name, to every peer, and waits for their quorum. */
export * as broadcasts from "./federation/broadcasts.js"
export type { Kind } from "./replication/kinds.js"
export type { Operation } from "./replication/Operation.js"

/** The typed client of a node's HTTP contract, also as `quorate/client`. */
export * as QuorateClient from "./http/Client.js"
