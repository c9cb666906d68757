import * as Option from "effect/Option"
import { hash } from "node:crypto"
import { MAX_REVOCATIONS } from "../domain/limits.js"
import * as revocation from "./revocation.js"
import type { TrustBundle } from "./trustBundle.js"

/** What is revoked, by all that this node has heard. */
export interface Revocations {
  /** Takes those that are new and said by an issuer of the bundle, and answers them. */
  readonly add: (texts: Iterable<string>) => ReadonlyArray<revocation.Revocation>
  readonly all: () => ReadonlyArray<revocation.Revocation>
  /** The same for all who have the same ones. */
  readonly digest: () => string
  readonly isKey: (raw: Uint8Array) => boolean
  /** Whether a key of this node is: who speaks as it has to prove another one. */
  readonly isOfNode: (id: string) => boolean
  /** By the SHA-256 of a certificate: hex digits of any case, with or without `:` between them. */
  readonly isCertificate: (fingerprint: string) => boolean
  /**
   * The last of the numbers of an origin that count where this key signed for them; none where the key is not revoked. 0 of an
   * origin that is not named: whoever has the secret could begin new ones for ever.
   */
  readonly lastValid: (raw: Uint8Array, origin: string) => Option.Option<number>
}

/** Their texts together, at most: all of them go in one message. */
const MAX_CHARS = 768 * 1024

export const make = (bundle: () => TrustBundle): Revocations => {
  const held = new Map<string, revocation.Revocation>()
  const keys = new Map<string, ReadonlyArray<revocation.Revocation>>()
  const nodes = new Set<string>()
  const certificates = new Set<string>()
  let chars = 0
  let digest = digestOf([])

  const take = (text: string): ReadonlyArray<revocation.Revocation> => {
    if (held.has(text) || held.size >= MAX_REVOCATIONS || chars + text.length > MAX_CHARS) return []
    return Option.toArray(Option.map(revocation.read(text, bundle()), (read) => {
      held.set(text, read)
      chars += text.length
      keys.set(read.key, [...keys.get(read.key) ?? [], read])
      nodes.add(read.nodeId)
      for (const fingerprint of read.certificates) certificates.add(fingerprint)
      return read
    }))
  }

  return {
    add: (texts) => {
      const fresh = Array.from(texts, take).flat()
      if (fresh.length > 0) digest = digestOf(held.keys())
      return fresh
    },
    all: () => Array.from(held.values()),
    digest: () => digest,
    isKey: (raw) => keys.has(hexOf(raw)),
    isOfNode: (id) => nodes.has(id),
    isCertificate: (fingerprint) => certificates.has(fingerprint.replaceAll(":", "").toLowerCase()),
    lastValid: (raw, origin) =>
      Option.map(
        Option.fromNullable(keys.get(hexOf(raw))),
        (said) => Math.min(...said.map(({ lastValid }) => lastValid.get(origin) ?? 0))
      )
  }
}

const hexOf = (raw: Uint8Array): string => Buffer.from(raw).toString("hex")

const digestOf = (texts: Iterable<string>): string => hash("sha256", Array.from(texts).sort().join("\n"), "hex")
