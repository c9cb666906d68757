import * as Option from "effect/Option"
import type { Memory, Metadata } from "./Memory.js"
import * as Stamp from "./Stamp.js"

/*
 * What the metadata of a memory says of its author's signature (identity.md 9.1). Nodes write it, and a request can not: what it says
 * of that is passed over, as with the owner. It is said of the very texts that were signed, and gone when they are others.
 */

/** `agent_attested`: signed by the key that the agent has here. `claimed`: signed, and no key of the agent is known here. */
type Level = "agent_attested" | "claimed"

/** What the original takes a memory for that does not say its kind. */
export const KIND = "observation"

/** What is stored of a signature. */
export interface Attested {
  readonly createdAt: Stamp.Stamp
  readonly marks: Metadata
}

const LEVEL = "attest_level"
const SIGNATURE = "write_signature"
/** The moment as it was signed, where that is another text than `created_at`. */
const SIGNED_AT = "write_created_at"
/** The key that an agent signs by, in the metadata of the memory that registers it: base64, as in the original. */
const KEY = "agent_pubkey"

const MARKS = [LEVEL, SIGNATURE, SIGNED_AT] as const

/** `signature` in standard base64; `signedAt` is the text of the moment that was signed. */
export const attested = (
  { createdAt, signature, signedAt }: {
    readonly signature: string
    readonly signedAt: string
    readonly createdAt: Stamp.Stamp
  },
  level: Level
): Attested => ({
  createdAt,
  marks: { [LEVEL]: level, [SIGNATURE]: signature, ...(signedAt === createdAt ? {} : { [SIGNED_AT]: signedAt }) }
})

/** Metadata of a request without what that can not say. */
export const withoutClaims = (metadata: Metadata): Metadata => without(metadata, [...MARKS, KEY])

/** A version that was made of others: what it says of a signature is what the first of them says that has its texts. */
export const settle = (memory: Memory, ...madeOf: ReadonlyArray<Memory>): Memory => {
  if (!isSigned(memory) && !madeOf.some(isSigned)) return memory
  const signed = madeOf.find((one) => isSigned(one) && saysTheSame(one, memory))
  return {
    ...memory,
    metadata: { ...without(memory.metadata, MARKS), ...(signed === undefined ? {} : only(signed.metadata, MARKS)) }
  }
}

/** Whether something is said of a signature. */
export const isSigned = ({ metadata }: Pick<Memory, "metadata">): boolean =>
  MARKS.some((name) => Object.hasOwn(metadata, name))

const saysTheSame = (one: Memory, other: Memory): boolean =>
  one.title === other.title && one.namespace === other.namespace && one.created_at === other.created_at &&
  one.content === other.content && one.metadata["agent_id"] === other.metadata["agent_id"]

/** A signed memory that came with its moment of creation in another text than it is stored with. */
export const withSignedAt = (memory: Memory, text: string): Memory =>
  typeof memory.metadata[SIGNATURE] === "string" && !Object.hasOwn(memory.metadata, SIGNED_AT)
    ? { ...memory, metadata: { ...memory.metadata, [SIGNED_AT]: text } }
    : memory

/** The memory in the texts that were signed, for nodes that check a signature by what they are sent. */
export const asSigned = (memory: Memory): Memory => {
  const text = memory.metadata[SIGNED_AT]
  return typeof text === "string" && Option.contains(Stamp.parse(text), memory.created_at)
    ? { ...memory, created_at: text }
    : memory
}

/** The key of an agent, as the metadata of the memory says that registers it. */
export const keyOf = ({ [KEY]: key }: Metadata): string | undefined => typeof key === "string" ? key : undefined

export const withoutKey = (metadata: Metadata): Metadata => without(metadata, [KEY])

/** Metadata that says the key. */
export const withKey = (metadata: Metadata, key: string | undefined): Metadata =>
  key === undefined ? metadata : { ...metadata, [KEY]: key }

const without = (metadata: Metadata, names: ReadonlyArray<string>): Metadata =>
  names.some((name) => Object.hasOwn(metadata, name))
    ? Object.fromEntries(Object.entries(metadata).filter(([name]) => !names.includes(name)))
    : metadata

const only = (metadata: Metadata, names: ReadonlyArray<string>): Metadata =>
  Object.fromEntries(Object.entries(metadata).filter(([name]) => names.includes(name)))
