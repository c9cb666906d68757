import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { sign } from "../../access/webhooks.js"
import { MAX_SIGNATURE_AGE_SECONDS, MAX_SIGNATURE_AHEAD_SECONDS } from "../../domain/limits.js"

const TIMESTAMP_HEADER = "x-ai-memory-timestamp"
const SIGNATURE_HEADER = "x-ai-memory-signature"

/** Whether a request was signed with the secret, at about this moment. Without a secret no request is. */
export const isSigned = (
  secret: Option.Option<Redacted.Redacted>,
  { body, headers }: { readonly body: Buffer; readonly headers: IncomingHttpHeaders },
  nowMillis: number
): boolean => {
  const { [SIGNATURE_HEADER]: signature, [TIMESTAMP_HEADER]: timestamp } = headers
  if (Option.isNone(secret) || typeof signature !== "string" || typeof timestamp !== "string") return false
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false
  const ageSeconds = Math.floor(nowMillis / 1000) - Number(timestamp)
  if (ageSeconds > MAX_SIGNATURE_AGE_SECONDS || -ageSeconds > MAX_SIGNATURE_AHEAD_SECONDS) return false
  // Digests are compared, so that neither the time nor the length of a wrong signature says anything about the right one.
  return timingSafeEqual(digest(signature.toLowerCase()), digest(sign(Redacted.value(secret.value), timestamp, body)))
}

const digest = (text: string) => createHash("sha256").update(text).digest()
