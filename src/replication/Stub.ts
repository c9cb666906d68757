import type { Kind, Payload } from "./kinds.js"
import type { Operation } from "./Operation.js"
import { withoutNames } from "./reissue.js"
import { detailOf } from "./seals.js"

/*
 * An operation that its holder may not see: its name and what proves it, and nothing of what it says. It counts as held, so that a
 * node that is limited to some namespaces has a whole vector; and gives way to the operation itself when that comes.
 */

export interface Stub extends Pick<Operation, "opId" | "origin" | "oseq" | "hlc" | "hash" | "seal"> {
  /** `detailOf` the operation: by it what the stub tells is known to be what its author signed. */
  readonly detail: string
  /** Told where it ends something that its holder may see: without that what moved out of sight would stay there for ever. */
  readonly ends: Ends | null
}

/** What an operation is about, and the versions that it ends. */
export type Ends = Pick<Operation, "kind" | "entity" | "covers">

export const of = (operation: Operation, how: { readonly tellsEnds: boolean }): Stub => {
  const { covers, entity, hash, hlc, kind, opId, origin, oseq, seal } = operation
  const ends = { kind, entity, covers }
  return {
    opId,
    origin,
    oseq,
    hlc,
    hash,
    detail: detailOf(ends),
    ends: how.tellsEnds ? ends : null,
    ...(seal === undefined ? {} : { seal })
  }
}

/** Whether what it tells is what its detail is of. */
export const isSound = ({ detail, ends }: Stub): boolean => ends === null || detailOf(ends) === detail

/** By what an operation of this kind ends what it covers, when it does nothing else; null where that ends nothing by itself. */
const endingOf = (kind: Kind): "delete" | "unlink" | "namespace_meta_clear" | null => {
  switch (kind) {
    case "store":
    case "delete":
    case "archive":
    case "restore":
    case "consolidate":
    case "decision":
      return "delete"
    case "link":
    case "unlink":
      return "unlink"
    case "namespace_meta":
    case "namespace_meta_clear":
      return "namespace_meta_clear"
    case "pending":
    case "vote":
    case "earn":
    case "quarantine":
    case "release":
    case "subscription":
    case "unsubscribe":
    case "delivery":
      return null
  }
}

/** What it does where it is held: it ends what it tells, and no more. Null where that is nothing. */
export const asEnding = (stub: Stub): { readonly operation: Operation; readonly payload: Payload } | null => {
  const { ends, hash, hlc, opId, origin, oseq } = stub
  const kind = ends === null ? null : endingOf(ends.kind)
  if (ends === null || kind === null) return null
  const { covers, entity } = withoutNames(ends)
  const head = { format: 2, opId, origin, oseq, hlc, kind, hash } as const
  return {
    operation: { ...head, entity, covers, body: null, baseHlc: null, idempotency: null },
    payload: { kind, entity }
  }
}
