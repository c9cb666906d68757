import * as Either from "effect/Either"
import { hash } from "node:crypto"
import { MAX_VOUCHED } from "../domain/limits.js"
import * as chain from "./chain.js"
import * as credential from "./credential.js"
import type { PublicKey } from "./ed25519.js"
import type { TrustBundle } from "./trustBundle.js"

/*
 * Keys of nodes by the credentials that they once showed. What a node wrote is read long after its credential has ended, and by
 * nodes that it never spoke to: so they tell each other, and keep it.
 */
export interface Vouched {
  /** Takes credentials (a header, and that of its chain after a blank) that were good in their time; answers new ones. */
  readonly add: (texts: Iterable<string>) => ReadonlyArray<string>
  readonly all: () => ReadonlyArray<string>
  /** The same for all who have the same ones. */
  readonly digest: () => string
  /** The latest first. */
  readonly keysOf: (nodeId: string) => ReadonlyArray<PublicKey>
}

interface Key {
  readonly publicKey: PublicKey
  readonly text: string
  readonly notBefore: number
}

/** Of one node: each of its keys was the only one for a time. */
const MAX_KEYS = 16
/** Of all texts together: they go in one message. */
const MAX_CHARS = 768 * 1024

export const make = (bundle: () => TrustBundle): Vouched => {
  const nodes = new Map<string, ReadonlyArray<Key>>()
  let all: ReadonlyArray<string> = []
  let chars = 0
  let digest = digestOf([])

  const take = (text: string): ReadonlyArray<string> => {
    if (all.length >= MAX_VOUCHED || chars + text.length > MAX_CHARS) return []
    const read = readIn(bundle(), text)
    if (Either.isLeft(read)) return []
    const { key, nodeId } = read.right
    const known = nodes.get(nodeId) ?? []
    // Another credential of a key says nothing new of it.
    if (known.length >= MAX_KEYS || known.some(({ publicKey }) => publicKey.raw.equals(key.publicKey.raw))) return []
    nodes.set(nodeId, [...known, key].sort((a, b) => b.notBefore - a.notBefore))
    all = [...all, text]
    chars += text.length
    return [text]
  }

  return {
    add: (texts) => {
      const fresh = Array.from(texts, take).flat()
      if (fresh.length > 0) digest = digestOf(all)
      return fresh
    },
    all: () => all,
    digest: () => digest,
    keysOf: (nodeId) => (nodes.get(nodeId) ?? []).map(({ publicKey }) => publicKey)
  }
}

/** As of the last second in which all of it was good. */
const readIn = (
  bundle: TrustBundle,
  text: string
): Either.Either<{ readonly nodeId: string; readonly key: Key }, credential.Problem> =>
  Either.gen(function*() {
    const [header = "", links] = text.split(" ", 2)
    const leaf = yield* credential.parse(header)
    const between = links === undefined ? [] : yield* chain.parse(links)
    const last = Math.min(...[leaf, ...between].map(({ claims }) => Number(claims.notAfter)))
    const publicKey = yield* chain.verify(leaf, between, bundle, last)
    return { nodeId: leaf.claims.subjectId, key: { publicKey, text, notBefore: Number(leaf.claims.notBefore) } }
  })

const digestOf = (texts: Iterable<string>): string => hash("sha256", Array.from(texts).sort().join("\n"), "hex")
