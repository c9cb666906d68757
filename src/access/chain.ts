import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as cbor from "./cbor.js"
import * as credential from "./credential.js"
import type { PublicKey } from "./ed25519.js"
import * as envelope from "./envelope.js"
import type { TrustBundle } from "./trustBundle.js"

/*
 * Credentials of issuers between an issuer of the bundle and a node (identity.md 4). Each says only what is within its own name.
 */

export const CHAIN = "x-memory-cred-chain"

/** Credentials from an issuer of the bundle to a node, both with it. */
const MAX_DEPTH = 2

/** The credentials between, that of the issuer of the bundle first; in their header. */
export const headerOf = (between: ReadonlyArray<Uint8Array>): string => envelope.print(cbor.encode(between))

/** Reads a header. An empty chain is none. */
export const parse = (
  header: string
): Either.Either<ReadonlyArray<credential.Credential>, credential.Problem> =>
  envelope.parse(header).pipe(
    Option.flatMap(cbor.decode),
    Option.filter((list): list is ReadonlyArray<Uint8Array> =>
      Array.isArray(list) && list.every((one) => one instanceof Uint8Array)
    ),
    Either.fromOption(() => MALFORMED),
    Either.flatMap((list) => Either.all(list.map(credential.ofBytes))),
    Either.mapLeft(() => MALFORMED)
  )

const MALFORMED: credential.Problem = "credential_malformed"

/** The key of the node that the last one is of. */
export const verify = (
  leaf: credential.Credential,
  between: ReadonlyArray<credential.Credential>,
  bundle: TrustBundle,
  nowSeconds: number
): Either.Either<PublicKey, credential.Problem> =>
  Either.gen(function*() {
    if (between.length + 1 > MAX_DEPTH) return yield* Either.left<credential.Problem>("chain_too_deep")
    const [first = leaf, ...rest] = [...between, leaf]
    yield* credential.check(first, bundle, nowSeconds)
    let parent = first
    for (const child of rest) {
      yield* checkLink(parent, child, nowSeconds)
      parent = child
    }
    return yield* credential.subjectKeyOf(leaf)
  })

const checkLink = (
  parent: credential.Credential,
  child: credential.Credential,
  nowSeconds: number
): Either.Either<void, credential.Problem> =>
  Either.gen(function*() {
    if (child.claims.issuerId !== parent.claims.subjectId) return yield* left("chain_name_mismatch")
    if (child.claims.trustDomain !== parent.claims.trustDomain) return yield* left("chain_domain_mismatch")
    yield* credential.checkBy(child, yield* credential.subjectKeyOf(parent), nowSeconds)
    const namespace = parent.claims.subjectId.replace(/\/ca$/, "")
    const { subjectId } = child.claims
    if (namespace === "" || subjectId === namespace || subjectId.startsWith(`${namespace}/`)) return
    return yield* left("chain_delegation_out_of_namespace")
  })

const left = (problem: credential.Problem) => Either.left(problem)
