import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Issuer } from "./credential.js"
import * as keyDirectory from "./keyDirectory.js"
import { attempt, KeyUnusable } from "./keyDirectory.js"
import * as revocation from "./revocation.js"
import * as Revocations from "./Revocations.js"
import * as smallFile from "./smallFile.js"
import type { TrustBundle } from "./trustBundle.js"
import * as wholeFile from "./wholeFile.js"
import * as x509 from "./x509.js"

/*
 * The folder of an authority: by its key of P-256 it issues certificates of TLS, by that of Ed25519 credentials and revocations. It
 * knows what it has issued, and belongs on no node.
 */

/** What stands where in it. */
const names = {
  authority: "authority.json",
  certificate: "ca.pem",
  secret: "ca.key",
  keys: "keys",
  issued: "issued.json",
  revocations: "revocations"
} as const

const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/))
const TrustDomain = Schema.String.pipe(Schema.pattern(/^[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?$/))
export const isName = Schema.is(Name)
export const isTrustDomain = Schema.is(TrustDomain)

const About = Schema.Struct({
  name: Name,
  trust_domain: TrustDomain,
  /** In milliseconds since 1970. */
  ends_at: Schema.Int
})

/** One certificate of a node, with the credential that went with it. */
const Issued = Schema.Struct({
  node_id: Schema.String,
  /** 32 bytes in hex. */
  key: Schema.String,
  /** SHA-256 of the certificate in hex. */
  certificate: Schema.String,
  hosts: Schema.Array(Schema.String),
  issued_at: Schema.Int,
  ends_at: Schema.Int
})
type Issued = typeof Issued.Type

const MAX_ABOUT_BYTES = 4_096
const MAX_ISSUED_BYTES = 16 * 1024 * 1024
const MAX_REVOCATIONS_BYTES = 2 * 1024 * 1024
const MAX_PEM_BYTES = 64 * 1024

export interface Authority {
  readonly folder: string
  readonly name: string
  readonly trustDomain: string
  readonly endsAt: number
  readonly issuer: Issuer
  /** In PEM. */
  readonly pair: x509.Pair
  readonly issued: ReadonlyArray<Issued>
  readonly revocations: Revocations.Revocations
}

/** The file of all that it has revoked. */
export const revocationsOf = (folder: string): string => path.join(folder, names.revocations)

export const exists = (folder: string): boolean => fs.existsSync(path.join(folder, names.authority))

/** What is about to be made in a folder, which is there as a whole or not at all. */
export const whole = <A, E>(
  folder: string,
  make: (next: string) => Effect.Effect<A, E>
): Effect.Effect<A, E | KeyUnusable> => {
  const next = `${folder.replace(/\/+$/, "")}.new`
  return Effect.acquireUseRelease(
    attempt(next, () => {
      fs.mkdirSync(path.dirname(next), { recursive: true })
      fs.mkdirSync(next, { mode: 0o700 })
    }),
    () =>
      Effect.tap(make(next), () =>
        attempt(folder, () => {
          if (fs.existsSync(folder) && fs.readdirSync(folder).length > 0) {
            throw new Error("there are other things in this folder: name one that is empty or not there")
          }
          fs.renameSync(next, folder)
        })),
    () => Effect.sync(() => fs.rmSync(next, { recursive: true, force: true }))
  )
}

interface Wanted {
  readonly name: string
  readonly trustDomain: string
  readonly notBefore: number
  readonly notAfter: number
}

/** A new authority, with new keys. */
export const create = (folder: string, wanted: Wanted): Effect.Effect<Authority, KeyUnusable | x509.NotIssued> =>
  whole(folder, (next) =>
    Effect.gen(function*() {
      const pair = yield* x509.makeAuthority({ ...wanted, name: `${wanted.name} of ${wanted.trustDomain}` })
      yield* keyDirectory.generate(path.join(next, names.keys), wanted.name, { replace: false })
      yield* attempt(next, () => {
        fs.writeFileSync(path.join(next, names.secret), pair.key, { mode: 0o600, flag: "wx" })
        fs.writeFileSync(path.join(next, names.certificate), pair.certificate, { flag: "wx" })
        fs.writeFileSync(path.join(next, names.revocations), "", { flag: "wx" })
        fs.writeFileSync(path.join(next, names.issued), "[]\n", { mode: 0o600, flag: "wx" })
        const about = { name: wanted.name, trust_domain: wanted.trustDomain, ends_at: wanted.notAfter }
        fs.writeFileSync(path.join(next, names.authority), `${JSON.stringify(about)}\n`, { flag: "wx" })
      })
    })).pipe(Effect.zipRight(Effect.suspend(() => read(folder))))

/** The one that is there. Fails where there is none, and where others can read its secrets. */
export const read = (folder: string): Either.Either<Authority, KeyUnusable> =>
  Either.gen(function*() {
    const { ends_at, name, trust_domain } = yield* decoded(path.join(folder, names.authority), MAX_ABOUT_BYTES, About)
    const held = yield* keyDirectory.load(path.join(folder, names.keys), name)
    const key = yield* Either.fromOption(held, () =>
      problemAt(folder, names.keys, "the key of the authority is not there"))
    const signer = yield* Either.fromOption(
      key.signer,
      () =>
        problemAt(folder, names.keys, "the secret of the authority is not there")
    )
    const secret = path.join(folder, names.secret)
    if (((yield* attempt(secret, () => fs.statSync(secret).mode)) & 0o077) !== 0) {
      return yield* Either.left(
        new KeyUnusable({ path: secret, problem: "others can read it; take that away with chmod 600" })
      )
    }
    const bundle: TrustBundle = { domain: trust_domain, anchors: new Map([[name, key.publicKey]]) }
    const revocations = Revocations.make(() => bundle)
    revocations.add(revocation.linesOf(yield* textAt(revocationsOf(folder), MAX_REVOCATIONS_BYTES)))
    return {
      folder,
      name,
      trustDomain: trust_domain,
      endsAt: ends_at,
      issuer: { id: name, signer },
      pair: {
        key: yield* textAt(secret, MAX_PEM_BYTES),
        certificate: yield* textAt(path.join(folder, names.certificate), MAX_PEM_BYTES)
      },
      issued: yield* decoded(path.join(folder, names.issued), MAX_ISSUED_BYTES, Schema.Array(Issued)),
      revocations
    }
  })

/** Writes down what was issued: before it is given away, so that it can be revoked in any case. */
export const remember = ({ folder, issued }: Authority, one: Issued): Either.Either<void, KeyUnusable> => {
  const file = path.join(folder, names.issued)
  return attempt(file, () => wholeFile.write(file, `${JSON.stringify([...issued, one], null, 1)}\n`, 0o600))
}

/** The keys of a node that are good, each with its certificates. */
export const goodKeysOf = (
  { issued, revocations }: Authority,
  nodeId: string
): ReadonlyMap<string, ReadonlyArray<Issued>> => {
  const found = new Map<string, ReadonlyArray<Issued>>()
  for (const one of issued) {
    if (one.node_id !== nodeId || revocations.isKey(Buffer.from(one.key, "hex"))) continue
    found.set(one.key, [...found.get(one.key) ?? [], one])
  }
  return found
}

/** The certificates that a revocation names: those that have not ended, the latest of them. */
const MAX_CERTIFICATES = 64

/** Says of all keys of a node that they are not good any more, and answers what it said. */
export const revoke = (
  authority: Authority,
  { lastValid, nodeId, nowMillis }: {
    readonly nodeId: string
    readonly lastValid: ReadonlyMap<string, number>
    readonly nowMillis: number
  }
): Either.Either<ReadonlyArray<string>, KeyUnusable> => {
  const file = revocationsOf(authority.folder)
  return Either.gen(function*() {
    const texts = Array.from(goodKeysOf(authority, nodeId), ([key, certificates]) =>
      revocation.issue({
        at: Math.floor(nowMillis / 1_000),
        certificates: certificates.filter(({ ends_at }) => ends_at > nowMillis).slice(-MAX_CERTIFICATES)
          .map(({ certificate }) => certificate),
        key,
        lastValid,
        nodeId,
        trustDomain: authority.trustDomain
      }, authority.issuer))
    if (texts.length > 0) yield* append(file, nodeId, texts)
    return texts
  })
}

/** Adds what was said of a node to a file of revocations. */
export const append = (
  file: string,
  nodeId: string,
  texts: ReadonlyArray<string>
): Either.Either<void, KeyUnusable> =>
  Either.gen(function*() {
    const before = fs.existsSync(file) ? yield* textAt(file, MAX_REVOCATIONS_BYTES) : ""
    const lines = before === "" || before.endsWith("\n") ? before : `${before}\n`
    yield* attempt(file, () => wholeFile.write(file, `${lines}# ${nodeId}\n${texts.join("\n")}\n`, 0o644))
  })

const problemAt = (folder: string, name: string, problem: string) =>
  new KeyUnusable({ path: path.join(folder, name), problem })

const textAt = (file: string, mostBytes: number) =>
  attempt(file, () => smallFile.read(file, mostBytes).toString("latin1"))

const decoded = <A, I>(file: string, mostBytes: number, schema: Schema.Schema<A, I>) =>
  Either.flatMap(
    attempt(file, () => smallFile.read(file, mostBytes).toString("utf8")),
    (text) =>
      Either.mapLeft(
        Schema.decodeUnknownEither(Schema.parseJson(schema))(text),
        () => new KeyUnusable({ path: file, problem: "it is not what quorate ca writes there" })
      )
  )

/** Of one node its latest certificate. */
export const latestOf = ({ issued }: Authority, nodeId: string): Option.Option<Issued> =>
  Option.fromNullable(issued.filter((one) => one.node_id === nodeId).at(-1))
