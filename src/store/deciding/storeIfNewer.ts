import { hash } from "node:crypto"
import * as Hlc from "../../domain/Hlc.js"
import type { Memory } from "../../domain/Memory.js"
import type * as Stamp from "../../domain/Stamp.js"
import { mergeUpsert } from "../../domain/Upsert.js"
import * as validate from "../../domain/validate.js"
import type { Idempotency } from "../../replication/Operation.js"
import type { Batch } from "./Decision.js"
import { chainOf, liveId } from "./liveId.js"
import type { Transaction } from "./Transaction.js"

/**
 * What became of a row: it was written; what is here is as new or newer; what was here under its id was ended later; its
 * stamp is from the future.
 */
type Outcome = "written" | "older" | "ended" | "future"

/**
 * The original's insert-if-newer, for a row without an operation that keeps the rules. A memory is known by its id, or by one
 * that it took over, and then may have moved; or else by its slot. Newer is the greater `updated_at`, then the greater id. The
 * version keeps the row's own stamp, so that the original's comparison of texts still holds on the way back.
 */
export const storeIfNewer = (batch: Batch, incoming: Memory): Outcome => {
  const now = batch.now()
  const hlc = validate.canonicalStamp(incoming.updated_at)
  // As for an operation: no other node would take it.
  if (Hlc.isFuture(hlc, now.wallMillis)) return "future"
  const holder = now.holder(incoming.namespace, incoming.title)
  const known = liveId(now, incoming.id) ?? holder
  // What an original node had from here and gives back is no news, also where it has no effect here any more.
  const wasEnded = isEnded(now, incoming.id, hlc) || now.isVoidAt(incoming.id, hlc)
  // Its own id for what is here under another: what its node later says of that id is meant for this memory.
  if (known !== null && known.memory.id !== incoming.id) batch.alias(incoming.id, known.memory.id, hlc)
  if (wasEnded) return known === null ? "ended" : "older"
  const madeOf = rowOf(incoming)
  if (known === null) {
    batch.write({ hlc, madeOf, payload: { kind: "store", memory: incoming }, baseHlc: null, covers: [] })
    return "written"
  }
  if (!isNewer(incoming, known.memory)) return "older"
  const stamp = hlc > known.version.hlc ? hlc : after(hlc)
  const { namespace, title } = incoming
  batch.write({
    hlc: stamp,
    madeOf,
    payload: { kind: "store", memory: mergeUpsert({ ...known.memory, namespace, title }, incoming, stamp) },
    baseHlc: known.version.hlc,
    // Its writer had not seen another memory that holds the slot it moved to.
    covers: holder?.memory.id === known.memory.id ? now.claims(namespace, title) : [known.version]
  })
  return "written"
}

/** A row of an original node is one however many nodes hear of it: its id, its stamp, and what it says. */
const rowOf = ({ content, id, namespace, tags, title, updated_at }: Memory): Idempotency => ({
  keyHash: hash("sha256", JSON.stringify(["row", id, updated_at]), "hex"),
  requestHash: hash("sha256", JSON.stringify([namespace, title, content, tags]), "hex")
})

/** What was ended here under this id, or under those of the memories it merged into, is not brought back by an old row of it. */
const isEnded = (now: Transaction, id: string, hlc: Stamp.Stamp): boolean =>
  chainOf(now, id).some((one) => (now.endedUntil(one) ?? "") >= hlc)

/**
 * A row that merged into another memory has its stamp and content, and is sent again as often as its node is asked: that is no
 * news, whichever id is the greater.
 */
const isNewer = (incoming: Memory, known: Memory) =>
  incoming.updated_at !== known.updated_at
    ? incoming.updated_at > known.updated_at
    : incoming.id > known.id && incoming.content !== known.content

/** Each version of a memory has a stamp of its own: what wins against one of the same stamp gets the next. */
const after = (stamp: Stamp.Stamp): Stamp.Stamp => Hlc.toStamp(Hlc.tick(Hlc.fromStamp(stamp), 0))
