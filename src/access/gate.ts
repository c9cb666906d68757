import * as Either from "effect/Either"
import { type PublicKey, verify } from "./ed25519.js"
import { isSpeaker } from "./keyDirectory.js"
import type { KeyRing } from "./KeyRing.js"
import { type Message, parse, signedBytes, type Tag } from "./messages.js"
import type { Nonces } from "./nonces.js"

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
}

/** Who sent a message: proved, or only said. */
export interface Sender {
  readonly peerId: string | undefined
  readonly isProved: boolean
}

interface Options {
  readonly keys: KeyRing
  readonly nonces: Nonces
  readonly levels: Levels
  readonly nowMillis: () => number
}

/**
 * Whether a message is taken, by the decision table of the original (identity.md 1.4), and as whose. Only where all must sign a
 * signature is refused whose key is not here: elsewhere such a node may send without one, and does not have to be told.
 */
export const judge = (options: Options, received: Received): Either.Either<Sender, Tag> => {
  const { levels: { signatures, unsignedPull } } = options
  const peerId = received.peerId !== undefined && isSpeaker(received.peerId) ? received.peerId : undefined
  const said: Sender = { peerId, isProved: false }
  if (signatures === "off") return Either.right(said)
  const key = peerId === undefined ? undefined : keyOf(options, peerId)
  if (received.signature !== undefined && (signatures === "all" || key !== undefined)) {
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
  if (key === undefined) return signatures === "all" ? Either.left("peer_not_enrolled") : Either.right(said)
  return received.method === "GET" && peerId !== undefined && unsignedPull.has(peerId)
    ? Either.right(said)
    : Either.left("x_memory_sig_missing")
}

/** The key by which the messages of this one are looked at. */
export const keyOf = ({ keys, levels }: Pick<Options, "keys" | "levels">, id: string): PublicKey | undefined =>
  levels.signatures === "off" || !isSpeaker(id) ? undefined : keys.find(id)?.publicKey

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
