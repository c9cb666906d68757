import { ed25519, ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js"
import * as Option from "effect/Option"
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify as verifyWith } from "node:crypto"

/*
 * Signatures of Ed25519 (RFC 8032), checked strictly: node's own check takes keys that are no points of the curve, and for a key
 * of small order one signature fits every message.
 */

/** A key that signatures are checked by. */
export interface PublicKey {
  /** 32 bytes. */
  readonly raw: Buffer
  /** The same in hex, in lower case. */
  readonly hex: string
  readonly key: KeyObject
}

/** Who has the secret to a key. */
export interface Signer {
  readonly publicKey: PublicKey
  /** 64 bytes. */
  readonly sign: (message: Uint8Array) => Buffer
}

const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** What stands before the raw bytes in DER: SPKI of a public key, PKCS #8 of a seed (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex")
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex")

/** The points of small order, as their bytes. */
const SMALL: ReadonlySet<string> = new Set(ED25519_TORSION_SUBGROUP)

/** The key of 32 bytes; none where they are no point of the curve in its one form, or one of small order. */
export const publicKeyOf = (raw: Uint8Array): Option.Option<PublicKey> => {
  if (raw.length !== KEY_BYTES || !isSound(raw)) return Option.none()
  const key = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" })
  const own = Buffer.from(raw)
  return Option.some({ raw: own, hex: own.toString("hex"), key })
}

/** The key of a text: 32 bytes in base64, url-safe or not. */
export const publicKeyOfText = (text: string): Option.Option<PublicKey> => {
  const raw = Buffer.from(text.trim(), "base64")
  const isWhole = (["base64", "base64url"] as const).some((form) => raw.toString(form) === text.trim())
  return isWhole ? publicKeyOf(raw) : Option.none()
}

const isSound = (raw: Uint8Array): boolean => {
  try {
    return !ed25519.Point.fromHex(raw).isSmallOrder()
  } catch {
    return false
  }
}

/** Who has this seed of 32 bytes. */
export const signerOf = (seed: Uint8Array): Option.Option<Signer> => {
  if (seed.length !== KEY_BYTES) return Option.none()
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" })
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-KEY_BYTES)
  return Option.map(publicKeyOf(raw), (publicKey) => ({ publicKey, sign: (message) => sign(null, message, key) }))
}

export const verify = ({ key }: PublicKey, message: Uint8Array, signature: Buffer): boolean =>
  signature.length === SIGNATURE_BYTES &&
  !SMALL.has(signature.subarray(0, KEY_BYTES).toString("hex")) &&
  verifyWith(null, message, key, signature)
