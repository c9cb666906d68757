import * as Either from "effect/Either"
import type { Signer } from "./ed25519.js"

/*
 * The signature of one message from node to node, as the original has it (identity.md 1): over the very bytes of the body, or of
 * the question, and a nonce that is used once.
 */

export const SIGNATURE = "x-memory-sig"
export const NONCE = "x-memory-nonce"
export const PEER_ID = "x-peer-id"

/** A message, as it stands on the wire. */
export interface Message {
  readonly method: string
  readonly path: string
  /** Without its question mark; empty where there is none. */
  readonly query: string
  readonly body: Uint8Array
}

/** Why a message is not taken, as the original calls it; the last two are ours. */
export type Tag =
  | "x_memory_sig_missing"
  | "x_memory_sig_unknown_algorithm"
  | "x_memory_sig_malformed"
  | "x_memory_sig_bad_signature"
  | "x_memory_sig_no_enrolled_key"
  | "x_memory_nonce_missing"
  | "x_memory_nonce_replay"
  | "peer_not_enrolled"
  | "x_memory_nonce_outside_window"
  | "x_memory_sig_revoked_key"

/** What is signed. A nonce that is there and empty is signed, too; one that is not is not. */
export const signedBytes = ({ body, method, path, query }: Message, nonce: string | undefined): Buffer => {
  const said = method === "GET" ? Buffer.from(`GET\n${path}\n${query}`) : body
  return nonce === undefined ? Buffer.from(said) : Buffer.concat([said, ZERO, Buffer.from(nonce)])
}

const ZERO = Buffer.of(0)
const PREFIX = "ed25519="
const SIGNATURE_BYTES = 64

/** The headers of a message that is sent. The nonce is new for each attempt. */
export const signed = (message: Message, signer: Signer, nonce: string): Record<string, string> => ({
  [SIGNATURE]: `${PREFIX}${signer.sign(signedBytes(message, nonce)).toString("base64")}`,
  [NONCE]: nonce
})

/** The signature in its header. Base64 has one form: what decodes, and encodes to something else, is none. */
export const parse = (header: string): Either.Either<Buffer, Tag> => {
  const value = (header.split(";", 1)[0] ?? "").trim()
  if (!value.startsWith(PREFIX)) return Either.left("x_memory_sig_unknown_algorithm")
  const text = value.slice(PREFIX.length)
  const signature = Buffer.from(text, "base64")
  return signature.length === SIGNATURE_BYTES && signature.toString("base64") === text
    ? Either.right(signature)
    : Either.left("x_memory_sig_malformed")
}
