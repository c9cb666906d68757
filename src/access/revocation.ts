import * as Option from "effect/Option"
import { MAX_REVOCATION_CHARS } from "../domain/limits.js"
import type { Issuer } from "./credential.js"
import { verify } from "./ed25519.js"
import * as envelope from "./envelope.js"
import type { TrustBundle } from "./trustBundle.js"

/*
 * The word of an issuer that the key of a node is not good any more, in an envelope as that of a credential. It says what
 * happened, so it holds for ever, and whoever brings it: nodes tell it each other.
 */

export interface Revocation {
  /** The text that it was read from, which says it all. */
  readonly text: string
  readonly issuerId: string
  readonly trustDomain: string
  readonly nodeId: string
  /** The 32 bytes of the key, in hex. */
  readonly key: string
  /** SHA-256 of the certificates that were issued with it, in hex. */
  readonly certificates: ReadonlyArray<string>
  /** What counts of what was sealed with the key, by origin: up to this number. Of an origin that is not here nothing. */
  readonly lastValid: ReadonlyMap<string, number>
  /** In whole seconds since 1970. */
  readonly at: number
}

const VERSION = 1
const KEY_BYTES = 32
/** Certificates that it names, and origins; of them those are of a node which has one for each of its incarnations. */
const MAX_CERTIFICATES = 64
const MAX_ORIGINS = 256
const MAX_CHARS = 512

/** Has it said, and answers its text. */
export const issue = (
  { at, certificates, key, lastValid, nodeId, trustDomain }: Omit<Revocation, "text" | "issuerId">,
  { id, signer }: Issuer
): string =>
  envelope.print(envelope.seal({
    at,
    certificates: certificates.map((fingerprint) => Buffer.from(fingerprint, "hex")),
    issuer_id: id,
    last_valid: Object.fromEntries(lastValid),
    revocation_version: VERSION,
    subject_agent_id: nodeId,
    subject_pubkey: Buffer.from(key, "hex"),
    trust_domain: trustDomain
  }, signer))

/** Reads one that an issuer of the bundle has said; of what is none, or by nobody who is trusted, nothing. */
export const read = (text: string, bundle: TrustBundle): Option.Option<Revocation> =>
  Option.gen(function*() {
    if (text.length > MAX_REVOCATION_CHARS) return yield* Option.none()
    const { bytes, claims, signature } = yield* Option.flatMap(envelope.parse(text), envelope.open)
    const revocation = yield* Option.fromNullable(ofClaims(text, claims))
    const issuer = yield* Option.fromNullable(bundle.anchors.get(revocation.issuerId))
    const isOfDomain = bundle.domain === "" || bundle.domain === revocation.trustDomain
    return isOfDomain && verify(issuer, bytes, signature) ? revocation : yield* Option.none()
  })

const ofClaims = (text: string, map: envelope.Envelope["claims"]): Revocation | undefined => {
  const at = map.get("at")
  const certificates = map.get("certificates")
  const issuerId = map.get("issuer_id")
  const key = map.get("subject_pubkey")
  const lastValid = lastValidOf(map.get("last_valid"))
  const nodeId = map.get("subject_agent_id")
  const trustDomain = map.get("trust_domain")
  return map.get("revocation_version") === VERSION && isWhole(at) && isText(issuerId) && isText(nodeId) &&
      isText(trustDomain) && isBytes(key) && Array.isArray(certificates) && certificates.every(isBytes) &&
      certificates.length <= MAX_CERTIFICATES && lastValid !== undefined
    ? { text, at, issuerId, nodeId, trustDomain, lastValid, key: hexOf(key), certificates: certificates.map(hexOf) }
    : undefined
}

const lastValidOf = (value: unknown): ReadonlyMap<string, number> | undefined => {
  if (!(value instanceof Map) || value.size > MAX_ORIGINS) return undefined
  const found = new Map<string, number>()
  for (const [origin, sequence] of value) {
    if (!isText(origin) || !isWhole(sequence)) return undefined
    found.set(origin, sequence)
  }
  return found
}

const isText = (value: unknown): value is string => typeof value === "string" && value.length <= MAX_CHARS
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array && value.length === KEY_BYTES
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** The texts in a file: one a line, `#` begins a comment. */
export const linesOf = (file: string): ReadonlyArray<string> =>
  file.split(/\r?\n/).map((line) => (line.split("#", 1)[0] ?? "").trim()).filter((line) => line !== "")
