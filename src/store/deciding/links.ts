import * as Either from "effect/Either"
import * as Link from "../../domain/Link.js"
import type { VersionRef } from "../../replication/Operation.js"
import type { Transaction } from "./Transaction.js"

/** A link with its live versions, the one that counts among them. */
interface Found {
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
