import * as Either from "effect/Either"
import * as fs from "node:fs"
import * as path from "node:path"
import { type PublicKey, publicKeyOf } from "./ed25519.js"
import * as keyDirectory from "./keyDirectory.js"
import * as smallFile from "./smallFile.js"

/** Whose word on keys counts. */
export interface TrustBundle {
  /** Empty: of any. */
  readonly domain: string
  /** The keys of issuers by their ids. */
  readonly anchors: ReadonlyMap<string, PublicKey>
}

export const none: TrustBundle = { domain: "", anchors: new Map() }

const SUFFIX = ".pub"
const KEY_BYTES = 32
const MAX_ANCHORS = 1_024

/** The files of a folder that may be keys of issuers (identity.md 5.1): `<id>.pub`, none of them below it. */
export const filesOf = (folder: string): ReadonlyArray<string> =>
  fs.existsSync(folder)
    ? fs.readdirSync(folder).filter((name) => name.endsWith(SUFFIX)).sort().slice(0, MAX_ANCHORS)
      .map((name) => path.join(folder, name))
    : []

/**
 * What is in the folder; a file that is no key is told and passed over. Whoever can write into the folder could issue
 * credentials, so then nothing in it counts.
 */
export const load = (
  folder: string,
  domain: string,
  onUnusable: (problem: string) => void
): Either.Either<TrustBundle, keyDirectory.KeyUnusable> =>
  Either.gen(function*() {
    if (!fs.existsSync(folder)) return { domain, anchors: new Map<string, PublicKey>() }
    yield* keyDirectory.checkFolder(folder)
    const files = yield* keyDirectory.attempt(folder, () => filesOf(folder))
    const anchors = new Map<string, PublicKey>()
    for (const file of files) {
      const key = Either.flatMap(
        keyDirectory.attempt(file, () => smallFile.read(file, KEY_BYTES)),
        (raw) =>
          Either.fromOption(publicKeyOf(raw), () =>
            new keyDirectory.KeyUnusable({ path: file, problem: "not the 32 bytes of a public key of Ed25519" }))
      )
      if (Either.isRight(key)) {
        anchors.set(path.basename(file, SUFFIX), key.right)
      } else onUnusable(key.left.message)
    }
    return { domain, anchors }
  })
