import * as Schema from "effect/Schema"

/*
 * Ids as types, so that one can not be taken for another. A brand says what a text stands for, not that it keeps the rules
 * for it: who brings one in from outside checks it first (`validate`, the schemas of the wire) and makes it an id then.
 */

/** A node: given by `--node-id`, or minted once and kept in its database. */
export const NodeId = Schema.String.pipe(Schema.brand("NodeId"))
export type NodeId = typeof NodeId.Type

/** Who first accepted an operation: a node in one of its incarnations, `<node id>/<incarnation>`. */
export const Origin = Schema.String.pipe(Schema.brand("Origin"))
export type Origin = typeof Origin.Type

/** An operation of the log, in answers, logs and traces of all nodes. */
export const OpId = Schema.String.pipe(Schema.brand("OpId"))
export type OpId = typeof OpId.Type

/** Where an original node is reached: it says no other name of itself. */
export const PeerUrl = Schema.String.pipe(Schema.brand("PeerUrl"))
export type PeerUrl = typeof PeerUrl.Type

/** Who a peer is: a node of ours by its id, or an original node by its address. */
export const PeerId = Schema.Union(NodeId, PeerUrl)
export type PeerId = typeof PeerId.Type

/** A memory: a UUID where it was made here, elsewhere any text that keeps the rules for ids. */
export const MemoryId = Schema.String.pipe(Schema.brand("MemoryId"))
export type MemoryId = typeof MemoryId.Type

/** Who says to be the author of something: claimed, never proved. */
export const AgentId = Schema.String.pipe(Schema.brand("AgentId"))
export type AgentId = typeof AgentId.Type
