import * as Option from "effect/Option"
import { hash } from "node:crypto"
import { encodeCovers, type Operation } from "./Operation.js"

/*
 * By its seal an operation is known to be of its author, whoever passes it on (ADR 0030). A node signs what it writes in one
 * commit together: the root of a tree over the operations (RFC 9162, 2.1), and each operation carries that signature with the
 * hashes on its way to the root. A seal is no part of the operation: its hash is the same with and without.
 */

/** Operations under one signature at most. */
export const MAX_LEAVES = 256
/** Characters of the longest seal. */
export const MAX_SEAL_CHARS = 476

/** A seal, taken apart. */
export interface Seal {
  /** The public key of its author: 64 hex digits. */
  readonly key: string
  readonly signature: Buffer
  /** How many operations were signed together, and which of them this is. */
  readonly count: number
  readonly index: number
  /** The hashes beside the way to the root, from the leaf on. */
  readonly proof: ReadonlyArray<Buffer>
}

/** Who signs. */
interface Sealer {
  readonly publicKey: { readonly raw: Buffer }
  readonly sign: (message: Uint8Array) => Buffer
}

/** What a seal says of an operation. Whoever has no more than that of it can check the seal all the same. */
export interface Sealed extends Pick<Operation, "origin" | "oseq" | "hlc" | "hash"> {
  /** 64 hex digits: see `detailOf`. */
  readonly detail: string
}

const HASH_BYTES = 32
const SIGNATURE_BYTES = 64
const HEAD_BYTES = 3
const PROOF_AT = HEAD_BYTES + HASH_BYTES + SIGNATURE_BYTES
const VERSION = 1
const NODE = Buffer.of(1)

const sha256 = (data: Uint8Array | string): Buffer => hash("sha256", data, "buffer")
const prefixed = (fields: ReadonlyArray<string>): string =>
  fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join("")

/** What an operation is about, and what it ends. */
export const detailOf = ({ covers, entity, kind }: Pick<Operation, "kind" | "entity" | "covers">): string =>
  hash("sha256", prefixed([kind, entity, encodeCovers(covers)]), "hex")

/** An operation as a leaf of the tree. */
export const leafOf = ({ detail, hash: own, hlc, origin, oseq }: Sealed): Buffer =>
  sha256(prefixed(["quorate leaf 1", origin, String(oseq), hlc, own, detail]))

const leafOfOperation = (operation: Operation): Buffer => leafOf({ ...operation, detail: detailOf(operation) })

/** No leaf begins like it. */
const nodeOf = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.concat([NODE, left, right]))

/** What is signed: it begins as no message between nodes does, which the same key signs. */
export const signedBytes = (author: string, root: Buffer, count: number): Buffer =>
  Buffer.from(prefixed(["quorate seal 1", author, root.toString("hex"), String(count)]))

/** The seals of operations of one author, at most `MAX_LEAVES`, in their order and as they stand on the wire. */
export const make = (operations: ReadonlyArray<Operation>, author: string, sealer: Sealer): ReadonlyArray<string> => {
  const count = operations.length
  if (count === 0) return []
  const proofs: ReadonlyArray<Array<Buffer>> = operations.map(() => [])
  const root = grow(operations.map(leafOfOperation), proofs, 0, count)
  const signature = sealer.sign(signedBytes(author, root, count))
  return proofs.map((proof, index) =>
    Buffer.concat([Buffer.of(VERSION, count - 1, index), sealer.publicKey.raw, signature, ...proof]).toString("base64")
  )
}

/** The root over some of the leaves; each gets to know what stands beside its way there. */
const grow = (
  leaves: ReadonlyArray<Buffer>,
  proofs: ReadonlyArray<Array<Buffer>>,
  from: number,
  to: number
): Buffer => {
  const only = leaves[from]
  if (to - from === 1 && only !== undefined) return only
  const middle = from + 2 ** Math.floor(Math.log2(to - from - 1))
  const left = grow(leaves, proofs, from, middle)
  const right = grow(leaves, proofs, middle, to)
  proofs.slice(from, middle).forEach((proof) => proof.push(right))
  proofs.slice(middle, to).forEach((proof) => proof.push(left))
  return nodeOf(left, right)
}

/** Takes a seal apart; none of what is no seal. Base64 has one form: what decodes, and encodes to something else, is none. */
export const read = (text: string): Option.Option<Seal> => {
  if (text.length > MAX_SEAL_CHARS) return Option.none()
  const bytes = Buffer.from(text, "base64")
  const [version, last = 0, index = 0] = bytes
  const steps = (bytes.length - PROOF_AT) / HASH_BYTES
  if (version !== VERSION || index > last || steps < 0 || !Number.isInteger(steps)) return Option.none()
  if (bytes.toString("base64") !== text) return Option.none()
  return Option.some({
    key: bytes.toString("hex", HEAD_BYTES, HEAD_BYTES + HASH_BYTES),
    signature: bytes.subarray(HEAD_BYTES + HASH_BYTES, PROOF_AT),
    count: last + 1,
    index,
    proof: Array.from(
      { length: steps },
      (_, at) => bytes.subarray(PROOF_AT + at * HASH_BYTES, PROOF_AT + (at + 1) * HASH_BYTES)
    )
  })
}

/** The root that the seal's signature must be of, where it is this operation's; null where its proof leads to none. */
export const rootOf = ({ count, index, proof }: Seal, leaf: Buffer): Buffer | null => {
  let [at, last, root] = [index, count - 1, leaf]
  for (const beside of proof) {
    if (last === 0) return null
    if (at % 2 === 1 || at === last) {
      root = nodeOf(beside, root)
      while (at % 2 === 0 && at !== 0) [at, last] = [at >> 1, last >> 1]
    } else root = nodeOf(root, beside)
    ;[at, last] = [at >> 1, last >> 1]
  }
  return last === 0 ? root : null
}

/** Whose seal an operation is to have: the root, and what is signed of it. */
export const rootOfOperation = (seal: Seal, operation: Operation): Buffer | null =>
  rootOf(seal, leafOfOperation(operation))
