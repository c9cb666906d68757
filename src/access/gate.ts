import * as Either from "effect/Either"
import type { Credentials } from "./Credentials.js"
import { type PublicKey, verify } from "./ed25519.js"
import { isSpeaker } from "./keyDirectory.js"
import type { KeyRing } from "./KeyRing.js"
import { type Message, parse, signedBytes, type Tag } from "./messages.js"
import type { Nonces } from "./nonces.js"
import type { Revocations } from "./Revocations.js"

/** What is asked of the messages of nodes. */
export interface Levels {
  /** `enrolled`: of nodes whose key is here. `all`: nobody else may speak. `off`: nothing is looked at. */
  readonly signatures: "off" | "enrolled" | "all"
  /** A signed message has a nonce. */
  readonly areNoncesRequired: boolean
  /** Nodes whose questions need no signature: those of the original never sign them. */
  readonly unsignedPull: ReadonlySet<string>
}

/** A message with what it says of who sent it. */
export interface Received extends Message {
  readonly peerId: string | undefined
  readonly signature: string | undefined
  readonly nonce: string | undefined
  readonly credential: string | undefined
  readonly chain: string | undefined
}

/** Who sent a message: proved, or only said. */
export interface Sender {
  readonly peerId: string | undefined
  readonly isProved: boolean
}

interface Options {
  readonly keys: KeyRing
  readonly credentials: Credentials
  readonly revocations: Revocations
  readonly nonces: Nonces
  readonly levels: Levels
  readonly nowMillis: () => number
}

/**
 * Whether a message is taken, by the decision table of the original (identity.md 1.4), and as whose. Only where all must sign a
 * signature is refused whose key is not here: elsewhere such a node may send without one, and does not have to be told.
 */
export const judge = (options: Options, received: Received): Either.Either<Sender, Tag> => {
  const { levels: { signatures, unsignedPull }, revocations } = options
  const peerId = received.peerId !== undefined && isSpeaker(received.peerId) ? received.peerId : undefined
  const said: Sender = { peerId, isProved: false }
  if (signatures === "off") return Either.right(said)
  const key = peerId === undefined ? undefined : shownKey(options, peerId, received) ?? keyOf(options, peerId)
  // A key that is not good any more is nobody's; who had it may speak by another one alone.
  if (key === undefined ? peerId !== undefined && revocations.isOfNode(peerId) : revocations.isKey(key.raw)) {
    return Either.left("x_memory_sig_revoked_key")
  }
  // A key that can not be used was enrolled all the same.
  const isEnrolled = key !== undefined || (peerId !== undefined && options.keys.isEnrolled(peerId))
  if (received.signature !== undefined && (signatures === "all" || isEnrolled)) {
    if (peerId === undefined || key === undefined) return Either.left("x_memory_sig_no_enrolled_key")
    return Either.gen(function*() {
      const signature = yield* parse(received.signature ?? "")
      if (!verify(key, signedBytes(received, received.nonce), signature)) {
        return yield* Either.left<Tag>("x_memory_sig_bad_signature")
      }
      yield* takeNonce(options, peerId, received.nonce)
      return { peerId, isProved: true }
    })
  }
  if (!isEnrolled) return signatures === "all" ? Either.left("peer_not_enrolled") : Either.right(said)
  return received.method === "GET" && peerId !== undefined && unsignedPull.has(peerId)
    ? Either.right(said)
    : Either.left("x_memory_sig_missing")
}

/** The key that a good credential names. One that is no good says nothing. */
const shownKey = ({ credentials }: Options, peerId: string, received: Received): PublicKey | undefined => {
  const found = credentials.find(peerId, received)
  return found === undefined || Either.isLeft(found) ? undefined : found.right
}

/** The key that is enrolled of this one. */
const keyOf = ({ keys }: Options, id: string): PublicKey | undefined => keys.find(id)?.publicKey

/** Whether nobody is taken for this one without a signature. */
export const mustSign = (options: Options, id: string): boolean =>
  options.levels.signatures !== "off" && isSpeaker(id) &&
  (options.keys.isEnrolled(id) || options.revocations.isOfNode(id))

/** Noted after a good signature only: nobody else uses up a nonce. */
const takeNonce = (
  { levels, nonces, nowMillis }: Options,
  peerId: string,
  nonce: string | undefined
): Either.Either<void, Tag> => {
  if (nonce === undefined || nonce === "") {
    return levels.areNoncesRequired ? Either.left("x_memory_nonce_missing") : Either.void
  }
  const taken = nonces.take(peerId, nonce, nowMillis())
  if (taken === "fresh") return Either.void
  return Either.left(taken === "used" ? "x_memory_nonce_replay" : "x_memory_nonce_outside_window")
}
