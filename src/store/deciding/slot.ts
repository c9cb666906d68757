import * as Stamp from "../../domain/Stamp.js"
import type { VersionRef } from "../../replication/Operation.js"
import * as standards from "./standards.js"
import type { Held, Transaction } from "./Transaction.js"

/**
 * What stands in the way of a memory that is to have a slot (namespace, title): nothing; a memory that has expired and makes
 * room, with all that claims the slot beside it, for the write to end; or a memory that holds it.
 */
type Slot =
  | { readonly _tag: "free" }
  | { readonly _tag: "expired"; readonly holder: Held; readonly claims: ReadonlyArray<VersionRef> }
  | { readonly _tag: "held"; readonly holder: Held }

/** How the slot stands, as of this turn of the transaction. */
export const slot = (
  now: Pick<Transaction, "holder" | "claims"> & Expiring,
  namespace: string,
  title: string
): Slot => {
  const holder = now.holder(namespace, title)
  if (holder === null) return free
  return isExpired(now, holder)
    ? { _tag: "expired", holder, claims: now.claims(namespace, title) }
    : { _tag: "held", holder }
}

const free: Slot = { _tag: "free" }

/**
 * Whether a memory has expired on this node, where being recalled may have extended its life. The standard of a namespace does
 * not: nobody would be told that its policy was gone.
 */
export const isExpired = (now: Expiring, { expiresAt, memory }: Held): boolean =>
  expiresAt !== null && expiresAt <= Stamp.fromMillis(now.wallMillis) && standards.ofMemory(now, memory.id) === null

type Expiring = Pick<Transaction, "wallMillis"> & Parameters<typeof standards.ofMemory>[0]

/** What a write that takes the slot ends there: what has expired, with all that claimed it beside that. */
export const endedBy = (taken: Slot): ReadonlyArray<VersionRef> => taken._tag === "expired" ? taken.claims : []
