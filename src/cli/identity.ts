import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { readFileSync } from "node:fs"
import { publicKeyOf } from "../access/ed25519.js"
import * as keyDirectory from "../access/keyDirectory.js"
import * as keyFile from "../access/keyFile.js"
import * as flags from "./flags.js"
import { BadUsage } from "./report.js"

type Inherited<E, R> = Effect.Effect<flags.Flags, E, R>

const FOLDER = "key-dir"

/**
 * `quorate identity generate | import | list | export-pub`: the keys by which nodes sign, in the files of the original, and with
 * the words of its command.
 */
export const make = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("identity").pipe(
    Command.withDescription("The keys by which nodes sign what they say to each other."),
    Command.withSubcommands([generate(inherited), enrol(inherited), list(inherited), exportPub(inherited)])
  )

const folder = Options.text(FOLDER).pipe(
  Options.withPseudoName("folder"),
  Options.withDescription("The folder of the keys. Default: as the configuration says."),
  Options.optional
)
const json = Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a text."))
const agentId = Options.text("agent-id").pipe(
  Options.withPseudoName("id"),
  Options.withDescription("Whose key it is: the node id, for a node.")
)
const force = Options.boolean("force").pipe(Options.withDescription("Replace the key that is there."))

const generate = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("generate", { agentId, force, folder, json }, (given) =>
    Effect.gen(function*() {
      const place = yield* placeOf(given.folder, inherited)
      const { id, publicKey } = yield* keyDirectory.generate(place, yield* named(given.agentId), {
        replace: given.force
      })
      const key = publicKey.raw.toString("base64url")
      yield* Console.log(
        given.json
          ? JSON.stringify({ generated: true, agent_id: id, key_dir: place, public_key_b64: key })
          : `generated keypair for ${id}\n  key_dir = ${place}\n  pub_b64 = ${key}`
      )
    })).pipe(Command.withDescription("Make a key with its secret: by that of its id a node signs."))

const pub = Options.text("pub").pipe(
  Options.withPseudoName("file"),
  Options.withDescription("The public key: 32 bytes, or their base64.")
)
const priv = Options.text("priv").pipe(
  Options.withPseudoName("file"),
  Options.withDescription("The secret of it: 32 bytes."),
  Options.optional
)

const enrol = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("import", { agentId, pub, priv, force, folder, json }, (given) =>
    Effect.gen(function*() {
      const place = yield* placeOf(given.folder, inherited)
      const id = yield* named(given.agentId)
      if (!keyDirectory.isSpeaker(id)) {
        return yield* new BadUsage({ problem: `--agent-id: ${id} is an id that no other node may have` })
      }
      const raw = decoded(yield* fileOf(given.pub))
      if (Option.isNone(publicKeyOf(raw))) {
        return yield* new BadUsage({
          problem: `${given.pub}: this is no public key of Ed25519: 32 bytes, or their base64`
        })
      }
      const seed = Option.isSome(given.priv) ? { seed: yield* fileOf(given.priv.value) } : {}
      const { publicKey } = yield* keyDirectory.save(place, id, { raw, ...seed, replace: given.force })
      yield* Console.log(
        given.json
          ? JSON.stringify({
            imported: true,
            agent_id: id,
            key_dir: place,
            private_imported: Option.isSome(given.priv),
            public_key_b64: publicKey.raw.toString("base64url")
          })
          : `imported keypair for ${id} (private=${Option.isSome(given.priv) ? "yes" : "no"})`
      )
    })).pipe(Command.withDescription("Enrol the key of another node: from then on its messages must be signed."))

const list = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("list", { folder, json }, (given) =>
    Effect.gen(function*() {
      const place = yield* placeOf(given.folder, inherited)
      const keys = (yield* keyDirectory.list(place)).map(({ id, publicKey }) => ({
        agent_id: id,
        public_key_b64: publicKey.raw.toString("base64url")
      }))
      yield* Console.log(
        given.json
          ? JSON.stringify({ count: keys.length, key_dir: place, keys })
          : [
            ...keys.map(({ agent_id, public_key_b64 }) => `${agent_id}  ${public_key_b64}`),
            `${keys.length} keypair(s) in ${place}`
          ].join("\n")
      )
    })).pipe(Command.withDescription("Show the keys that are there."))

const exportPub = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("export-pub", { agentId, folder }, (given) =>
    Effect.gen(function*() {
      const place = yield* placeOf(given.folder, inherited)
      const id = yield* named(given.agentId)
      const held = yield* keyDirectory.load(place, id)
      if (Option.isNone(held)) return yield* new BadUsage({ problem: `there is no key of ${id} in ${place}` })
      yield* Console.log(held.value.publicKey.raw.toString("base64url"))
    })).pipe(Command.withDescription("Print a public key, to enrol it elsewhere."))

/** The folder that is named here, or else by the configuration. */
const placeOf = <E, R>(own: Option.Option<string>, inherited: Inherited<E, R>) =>
  flags.neededText(FOLDER, "the folder of the keys", own, inherited)

const named = (id: string) =>
  keyDirectory.isKeyName(id)
    ? Effect.succeed(id)
    : new BadUsage({ problem: "--agent-id: expected 1..128 of the characters A-Z a-z 0-9 _ : @ . / -, and no way out" })

const fileOf = (file: string) =>
  Either.try({
    try: () => readFileSync(file),
    catch: (cause) => new BadUsage({ problem: `${file}: ${keyFile.problemOf(cause)}` })
  })

/** What is longer than a key is taken for its base64, as `export-pub` prints it and as others do. */
const decoded = (bytes: Buffer): Buffer =>
  bytes.length === 32 ? bytes : Buffer.from(bytes.toString("latin1").trim(), "base64")
