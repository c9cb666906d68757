import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as AgentId from "../domain/AgentId.js"
import { type PublicKey, publicKeyOf, type Signer, signerOf } from "./ed25519.js"
import * as smallFile from "./smallFile.js"

/*
 * Keys of nodes and agents in a folder, in the files of the original (identity.md 1.6): `<id>.pub`, 32 bytes as they are, and
 * for who has the secret `<id>.priv`, the 32 bytes of its seed. An id with slashes is a path below the folder.
 */

/** A key in the folder. */
export interface Held {
  readonly id: string
  readonly publicKey: PublicKey
  /** None of somebody else's key. */
  readonly signer: Option.Option<Signer>
}

/** A key, or the folder itself, can not be used. */
export class KeyUnusable extends Data.TaggedError("KeyUnusable")<{ readonly path: string; readonly problem: string }> {
  override get message() {
    return `${this.path}: ${this.problem}`
  }
}

/** Ids that no node and no client may have. */
const RESERVED: ReadonlySet<string> = new Set([
  "daemon",
  "system",
  "federation-catchup",
  "subscription-dispatch",
  "ai:http-internal",
  "ai:migrate",
  "export-internal",
  "governance-internal"
])

/** Whether this may name who speaks. */
export const isSpeaker = (id: string): boolean => isKeyName(id) && !RESERVED.has(id)

/** Whether this may name a key: an id of an agent that leads to no place outside of the folder, and to none of another id. */
export const isKeyName = (id: string): boolean =>
  AgentId.is(id) && !id.includes("..") && id.split("/").every((part) => part !== "" && part !== ".")

/** Of a key, and of its seed. */
const KEY_BYTES = 32
const OTHERS = 0o077
const OTHERS_WRITE = 0o022

/** The key of an id; none where there is none. A secret that others can read, or that is another key's, makes it unusable. */
export const load = (folder: string, id: string): Either.Either<Option.Option<Held>, KeyUnusable> =>
  Either.gen(function*() {
    if (!isKeyName(id)) return Option.none()
    const file = path.join(folder, `${id}.pub`)
    const raw = yield* readIfThere(file)
    if (raw === undefined) return Option.none()
    for (const each of foldersOf(folder, id)) yield* checkFolder(each)
    const publicKey = publicKeyOf(raw)
    if (Option.isNone(publicKey)) return yield* unusable(file, "not the 32 bytes of a public key of Ed25519")
    const signer = yield* signerAt(path.join(folder, `${id}.priv`))
    if (Option.isSome(signer) && !signer.value.publicKey.raw.equals(publicKey.value.raw)) {
      return yield* unusable(file, "not the key of the secret beside it")
    }
    return Option.some({ id, publicKey: publicKey.value, signer })
  })

/** The folder, and those in it that lead to an id with slashes. */
const foldersOf = (folder: string, id: string): ReadonlyArray<string> =>
  id.split("/").map((_, at, parts) => path.join(folder, ...parts.slice(0, at)))

const signerAt = (file: string): Either.Either<Option.Option<Signer>, KeyUnusable> =>
  Either.gen(function*() {
    const seed = yield* readIfThere(file)
    if (seed === undefined) return Option.none()
    if (((yield* modeOf(file)) & OTHERS) !== 0) {
      return yield* unusable(
        file,
        "others can read it; take that away with chmod 600, and make a new one if anybody did"
      )
    }
    const signer = signerOf(seed)
    return Option.isSome(signer) ? signer : yield* unusable(file, "not the 32 bytes of a secret key of Ed25519")
  })

/** Whoever can write into it can enrol keys. */
export const checkFolder = (folder: string): Either.Either<void, KeyUnusable> =>
  Either.flatMap(modeOf(folder), (mode) =>
    (mode & OTHERS_WRITE) === 0
      ? Either.void
      : unusable(folder, "others can write into it; take that away with chmod go-w"))

const modeOf = (where: string) => attempt(where, () => fs.statSync(where).mode)

/** All keys that lie in the folder itself, by their ids. */
export const list = (folder: string): Either.Either<ReadonlyArray<Held>, KeyUnusable> =>
  Either.gen(function*() {
    const names = yield* attempt(folder, () => fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [])
    const held: Array<Held> = []
    for (const name of names.filter((each) => each.endsWith(".pub"))) {
      held.push(...Option.toArray(yield* load(folder, name.slice(0, -".pub".length))))
    }
    return held
  })

/** Whether there is a key in it of which the secret is not, or a folder, for ids with slashes. */
export const hasOthers = (folder: string): Either.Either<boolean, KeyUnusable> =>
  attempt(folder, () => {
    const found = fs.existsSync(folder) ? fs.readdirSync(folder, { withFileTypes: true }) : []
    const names = new Set(found.map(({ name }) => name))
    return found.some((each) =>
      each.isDirectory() || (each.name.endsWith(".pub") && !names.has(each.name.replace(/pub$/, "priv")))
    )
  })

/** A new key with its secret. Takes the place of another one only where that is said. */
export const generate = (
  folder: string,
  id: string,
  options: { readonly replace: boolean }
): Either.Either<Held, KeyUnusable> => save(folder, id, { seed: randomBytes(32), replace: options.replace })

/** Enrols a key: that of another one, or with its seed one's own. */
export const save = (
  folder: string,
  id: string,
  given: { readonly raw?: Uint8Array; readonly seed?: Uint8Array; readonly replace: boolean }
): Either.Either<Held, KeyUnusable> =>
  Either.gen(function*() {
    const { raw, replace, seed } = given
    const file = path.join(folder, `${id}.pub`)
    const signer = seed === undefined ? Option.none() : signerOf(seed)
    if (seed !== undefined && Option.isNone(signer)) return yield* unusable(file, "the secret is not one of 32 bytes")
    const publicKey = raw === undefined ? Option.map(signer, (own) => own.publicKey) : publicKeyOf(raw)
    if (Option.isNone(publicKey)) return yield* unusable(file, "what was given is no public key of Ed25519 of 32 bytes")
    if (Option.isSome(signer) && !signer.value.publicKey.raw.equals(publicKey.value.raw)) {
      return yield* unusable(file, "the secret that was given is another key's")
    }
    if (!replace && fs.existsSync(file)) {
      return yield* unusable(file, "there is a key of this id already: --force replaces it")
    }
    yield* attempt(file, () => {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
      const secret = path.join(folder, `${id}.priv`)
      // A secret of the key of before would make the new one unusable.
      fs.rmSync(secret, { force: true })
      if (seed !== undefined) {
        fs.writeFileSync(secret, seed, { mode: 0o600, flag: "wx" })
      }
      fs.writeFileSync(file, publicKey.value.raw, { mode: 0o644 })
    })
    return { id, publicKey: publicKey.value, signer }
  })

const readIfThere = (file: string): Either.Either<Buffer | undefined, KeyUnusable> =>
  attempt(file, () => {
    try {
      return smallFile.read(file, KEY_BYTES)
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw cause
    }
  })

/** All other errors may be of one that is there. */
const isMissing = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")

const unusable = (where: string, problem: string) => Either.left(new KeyUnusable({ path: where, problem }))

export const attempt = <A>(where: string, what: () => A): Either.Either<A, KeyUnusable> =>
  Either.try({
    try: what,
    catch: (cause) =>
      new KeyUnusable({ path: where, problem: cause instanceof Error ? cause.message : "can not be used" })
  })
