import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hash, randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Signer, signerOf } from "../access/ed25519.js"
import * as keyFile from "../access/keyFile.js"
import * as smallFile from "../access/smallFile.js"
import * as flags from "./flags.js"
import { BadUsage } from "./report.js"

/*
 * The key of the operator, in the files of the original: the 32 bytes of its seed, and beside them the public key in base64.
 */

const PUBLIC = "operator-pubkey"
const PUBLIC_FILE = `${PUBLIC}-file`
const END = ".pub"

/** Where it is, if nothing else is said. */
const usual = (): string => {
  const { XDG_CONFIG_HOME: xdg } = process.env
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), ".config")
  return path.join(base, "quorate", "operator.key")
}

/** The public key by the configuration: that which a node would have. */
export const publicText = (...groups: ReadonlyArray<flags.Flags>) =>
  Effect.gen(function*() {
    const text = yield* flags.textOf(PUBLIC, ...groups)
    if (Option.isSome(text)) return text
    const file = yield* flags.textOf(PUBLIC_FILE, ...groups)
    return yield* Effect.transposeMapOption(file, (name) => attempt(name, () => fs.readFileSync(name, "utf8").trim()))
  })

/**
 * What a change is signed by. Where nodes have a public key of an operator, what is not signed does not count: then it must be
 * asked for. Where there is none, it need not.
 */
export const signerFor = (
  verb: string,
  given: { readonly sign: boolean; readonly operatorKey: Option.Option<string> },
  ...groups: ReadonlyArray<flags.Flags>
) =>
  Effect.gen(function*() {
    const known = yield* publicText(...groups)
    if (!given.sign) {
      return Option.isNone(known)
        ? Option.none<Signer>()
        : yield* new BadUsage({ problem: `governance.no_operator_key: rules ${verb} requires --sign` })
    }
    const publicFile = yield* flags.textOf(PUBLIC_FILE, ...groups)
    const file = Option.getOrElse(given.operatorKey, () =>
      Option.match(publicFile, {
        onNone: usual,
        onSome: (name) => name.endsWith(END) ? name.slice(0, -END.length) : usual()
      }))
    const signer = yield* secretOf(file)
    if (Option.exists(known, (text) => text !== textOf(signer) && text !== standardOf(signer))) {
      return yield* new BadUsage({ problem: `${file}: this is not the key that nodes know as the operator's` })
    }
    return Option.some(signer)
  })

const textOf = ({ publicKey }: Signer): string => publicKey.raw.toString("base64url")
const standardOf = ({ publicKey }: Signer): string => publicKey.raw.toString("base64")

const SEED_BYTES = 32

const secretOf = (file: string): Effect.Effect<Signer, BadUsage> =>
  Effect.gen(function*() {
    if (!fs.existsSync(file)) {
      return yield* new BadUsage({
        problem: `governance.no_operator_key: there is no ${file}; quorate rules keygen makes it`
      })
    }
    const { mode, seed } = yield* attempt(file, () => ({
      seed: smallFile.read(file, SEED_BYTES),
      mode: fs.statSync(file).mode
    }))
    if ((mode & 0o077) !== 0) {
      return yield* new BadUsage({ problem: `${file}: others can read it; take that away with chmod 600` })
    }
    const signer = signerOf(seed)
    return Option.isSome(signer)
      ? signer.value
      : yield* new BadUsage({ problem: `${file}: not the 32 bytes of a secret key of Ed25519` })
  })

const out = Options.text("out").pipe(
  Options.withPseudoName("file"),
  Options.withDescription(
    "The secret key; the public one is put beside it. Default: $XDG_CONFIG_HOME/quorate/operator.key."
  ),
  Options.optional
)
const force = Options.boolean("force").pipe(
  Options.withDescription("Replace the key that is there: what it signed does not count any more.")
)

export const keygen = Command.make("keygen", { out, force }, (given) =>
  Effect.gen(function*() {
    const file = Option.getOrElse(given.out, usual)
    const publicFile = `${file}${END}`
    const isThere = [file, publicFile].some((each) => fs.existsSync(each))
    if (isThere && !given.force) {
      return yield* new BadUsage({ problem: `${file}: there is a key already: --force replaces it` })
    }
    const seed = randomBytes(SEED_BYTES)
    const { publicKey } = Option.getOrThrow(signerOf(seed))
    yield* attempt(file, () => {
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
      for (const each of [file, publicFile]) fs.rmSync(each, { force: true })
      fs.writeFileSync(file, seed, { mode: 0o600, flag: "wx" })
      fs.writeFileSync(publicFile, publicKey.raw.toString("base64url"), { mode: 0o644, flag: "wx" })
    })
    const fingerprint = hash("sha256", publicKey.raw).slice(0, FINGERPRINT_DIGITS)
    yield* Console.log(JSON.stringify({ fingerprint, path: file, public_path: publicFile }, null, 2))
  })).pipe(Command.withDescription("Make the key of the operator."))

const FINGERPRINT_DIGITS = 16

const attempt = <A>(file: string, what: () => A): Effect.Effect<A, BadUsage> =>
  Effect.try({ try: what, catch: (cause) => new BadUsage({ problem: `${file}: ${keyFile.problemOf(cause)}` }) })
