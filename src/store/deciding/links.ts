import * as Either from "effect/Either"
import * as Link from "../../domain/Link.js"
import type { VersionRef } from "../../replication/Operation.js"
import type { Transaction } from "../MemoryStore.js"
import { MAX_ALIAS_STEPS } from "../read/MemoryReader.js"
import type { Held } from "../state/Register.js"

/**
 * The live memory that an id stands for, as of this turn of the transaction: the visible one with exactly this id, else the
 * one that took the id over, else the shadow with exactly this id. The same rule as that of `LinkReader`.
 */
export const resolve = (now: Transaction, id: string): Held | null => {
  const held = now.byId(id)
  if (held?.visible === true) return held
  let next = now.alias(id)
  for (let step = 1; next !== null && step <= MAX_ALIAS_STEPS; step++) {
    const successor = now.byId(next)
    if (successor?.visible === true) return successor
    next = now.alias(next)
  }
  return held
}

/** A link with its live versions, the one that counts among them. */
export interface Found {
  readonly key: string
  readonly link: Link.Link
  readonly current: VersionRef
  readonly versions: ReadonlyArray<VersionRef>
}

/** The links of these keys that are there, as of this turn of the transaction. */
export const find = (now: Transaction, keys: Iterable<string>): ReadonlyArray<Found> =>
  Array.from(new Set(keys)).flatMap((key) => {
    const current = now.current("link", key)
    return current === null ? [] : [{
      key,
      link: read(current.body),
      current: current.ref,
      versions: now.versions("link", key).map(({ ref }) => ref)
    }]
  })

/** What stands in the tables was checked before it came in. */
const read = (body: string): Link.Link => Either.getOrThrow(Link.decode(JSON.parse(body)))
