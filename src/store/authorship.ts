import * as Option from "effect/Option"
import type { Authors } from "../access/Authors.js"
import { type PublicKey, publicKeyOf, verify } from "../access/ed25519.js"
import type { Operation } from "../replication/Operation.js"
import * as seals from "../replication/seals.js"
import type { Stub } from "../replication/Stub.js"
import type { Entry } from "./deciding/Decision.js"
import * as Seals from "./log/Seals.js"

/*
 * Whether an operation is its author's, by its seal: whoever sends it may pass on what others wrote, and neither alter nor make
 * up any of it. Judged before the transaction, as it takes time.
 */

/** An operation as it came, with what speaks against it unless it is held already; null when nothing does. */
export interface Judged extends Entry {
  readonly objection: string | null
}

/** The same of one of which no more came than its name: its seal proves that, too. */
export interface JudgedStub {
  readonly stub: Stub
  readonly objection: string | null
}

/** Why an operation is not taken as its author's: the first word of what is said of it. */
export const REASONS = ["unsealed", "forged", "revoked"] as const

/** Signatures that are known to be good: all operations of a commit have the same. */
const MAX_REMEMBERED = 4_096

interface Options {
  readonly authors: Authors
  readonly sealed: () => Seals.Sealed
}

/** Judges one operation. What has a seal that is none loses it where it is taken all the same. */
export const make = ({ authors, sealed }: Options): {
  readonly entry: (entry: Entry) => Judged
  readonly stub: (stub: Stub) => JudgedStub
} => {
  const good = remembering<boolean>()
  const keys = remembering<PublicKey | null>()
  const keyOf = (hex: string) => keys(hex, () => Option.getOrNull(publicKeyOf(Buffer.from(hex, "hex"))))

  const isGood = (seal: seals.Seal, of: seals.Sealed): boolean => {
    const root = seals.rootOf(seal, seals.leafOf(of))
    if (root === null) return false
    const author = Seals.authorOf(of.origin)
    const signed = seals.signedBytes(author, root, seal.count)
    return good(`${seal.key} ${seal.signature.toString("latin1")} ${signed.toString("latin1")}`, () => {
      const key = keyOf(seal.key)
      return key !== null && verify(key, signed, seal.signature)
    })
  }

  const objectionTo = (operation: Named, sealedOf: () => seals.Sealed): string | null => {
    const { oseq, origin } = operation
    const author = Seals.authorOf(origin)
    const counting = Seals.countingKeys(authors, sealed(), origin)
    const isKnown = counting.length > 0 || authors.mustSeal(author)
    if (operation.seal === undefined) {
      if (isKnown) return `unsealed: the key of ${author} is known here, and this is not sealed with it`
      return authors.level === "all" ? `unsealed: no key of ${author} is known here` : null
    }
    const seal = Option.getOrNull(seals.read(operation.seal))
    if (seal === null) return "forged: its seal is not to be understood"
    const last = Option.getOrNull(authors.lastOf(seal.key, origin))
    if (last !== null && oseq > last) return `revoked: of ${origin} the key of its seal counts up to ${last}`
    const mayCount = last !== null || counting.includes(seal.key) || (!isKnown && authors.level !== "all")
    if (!mayCount) return `forged: its seal is made with a key that ${author} is not known to have`
    return isGood(seal, sealedOf()) ? null : "forged: its seal is that of another operation"
  }

  /** Whether it has a seal that is good. */
  const isSealed = ({ seal: text }: Named, sealedOf: () => seals.Sealed): boolean => {
    const seal = text === undefined ? null : Option.getOrNull(seals.read(text))
    return seal !== null && isGood(seal, sealedOf())
  }

  return {
    entry: (entry) => {
      const { operation } = entry
      if (authors.level === "off" && operation.seal === undefined) return { ...entry, objection: null }
      const sealedOf = () => ({ ...operation, detail: seals.detailOf(operation) })
      if (authors.level !== "off") return { ...entry, objection: objectionTo(operation, sealedOf) }
      if (isSealed(operation, sealedOf)) return { ...entry, objection: null }
      const { seal: _, ...bare } = operation
      return { ...entry, operation: bare, objection: null }
    },
    stub: (stub) => {
      const { seal: _, ...bare } = stub
      return authors.level === "off"
        ? { stub: isSealed(stub, () => stub) ? stub : bare, objection: null }
        : { stub, objection: objectionTo(stub, () => stub) }
    }
  }
}

type Named = Pick<Operation, "origin" | "oseq" | "seal">

/** Answers again what it has answered, of the latest. */
const remembering = <A>() => {
  const known = new Map<string, A>()
  return (key: string, find: () => A): A => {
    const before = known.get(key)
    if (before !== undefined) return before
    const found = find()
    known.set(key, found)
    for (const oldest of known.keys()) {
      if (known.size <= MAX_REMEMBERED) break
      known.delete(oldest)
    }
    return found
  }
}
