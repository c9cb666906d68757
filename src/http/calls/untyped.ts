import type * as memories from "../contract/memories.js"
import type * as sync from "../contract/sync.js"

/** Answers whose type nothing compares with the contract. A test reads what is sent by the contract instead. */
export type AsText =
  // A page for a peer is put together from the texts of its operations.
  | typeof sync.since
  | typeof sync.sinceVector
  // A page of a list from those of its memories.
  | typeof memories.list
