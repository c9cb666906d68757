import type { Origin } from "../domain/ids.js"
import { MAX_FORMER_NAMES, MAX_ID_BYTES } from "../domain/limits.js"
import { hashed, type Operation, type VersionRef } from "./Operation.js"

/*
 * An operation that was written under a name that others hold for another one is written again, under a name that nobody
 * has. It stays the same operation to its client and to the state: id, stamp, payload, what it ends, key. Beside that it
 * names what it takes the place of, so that whoever holds it under its former name lets go of that.
 */

/** The name of an operation. */
export interface Name {
  readonly origin: Origin
  readonly oseq: number
}

/** What may differ beside the name: its stamp, and what follows from that. */
type Again = Pick<Operation, "hlc" | "body" | "covers">

/**
 * The same operation under another name. The former one stands among its covers, as what no version can be called, with the
 * stamp that it had. Of too many former names the first stays, by which it is known, and the last ones, under which it may still
 * be held.
 */
export const reissued = ({ hash: _, seal: __, ...from }: Operation, name: Name, again: Again = from): Operation =>
  hashed({
    ...from,
    ...again,
    ...name,
    covers: [{ id: textOf(from), hlc: from.hlc, origin: from.origin }, ...withFewerNames(again.covers)]
  })

/** With room for one name more. */
const withFewerNames = (covers: Operation["covers"]): Operation["covers"] => {
  const names = formerNames({ covers }).length
  return names < MAX_FORMER_NAMES
    ? covers
    : [...covers.slice(0, MAX_FORMER_NAMES - 2), ...covers.slice(names - 1)]
}

/** The versions that it gave under its former names, the last one first. What ends one of them ends what it gives now. */
export interface Former {
  readonly versions: ReadonlyArray<Pick<VersionRef, "hlc" | "origin">>
  /** What they all have in common: the name that the operation had first. */
  readonly key: string
}

/** Null for what never had another name. */
export const formerOf = ({ covers }: Pick<Operation, "covers">): Former | null => {
  const names = formerNames({ covers })
  const first = names.at(-1)
  return first === undefined
    ? null
    : { versions: covers.slice(0, names.length), key: `again ${first.origin} ${first.oseq}` }
}

/** The names that an operation had before, the last one first. */
export const formerNames = (operation: Pick<Operation, "covers">): ReadonlyArray<Name> => {
  const names: Array<Name> = []
  for (const ref of operation.covers) {
    const oseq = sequenceOf(ref)
    if (oseq === null) return names
    names.push({ origin: ref.origin, oseq })
  }
  return names
}

/** What the operation ends, without its own former names. */
export const withoutNames = <A extends Pick<Operation, "covers">>(operation: A): A => {
  const names = formerNames(operation).length
  return names === 0 ? operation : { ...operation, covers: operation.covers.slice(names) }
}

/** Longer than any id of a memory, and with spaces, as no namespace is. */
const textOf = ({ origin, oseq }: Name): string => `${origin} ${String(oseq).padStart(MAX_ID_BYTES + 1)}`

const sequenceOf = ({ id, origin }: VersionRef): number | null => {
  if (!id.startsWith(`${origin} `)) return null
  const oseq = Number(id.slice(origin.length + 1))
  return Number.isSafeInteger(oseq) && oseq > 0 && id === textOf({ origin, oseq }) ? oseq : null
}
