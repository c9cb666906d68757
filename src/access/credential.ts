import * as Either from "effect/Either"
import { type PublicKey, publicKeyOf, type Signer, verify } from "./ed25519.js"
import * as envelope from "./envelope.js"
import type { TrustBundle } from "./trustBundle.js"

/*
 * What an issuer says of the key of a node, for some time, in the form of the original (identity.md 3): the node shows it with
 * its messages, so that its key need not be enrolled.
 */

export const CREDENTIAL = "x-memory-cred"

/** What is said. Times are whole seconds since 1970, both ends within. */
interface Claims {
  readonly version: Integer
  readonly issuerId: string
  readonly subjectId: string
  /** 32 bytes, which may be no key. */
  readonly subjectKey: Uint8Array
  readonly trustDomain: string
  readonly notBefore: Integer
  readonly notAfter: Integer
}

/** Beyond what a number holds exactly, a bigint. */
type Integer = number | bigint

export interface Credential {
  readonly claims: Claims
  /** What was signed, as it came. */
  readonly bytes: Uint8Array
  readonly signature: Buffer
}

/** Why a credential says nothing, as the original calls it; the last one is ours. It is never said to who shows it. */
export type Problem =
  | "credential_malformed"
  | "credential_unsupported_version"
  | "credential_wrong_trust_domain"
  | "credential_unknown_issuer"
  | "credential_bad_signature"
  | "credential_not_yet_valid"
  | "credential_expired"
  | "credential_bad_subject_key"
  | "credential_wrong_subject"
  | "chain_too_deep"
  | "chain_name_mismatch"
  | "chain_domain_mismatch"
  | "chain_delegation_out_of_namespace"
  | "credential_revoked"

const VERSION = 1
const KEY_BYTES = 32
const MAX_I64 = 2n ** 63n
const MAX_U16 = 0xffff

/** Who says it. */
export interface Issuer {
  readonly id: string
  readonly signer: Signer
}

/** Has it said, and answers its header. */
export const issue = (
  { notAfter, notBefore, subjectId, subjectKey, trustDomain }: Omit<Claims, "version" | "issuerId">,
  { id, signer }: Issuer
): string =>
  envelope.print(envelope.seal({
    cred_version: VERSION,
    issuer_id: id,
    not_after: notAfter,
    not_before: notBefore,
    subject_agent_id: subjectId,
    subject_pubkey: subjectKey,
    trust_domain: trustDomain
  }, signer))

/** Reads a header. */
export const parse = (header: string): Either.Either<Credential, Problem> => {
  const [, version] = /^v([0-9]{1,5})=/.exec(header) ?? []
  if (version !== undefined && !header.startsWith("v1=") && Number(version) <= MAX_U16) {
    return Either.left("credential_unsupported_version")
  }
  return Either.flatMap(Either.fromOption(envelope.parse(header), () => MALFORMED), ofBytes)
}

const MALFORMED: Problem = "credential_malformed"

/** Reads an envelope. */
export const ofBytes = (bytes: Uint8Array): Either.Either<Credential, Problem> =>
  Either.gen(function*() {
    const { bytes: signed, claims, signature } = yield* Either.fromOption(envelope.open(bytes), () => MALFORMED)
    return { bytes: signed, claims: yield* Either.fromNullable(claimsOf(claims), () => MALFORMED), signature }
  })

const claimsOf = (map: envelope.Envelope["claims"]): Claims | undefined => {
  const version = map.get("cred_version")
  const issuerId = map.get("issuer_id")
  const notAfter = map.get("not_after")
  const notBefore = map.get("not_before")
  const subjectId = map.get("subject_agent_id")
  const subjectKey = map.get("subject_pubkey")
  const trustDomain = map.get("trust_domain")
  return isInteger(version) && version >= 0 && version <= MAX_U16 && typeof issuerId === "string" &&
      isInteger(notAfter) && isInteger(notBefore) && typeof subjectId === "string" &&
      subjectKey instanceof Uint8Array && subjectKey.length === KEY_BYTES && typeof trustDomain === "string"
    ? { version, issuerId, notAfter, notBefore, subjectId, subjectKey, trustDomain }
    : undefined
}

/** One of 64 bits with a sign. */
const isInteger = (value: unknown): value is Integer =>
  typeof value === "bigint" ? value >= -MAX_I64 && value < MAX_I64 : Number.isSafeInteger(value)

/** Whether one of the issuers of the bundle says it, now. The key of its subject is another question. */
export const check = (
  credential: Credential,
  bundle: TrustBundle,
  nowSeconds: number
): Either.Either<void, Problem> => {
  const { issuerId, trustDomain } = credential.claims
  if (bundle.domain !== "" && bundle.domain !== trustDomain) return Either.left("credential_wrong_trust_domain")
  const issuer = bundle.anchors.get(issuerId)
  return issuer === undefined ? Either.left("credential_unknown_issuer") : checkBy(credential, issuer, nowSeconds)
}

/** Whether this key says it, now. */
export const checkBy = (
  { bytes, claims, signature }: Credential,
  issuer: PublicKey,
  nowSeconds: number
): Either.Either<void, Problem> => {
  if (claims.version > VERSION) return Either.left("credential_unsupported_version")
  if (!verify(issuer, bytes, signature)) return Either.left("credential_bad_signature")
  if (nowSeconds < claims.notBefore) return Either.left("credential_not_yet_valid")
  return nowSeconds > claims.notAfter ? Either.left("credential_expired") : Either.void
}

export const subjectKeyOf = ({ claims }: Credential): Either.Either<PublicKey, Problem> =>
  Either.fromOption(publicKeyOf(claims.subjectKey), () => "credential_bad_subject_key")

/** Whether its time has come, and is not over. */
export const isNow = ({ claims }: Credential, nowSeconds: number): boolean =>
  nowSeconds >= claims.notBefore && nowSeconds <= claims.notAfter
