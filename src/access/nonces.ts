import { hash } from "node:crypto"

/*
 * Nonces that were used, by who used them (identity.md 1.5): a message is taken once. What is too much is forgotten from the
 * oldest on, so nonces that tell their time (UUID 7, RFC 9562) are taken close to it alone: one that was forgotten comes too late.
 */

/** A nonce that was used: what is kept of it over a restart. */
interface Used {
  readonly peerId: string
  /** SHA-256 in hex. */
  readonly fingerprint: string
}

export interface Nonces {
  /** Notes a nonce of a message whose signature is good. */
  readonly take: (peerId: string, nonce: string, nowMillis: number) => "fresh" | "used" | "outside_window"
  /** What was noted since it was last asked for. */
  readonly drain: () => ReadonlyArray<Used>
}

export const MAX_OF_PEER = 10_000
export const MAX_PEERS = 1_024
/** How far from now the time of a nonce may be. */
export const WINDOW_MILLIS = 60_000

/** `used`: those of before a restart, the oldest first. */
export const make = (used: ReadonlyArray<Used>): Nonces => {
  /** In the order of the latest message, and of each peer in the order of use. */
  const peers = new Map<string, Set<string>>()
  let fresh: Array<Used> = []

  const note = ({ fingerprint, peerId }: Used) => {
    const own = peers.get(peerId) ?? new Set()
    peers.delete(peerId)
    peers.set(peerId, own.add(fingerprint))
    if (own.size > MAX_OF_PEER) forgetFirst(own)
    if (peers.size > MAX_PEERS) forgetFirst(peers)
  }
  used.forEach(note)

  return {
    take: (peerId, nonce, nowMillis) => {
      const at = millisOf(nonce)
      if (at !== undefined && Math.abs(at - nowMillis) > WINDOW_MILLIS) return "outside_window"
      const one = { peerId, fingerprint: fingerprintOf(peerId, nonce) }
      if (peers.get(peerId)?.has(one.fingerprint) === true) return "used"
      note(one)
      fresh.push(one)
      return "fresh"
    },
    drain: () => {
      const drained = fresh
      fresh = []
      return drained
    }
  }
}

const forgetFirst = (of: Set<string> | Map<string, unknown>) => {
  for (const first of of.keys()) {
    of.delete(first)
    return
  }
}

/** The time in a nonce, where it is one that tells it. */
const millisOf = (nonce: string): number | undefined => {
  const [, high, low] = UUID_7.exec(nonce) ?? []
  return high === undefined || low === undefined ? undefined : Number.parseInt(`${high}${low}`, 16)
}

const UUID_7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** SHA-256 over both with their lengths in bytes before them. */
export const fingerprintOf = (peerId: string, nonce: string): string =>
  hash(
    "sha256",
    Buffer.concat([peerId, nonce].flatMap((text) => {
      const bytes = Buffer.from(text)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return [length, bytes]
    })),
    "hex"
  )
