import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as AgentId from "./AgentId.js"
import * as Attestation from "./Attestation.js"
import { MAX_ID_BYTES } from "./limits.js"
import type { Metadata } from "./Memory.js"
import { type Invalid, metadata } from "./validate.js"

/** Metadata that takes the place of older metadata: the owner of a memory never changes. */
export const keepOwner = (old: Metadata, replacement: Metadata): Metadata => {
  const owner = old["agent_id"]
  // What is no agent id owns nothing; and kept, it could make the metadata larger than any peer accepts.
  return AgentId.is(owner) ? { ...replacement, agent_id: owner } : replacement
}

/**
 * Metadata as a request gives it, but for what it can not say, with what the node adds. Its size is checked with the longest owner it can get, because
 * the owner is written into it later, and every peer checks the size of the whole again.
 */
export const ownable = (given: unknown, added: Metadata = {}): Either.Either<Metadata, Invalid> => {
  if (!Predicate.isRecord(given)) return metadata(given)
  const all = { ...Attestation.withoutClaims(given), ...added }
  return Either.map(metadata({ ...all, agent_id: LONGEST_AGENT_ID }), () => all)
}

const LONGEST_AGENT_ID = "x".repeat(MAX_ID_BYTES)
