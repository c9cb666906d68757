import type * as data from "../contract/data.js"
import type * as sync from "../contract/sync.js"

/*
 * Answers whose type nothing compares with the contract, all of them. A test reads what is sent by the contract instead.
 */

/** A page for a peer is one text, put together from the texts of operations; the others come from beside it. */
export type AsText = typeof sync.push | typeof sync.since | typeof sync.digests

/** Beside the JSON of an export, lines of which the contract only says that they are text. */
export type AsLines = typeof data.exportAll
