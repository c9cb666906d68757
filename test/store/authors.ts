import * as Option from "effect/Option"
import { createHash } from "node:crypto"
import * as Authors from "../../src/access/Authors.js"
import { type Signer, signerOf } from "../../src/access/ed25519.js"
import type { Operation } from "../../src/replication/Operation.js"
import * as seals from "../../src/replication/seals.js"

/** The key of this name, always the same. */
export const keyNamed = (name: string): Signer => {
  const known = made.get(name) ?? Option.getOrThrow(signerOf(createHash("sha256").update(name).digest()))
  made.set(name, known)
  return known
}
const made = new Map<string, Signer>()

/** Keys by the names of the nodes, as they are now. */
export const table = (keys: () => Readonly<Record<string, string>>) => (nodeId: string) => keys()[nodeId]

/** What a node knows: which key each node has, by the name of the key; of its own it has the secret. */
export const knowing = (
  keys: (nodeId: string) => string | undefined,
  { level = "enrolled", mustSeal = Authors.none.mustSeal, lastOf = Authors.none.lastOf, own }: {
    readonly own?: string
    readonly level?: Authors.Authors["level"]
    readonly lastOf?: Authors.Authors["lastOf"]
    readonly mustSeal?: Authors.Authors["mustSeal"]
  } = {}
): Authors.Authors => {
  const of = (nodeId: string) => {
    const name = keys(nodeId)
    return name === undefined ? undefined : keyNamed(name)
  }
  return {
    level,
    lastOf,
    mustSeal,
    signerOf: (nodeId) => nodeId === own ? of(nodeId) : undefined,
    keysOf: (nodeId) => {
      const signer = of(nodeId)
      return signer === undefined ? [] : [signer.publicKey]
    }
  }
}

/** The same operations with the seals that the owner of the key makes of them together. */
export const sealedBy = <A extends { readonly operation: Operation }>(
  key: string,
  author: string,
  entries: ReadonlyArray<A>
): ReadonlyArray<A> => {
  const made = seals.make(entries.map(({ operation }) => operation), author, keyNamed(key))
  return entries.map((entry, at) => ({ ...entry, operation: { ...entry.operation, seal: made[at] ?? "" } }))
}
