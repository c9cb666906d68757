import type Database from "better-sqlite3"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Authors } from "../../access/Authors.js"
import { type NodeId, Origin } from "../../domain/ids.js"
import type { Operation } from "../../replication/Operation.js"
import * as OperationSet from "../../replication/OperationSet.js"
import type { Name } from "../../replication/reissue.js"
import * as seals from "../../replication/seals.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { many, run } from "./statements.js"

/** Which operations have a seal that counts, and by which key: an origin has one. Saved and restored with the log. */
export interface Sealed {
  readonly held: OperationSet.OperationSet
  /** 64 hex digits each. */
  readonly keys: ReadonlyMap<Origin, string>
}

/** The seals beside the log, inside the committer's transaction. */
interface Seals {
  /** Seals operations that this node has just written; null where it has no key. */
  readonly sealOwn: (sealed: Sealed, operations: ReadonlyArray<Operation>) => Sealed | null
  /** Keeps the seal that an operation came with; the same where it is not better than what is there. */
  readonly keep: (sealed: Sealed, operation: Pick<Operation, "origin" | "oseq" | "seal">) => Sealed
  readonly remove: (sealed: Sealed, name: Name) => Sealed
  /** The operation with the seal that stands beside the log: one that was read or made before it got that has none. */
  readonly sealedForm: (sealed: Sealed, operation: Operation) => Operation
}

/** The node that owns an origin. */
export const authorOf = (origin: string): string => origin.slice(0, origin.lastIndexOf("/"))

/**
 * The keys whose seals count for an origin, the best first: those that its node may have now. Where nothing is known of that any
 * more, that which the origin had.
 */
export const countingKeys = (authors: Authors, { keys }: Sealed, origin: Origin): ReadonlyArray<string> => {
  const known = authors.keysOf(authorOf(origin))
  if (known.length > 0) return known.map(({ hex }) => hex)
  const bound = keys.get(origin)
  return bound === undefined ? [] : [bound]
}

export const make = (writer: Database.Database, authors: Authors, nodeId: NodeId): Seals => {
  const put = run(writer, "INSERT OR REPLACE INTO seals (origin, oseq, seal) VALUES (?, ?, ?)")
  const putFirst = run(writer, "INSERT OR IGNORE INTO seals (origin, oseq, seal) VALUES (?, ?, ?)")
  const remove = run(writer, "DELETE FROM seals WHERE origin = ? AND oseq = ?")
  const select = writer.prepare("SELECT seal FROM seals WHERE origin = ? AND oseq = ?").pluck()

  return {
    sealOwn: (sealed, operations) => {
      const signer = authors.signerOf(nodeId)
      if (signer === undefined) return null
      for (let from = 0; from < operations.length; from += seals.MAX_LEAVES) {
        const together = operations.slice(from, from + seals.MAX_LEAVES)
        seals.make(together, nodeId, signer).forEach((seal, at) => {
          const operation = together[at]
          if (operation === undefined) return
          put(operation.origin, operation.oseq, Buffer.from(seal, "base64"))
        })
      }
      return withSeals(sealed, OperationSet.of(operations), signer.publicKey.hex)
    },
    keep: (sealed, { oseq, origin, seal }) => {
      const key = seal === undefined ? undefined : Option.getOrUndefined(seals.read(seal))?.key
      if (seal === undefined || key === undefined) return sealed
      const bytes = Buffer.from(seal, "base64")
      // One that was revoked counts for what it sealed before, until its node seals that anew.
      const isOfBefore = Option.exists(authors.lastOf(key, origin), (last) => oseq <= last)
      const counting = [...countingKeys(authors, sealed, origin), ...(isOfBefore ? [key] : [])]
      const bound = sealed.keys.get(origin)
      const isBest = counting.find((each) => each === key || each === bound) === key
      if (!isBest) {
        putFirst(origin, oseq, bytes)
        return sealed
      }
      if (bound === key && VersionVector.contains(sealed.held, origin, oseq)) return sealed
      put(origin, oseq, bytes)
      return withSeals(sealed, OperationSet.of([{ origin, oseq }]), key)
    },
    remove: (sealed, { origin, oseq }) => {
      remove(origin, oseq)
      return { ...sealed, held: VersionVector.remove(sealed.held, origin, oseq) }
    },
    sealedForm: ({ held }, operation) => {
      const { oseq, origin } = operation
      if (operation.seal !== undefined || !VersionVector.contains(held, origin, oseq)) return operation
      const seal = select.get(origin, oseq)
      return Buffer.isBuffer(seal) ? { ...operation, seal: seal.toString("base64") } : operation
    }
  }
}

/** Seals by a key are the only ones of their origins that count: those by another one have to be made anew. */
const withSeals = ({ held, keys }: Sealed, fresh: OperationSet.OperationSet, key: string): Sealed => {
  const others = [...fresh.keys()].filter((origin) => keys.get(origin) !== key)
  if (others.length === 0) return { held: OperationSet.union(held, fresh), keys }
  const left = new Map(held)
  const bound = new Map(keys)
  for (const origin of others) {
    left.delete(origin)
    bound.set(origin, key)
  }
  return { held: OperationSet.union(left, fresh), keys: bound }
}

/** What has a seal that counts now: a key may count no more. */
export const standing = (authors: Authors, sealed: Sealed): OperationSet.OperationSet => {
  const past = [...sealed.held.keys()].filter((origin) =>
    !countingKeys(authors, sealed, origin).includes(sealed.keys.get(origin) ?? "")
  )
  if (past.length === 0) return sealed.held
  const left = new Map(sealed.held)
  for (const origin of past) left.delete(origin)
  return left
}

const Row = Schema.Struct({ origin: Origin, sealed: Schema.String, seal_key: Schema.NullOr(Schema.String) })

/** As they are kept. */
export const read = (writer: Database.Database): Sealed => {
  const rows = many(writer, Row, "SELECT origin, sealed, seal_key FROM version_vector WHERE seal_key IS NOT NULL")()
  const wire = Object.fromEntries(
    rows.filter(({ sealed }) => sealed !== "0").map(({ origin, sealed }) => [origin, JSON.parse(sealed)])
  )
  return {
    held: Schema.decodeUnknownSync(VersionVector.Stored)(wire),
    keys: new Map(rows.map(({ origin, seal_key }) => [origin, seal_key ?? ""]))
  }
}
