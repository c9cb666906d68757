import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as path from "node:path"
import { attempt, isSpeaker, KeyUnusable } from "./keyDirectory.js"
import * as smallFile from "./smallFile.js"

/*
 * The folder of a node: all that the node shows to others, and whom it believes.
 */

/** What stands where in it. */
const names = {
  node: "node.json",
  keys: "keys",
  credential: "credential",
  certificate: "tls.pem",
  secret: "tls.key",
  authorities: "ca.pem",
  trust: "trust",
  revocations: "revocations"
} as const

/** Whose folder it is. */
const Node = Schema.Struct({
  node_id: Schema.String.pipe(Schema.filter(isSpeaker)),
  trust_domain: Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]{1,255}$/))
})

const MAX_BYTES = 4_096
const decode = Schema.decodeUnknownEither(Schema.parseJson(Node))

/** What the folder says, as texts of settings by their names. */
export const settingsOf = (
  folder: string
): Either.Either<ReadonlyArray<readonly [name: string, text: string]>, KeyUnusable> =>
  Either.gen(function*() {
    const file = path.join(folder, names.node)
    const bytes = yield* attempt(file, () => smallFile.read(file, MAX_BYTES))
    const { node_id, trust_domain } = yield* Either.mapLeft(
      decode(bytes.toString("utf8")),
      () => new KeyUnusable({ path: file, problem: "it does not say whose folder this is" })
    )
    const at = (name: keyof typeof names) => path.join(folder, names[name])
    return [
      ["node-id", node_id],
      ["key-dir", at("keys")],
      ["credential-file", at("credential")],
      ["trust-bundle-dir", at("trust")],
      ["trust-domain", trust_domain],
      ["revocations-file", at("revocations")],
      ["require-signatures", "all"],
      ["tls-cert", at("certificate")],
      ["tls-key", at("secret")],
      ["quorum-client-cert", at("certificate")],
      ["quorum-client-key", at("secret")],
      ["quorum-ca-cert", at("authorities")],
      ["mtls-client-ca", at("authorities")]
    ]
  })
