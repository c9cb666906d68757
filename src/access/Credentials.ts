import * as Either from "effect/Either"
import * as chain from "./chain.js"
import * as credential from "./credential.js"
import type { PublicKey } from "./ed25519.js"
import type { Revocations } from "./Revocations.js"
import type { TrustBundle } from "./trustBundle.js"

/** The keys of nodes by the credentials that they show. */
export interface Credentials {
  /**
   * The key of this node, as an issuer of the bundle says by what it showed. None where it showed nothing, or nobody is
   * trusted to say it; why not, where what it showed is no good.
   */
  readonly find: (peerId: string, shown: Shown) => Either.Either<PublicKey, credential.Problem> | undefined
}

/** The headers of a message. */
interface Shown {
  readonly credential: string | undefined
  readonly chain: string | undefined
}

interface Options {
  readonly bundle: () => TrustBundle
  readonly revocations: Revocations
  readonly nowMillis: () => number
}

/** One of them stands in each message of a node for an hour. */
interface Known {
  readonly bundle: TrustBundle
  readonly leaf: credential.Credential
  readonly between: ReadonlyArray<credential.Credential>
  readonly key: PublicKey
}

const MAX_KNOWN = 256

export const make = ({ bundle, nowMillis, revocations }: Options): Credentials => {
  const known = new Map<string, Known>()

  const verified = (shown: Shown, nowSeconds: number): Either.Either<Known, credential.Problem> =>
    Either.gen(function*() {
      const current = bundle()
      const leaf = yield* credential.parse(shown.credential ?? "")
      const between = shown.chain === undefined ? [] : yield* chain.parse(shown.chain)
      const key = yield* chain.verify(leaf, between, current, nowSeconds)
      return { bundle: current, leaf, between, key }
    })

  const find = (shown: Shown): Either.Either<Known, credential.Problem> => {
    const nowSeconds = Math.floor(nowMillis() / 1_000)
    const name = `${shown.credential ?? ""} ${shown.chain ?? ""}`
    const before = known.get(name)
    if (before !== undefined && before.bundle === bundle() && isNow(before, nowSeconds)) return Either.right(before)
    known.delete(name)
    return Either.map(verified(shown, nowSeconds), (found) => {
      known.set(name, found)
      for (const oldest of known.keys()) {
        if (known.size <= MAX_KNOWN) break
        known.delete(oldest)
      }
      return found
    })
  }

  return {
    find: (peerId, shown) => {
      if (shown.credential === undefined || bundle().anchors.size === 0) return undefined
      return Either.flatMap(find(shown), ({ between, key, leaf }) => {
        if (leaf.claims.subjectId !== peerId) return Either.left("credential_wrong_subject")
        return [leaf, ...between].some(({ claims }) => revocations.isKey(claims.subjectKey))
          ? Either.left("credential_revoked")
          : Either.right(key)
      })
    }
  }
}

const isNow = ({ between, leaf }: Known, nowSeconds: number): boolean =>
  [leaf, ...between].every((one) => credential.isNow(one, nowSeconds))

/** The same, with somebody told of what is found. */
export const observed = (
  { find }: Credentials,
  tell: (peerId: string, found: Either.Either<PublicKey, credential.Problem>, shown: Shown) => void
): Credentials => ({
  find: (peerId, shown) => {
    const found = find(peerId, shown)
    if (found !== undefined) tell(peerId, found, shown)
    return found
  }
})
