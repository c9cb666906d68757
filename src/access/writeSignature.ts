import { createHash } from "node:crypto"
import * as cbor from "./cbor.js"
import { type PublicKey, verify } from "./ed25519.js"

/*
 * The signature of who wrote a memory (identity.md 9.1): over its texts, in CBOR. Nodes of the original before 0.10 had their names
 * in the order of texts; since then the signed bytes also say what they are for, and the order is the canonical one.
 */

/** What is signed, each text as it is stored but for the moment, which is as its author wrote it. */
interface Signable {
  readonly agentId: string
  readonly namespace: string
  readonly title: string
  readonly kind: string
  readonly createdAt: string
  readonly content: string
}

const DESTINATION = "ai-memory/write/v1"

/** The bytes that are signed: those of 0.10, which are tried first, and those of 0.7. */
export const bytesOf = (write: Signable): readonly [current: Buffer, former: Buffer] => {
  const fields = {
    agent_id: write.agentId,
    content_sha256: createHash("sha256").update(write.content).digest(),
    created_at: write.createdAt,
    kind: write.kind,
    namespace: write.namespace,
    title: write.title
  }
  return [cbor.encodeCanonical({ ...fields, _dst: DESTINATION }), cbor.encode(fields)]
}

/** Whether its author signed it, in either form. */
export const isSigned = (key: PublicKey, write: Signable, signature: Buffer): boolean =>
  bytesOf(write).some((bytes) => verify(key, bytes, signature))

/** A signature of 64 bytes in standard base64, which has one form; else undefined. */
export const parse = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  return bytes.length === SIGNATURE_BYTES && bytes.toString("base64") === text ? bytes : undefined
}

const SIGNATURE_BYTES = 64
