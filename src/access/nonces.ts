import { hash } from "node:crypto"

/*
 * Nonces that were used, by who used them (identity.md 1.5): a message is taken once. What is too much is forgotten from the
 * oldest on, so nonces that tell their time (UUID 7, RFC 9562) are taken close to it alone, and none from before one that was
 * forgotten.
 */

/** A nonce that was used: what is kept of it over a restart. */
interface Used {
  readonly peerId: string
  /** SHA-256 in hex. */
  readonly fingerprint: string
  /** The time that it tells, or else when it was taken. */
  readonly millis: number
}

/** What is known of a peer. */
interface Known {
  /** The times of its nonces by their fingerprints, in the order of use. */
  readonly used: Map<string, number>
  /** The latest time of what was forgotten. */
  forgotten: number
  /** The latest time of all. */
  latest: number
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

/** Of a peer that are worth keeping over a restart: with more than are remembered it is known what was forgotten. */
export const KEPT_OF_PEER = MAX_OF_PEER + 1_000

/** `used`: those of before a restart, the oldest first. */
export const make = (used: ReadonlyArray<Used>): Nonces => {
  /** In the order of the latest message. */
  const peers = new Map<string, Known>()
  /** The latest time of what peers used that are not remembered any more. */
  let forgotten = 0
  let fresh: Array<Used> = []

  const note = ({ fingerprint, millis, peerId }: Used) => {
    const known = peers.get(peerId) ?? { used: new Map(), forgotten, latest: 0 }
    peers.delete(peerId)
    peers.set(peerId, known)
    known.used.set(fingerprint, millis)
    known.latest = Math.max(known.latest, millis)
    if (known.used.size > MAX_OF_PEER) known.forgotten = Math.max(known.forgotten, takeFirst(known.used) ?? 0)
    if (peers.size > MAX_PEERS) forgotten = Math.max(forgotten, takeFirst(peers)?.latest ?? 0)
  }
  used.forEach(note)

  return {
    take: (peerId, nonce, nowMillis) => {
      const at = millisOf(nonce)
      if (at !== undefined && Math.abs(at - nowMillis) > WINDOW_MILLIS) return "outside_window"
      const one = { peerId, fingerprint: fingerprintOf(peerId, nonce), millis: at ?? nowMillis }
      const known = peers.get(peerId)
      if (known?.used.has(one.fingerprint) === true) return "used"
      if (at !== undefined && at <= (known?.forgotten ?? forgotten)) return "outside_window"
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

/** Takes the oldest away. */
const takeFirst = <A>(of: Map<string, A>): A | undefined => {
  for (const [key, value] of of) {
    of.delete(key)
    return value
  }
  return undefined
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
