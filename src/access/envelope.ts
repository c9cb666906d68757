import * as Option from "effect/Option"
import * as cbor from "./cbor.js"
import type { Signer } from "./ed25519.js"

/*
 * What an issuer signs, in the form of the original (identity.md 3.1): a map of CBOR with the bytes of the claims, and their
 * signature. In a text it is `v1=` and its base64.
 */

export interface Envelope {
  /** What was signed, as it came. */
  readonly bytes: Uint8Array
  readonly claims: ReadonlyMap<unknown, unknown>
  readonly signature: Buffer
}

const PREFIX = "v1="
const SIGNATURE_BYTES = 64

export const seal = (claims: cbor.Value, signer: Signer): Buffer => {
  const bytes = cbor.encode(claims)
  return cbor.encode({ claims: bytes, sig: signer.sign(bytes) })
}

export const print = (bytes: Uint8Array): string => `${PREFIX}${Buffer.from(bytes).toString("base64")}`

/** The bytes of a text. Base64 has one form: what decodes, and encodes to something else, is none. */
export const parse = (text: string): Option.Option<Buffer> => {
  const base64 = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : ""
  const bytes = Buffer.from(base64, "base64")
  return base64 !== "" && bytes.toString("base64") === base64 ? Option.some(bytes) : Option.none()
}

export const open = (bytes: Uint8Array): Option.Option<Envelope> =>
  Option.gen(function*() {
    const outer = yield* mapOf(bytes)
    const signed = outer.get("claims")
    const signature = outer.get("sig")
    if (outer.size !== 2 || !(signed instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
      return yield* Option.none()
    }
    if (signature.length !== SIGNATURE_BYTES) return yield* Option.none()
    return { bytes: signed, claims: yield* mapOf(signed), signature: Buffer.from(signature) }
  })

/** A map whose keys are all texts; of one that stands in it twice the last counts. */
const mapOf = (bytes: Uint8Array): Option.Option<ReadonlyMap<unknown, unknown>> =>
  Option.filter(
    cbor.decode(bytes),
    (value): value is ReadonlyMap<unknown, unknown> =>
      value instanceof Map && Array.from(value.keys()).every((key) => typeof key === "string")
  )
