import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"
import * as keyDirectory from "./keyDirectory.js"
import { attempt, isSpeaker, KeyUnusable } from "./keyDirectory.js"
import * as smallFile from "./smallFile.js"
import * as wholeFile from "./wholeFile.js"

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

type Node = typeof Node.Type

/** Whose folder it is; none where there is no such folder. */
export const nodeOf = (folder: string): Either.Either<Node | undefined, KeyUnusable> => {
  const file = path.join(folder, names.node)
  return fs.existsSync(file) ? readNode(file) : Either.right(undefined)
}

const readNode = (file: string): Either.Either<Node, KeyUnusable> =>
  Either.flatMap(attempt(file, () => smallFile.read(file, MAX_BYTES)), (bytes) =>
    Either.mapLeft(
      decode(bytes.toString("utf8")),
      () => new KeyUnusable({ path: file, problem: "it does not say whose folder this is" })
    ))

/** The key in it, by which the node signs. */
export const keyOf = (folder: string, nodeId: string) => keyDirectory.load(path.join(folder, names.keys), nodeId)

/** A new key, in the place of the one before. */
export const makeKey = (folder: string, nodeId: string) =>
  keyDirectory.generate(path.join(folder, names.keys), nodeId, { replace: true })

/** What an authority gives to a node. */
interface Given extends Node {
  /** A header. */
  readonly credential: string
  readonly certificate: string
  readonly secret: string
  /** The certificates of authorities. */
  readonly authorities: string
  readonly issuer: { readonly name: string; readonly raw: Uint8Array }
}

/** Puts it into the folder, each file as a whole. Revocations that are there stay. */
export const put = (folder: string, given: Given): Either.Either<void, KeyUnusable> =>
  attempt(folder, () => {
    const write = (name: string, content: string | Uint8Array, mode = 0o644) =>
      wholeFile.write(path.join(folder, name), content, mode)
    fs.mkdirSync(path.join(folder, names.trust), { recursive: true, mode: 0o755 })
    write(path.join(names.trust, `${given.issuer.name}.pub`), given.issuer.raw)
    write(names.authorities, given.authorities)
    write(names.secret, given.secret, 0o600)
    write(names.certificate, given.certificate)
    write(names.credential, `${given.credential}\n`)
    if (!fs.existsSync(path.join(folder, names.revocations))) write(names.revocations, "")
    write(names.node, `${JSON.stringify({ node_id: given.node_id, trust_domain: given.trust_domain })}\n`)
  })

/** What the folder says, as texts of settings by their names. */
export const settingsOf = (
  folder: string
): Either.Either<ReadonlyArray<readonly [name: string, text: string]>, KeyUnusable> =>
  Either.gen(function*() {
    const { node_id, trust_domain } = yield* readNode(path.join(folder, names.node))
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
