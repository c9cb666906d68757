import * as data from "../contract/data.js"
import * as sync from "../contract/sync.js"

/*
 * The answers whose type nothing compares with the contract, all of them. A test reads what is sent by the contract instead.
 */

/** A page for a peer is put together from the texts of its operations, and what stands beside it comes as a text, too. */
export const asText = [sync.push, sync.since, sync.digests] as const
export type AsText = (typeof asText)[number]

/** Beside the JSON of an export: lines of which the contract only says that they are text. */
export const asLines = [data.exportAll] as const
export type AsLines = (typeof asLines)[number]
