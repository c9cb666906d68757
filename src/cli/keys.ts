import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import {
  type ApiKey,
  isExpired,
  isName,
  isScope,
  MAX_KEYS,
  MAX_NAME_CHARS,
  mint,
  SCOPES,
  wrongNamespaces
} from "../access/ApiKey.js"
import * as keyFile from "../access/keyFile.js"
import * as AgentId from "../domain/AgentId.js"
import * as Stamp from "../domain/Stamp.js"
import * as flags from "./flags.js"
import { momentOf } from "./moment.js"
import { BadUsage } from "./report.js"

type Inherited<E, R> = Effect.Effect<flags.Flags, E, R>

const FILE = "api-keys-file"

/** `quorate keys add | list | revoke`: the keys in the file that a node is given with `--api-keys-file`. */
export const make = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("keys").pipe(
    Command.withDescription("The keys of clients: a node that runs takes them from its file within a second."),
    Command.withSubcommands([add(inherited), list(inherited), revoke(inherited)])
  )

const file = Options.text(FILE).pipe(
  Options.withPseudoName("file"),
  Options.withDescription("The file of the keys. Default: as the configuration says."),
  Options.optional
)
const json = Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a text."))
const name = Args.text({ name: "name" }).pipe(Args.withDescription("What the key is called."))

const scopes = Options.text("scopes").pipe(
  Options.withPseudoName("scopes"),
  Options.withDescription(`What it opens: ${SCOPES.join(", ")}, separated by commas.`),
  Options.withDefault("read,write")
)
const agentId = Options.text("agent-id").pipe(
  Options.withPseudoName("id"),
  Options.withDescription("The one agent that it speaks for. Default: any."),
  Options.optional
)
const namespaces = Options.text("namespaces").pipe(
  Options.withPseudoName("patterns"),
  Options.withDescription(
    "The namespaces in which it reads and writes, separated by commas: team/* is one level, team/** all. Default: all."
  ),
  Options.optional
)
const expires = Options.text("expires").pipe(
  Options.withPseudoName("when"),
  Options.withDescription("When it ends: a number of days as in 90d, of hours as in 12h, or a time of RFC 3339."),
  Options.optional
)

const add = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("add", { name, scopes, agentId, namespaces, expires, file, json }, (given) =>
    Effect.gen(function*() {
      const path = yield* pathOf(given.file, inherited)
      const wanted = yield* wantedOf(given)
      const { key, secret } = yield* mint(wanted)
      yield* keyFile.change(path, (keys) => {
        if (keys.some((other) => other.name === key.name)) {
          return new BadUsage({ problem: `there is a key ${key.name} already: revoke it, or give another name` })
        }
        if (keys.length >= MAX_KEYS) return new BadUsage({ problem: `there are ${MAX_KEYS} keys already, the most` })
        return Effect.succeed([[...keys, key], undefined] as const)
      })
      yield* Console.log(
        given.json
          ? JSON.stringify({ ...shown(key), key: Redacted.value(secret), file: path })
          : Redacted.value(secret)
      )
      if (!given.json) {
        yield* Console.warn(`${key.name} was added to ${path}: this is the only time that the key itself is shown`)
      }
    })).pipe(Command.withDescription("Make a key and print it."))

const list = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("list", { file, json }, (given) =>
    Effect.gen(function*() {
      const path = yield* pathOf(given.file, inherited)
      const keys = yield* keyFile.read(path)
      const now = yield* Clock.currentTimeMillis
      yield* Console.log(
        given.json
          ? JSON.stringify({ file: path, keys: keys.map(shown) })
          : keys.length === 0
          ? `no key in ${path}`
          : keys.map((key) => lineOf(key, now)).join("\n")
      )
    })).pipe(Command.withDescription("Show the keys, but for the keys themselves."))

const revoke = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("revoke", { name, file, json }, (given) =>
    Effect.gen(function*() {
      const path = yield* pathOf(given.file, inherited)
      const left = yield* keyFile.change(path, (keys) => {
        const others = keys.filter((key) => key.name !== given.name)
        return others.length < keys.length
          ? Effect.succeed([others, others.length] as const)
          : new BadUsage({ problem: `there is no key ${given.name} in ${path}` })
      })
      yield* Console.log(
        given.json
          ? JSON.stringify({ revoked: given.name, left, file: path })
          : `${given.name} opens nothing any more: ${left} key(s) left in ${path}`
      )
    })).pipe(Command.withDescription("Take a key away."))

/** The file that is named here, or else by the configuration. */
const pathOf = <E, R>(own: Option.Option<string>, inherited: Inherited<E, R>) =>
  flags.neededText(FILE, "the file of the keys", own, inherited)

interface Given {
  readonly name: string
  readonly scopes: string
  readonly agentId: Option.Option<string>
  readonly namespaces: Option.Option<string>
  readonly expires: Option.Option<string>
}

const wantedOf = (given: Given): Effect.Effect<Omit<ApiKey, "digest">, BadUsage> =>
  Effect.gen(function*() {
    if (!isName(given.name)) {
      return yield* refused("name", `1..${MAX_NAME_CHARS} of the characters A-Z a-z 0-9 _ . -`)
    }
    const wanted = given.scopes.split(",").map((scope) => scope.trim())
    if (!wanted.every(isScope)) return yield* refused("--scopes", `some of ${SCOPES.join(", ")}, separated by commas`)
    const agentId = Option.filter(given.agentId, AgentId.is)
    if (Option.isSome(given.agentId) && Option.isNone(agentId)) {
      return yield* refused("--agent-id", "1..128 of the characters A-Z a-z 0-9 _ : @ . / -")
    }
    const namespaces = Option.map(given.namespaces, (text) => text.split(",").map((each) => each.trim()))
    const wrong = Option.match(namespaces, { onNone: () => undefined, onSome: (own) => wrongNamespaces(own, wanted) })
    if (wrong !== undefined) return yield* refused("--namespaces", wrong)
    const now = yield* Clock.currentTimeMillis
    const expiresAt = Option.flatMap(given.expires, (text) => momentOf(text, now))
    if (Option.isSome(given.expires) && !Option.exists(expiresAt, (at) => Stamp.toMillis(at) > now)) {
      return yield* refused("--expires", "days as in 90d, hours as in 12h, or a time of RFC 3339 that is yet to come")
    }
    return { name: given.name, scopes: new Set(wanted), agentId, namespaces, expiresAt }
  })

const refused = (what: string, expected: string) => new BadUsage({ problem: `${what}: expected ${expected}` })

/** A key as it is shown: not by its digest, which is of use to nobody who reads this. */
const shown = ({ agentId, expiresAt, name, namespaces, scopes }: ApiKey) => ({
  name,
  scopes: Array.from(scopes),
  agent_id: Option.getOrNull(agentId),
  namespaces: Option.getOrNull(namespaces),
  expires_at: Option.getOrNull(expiresAt)
})

const lineOf = (key: ApiKey, nowMillis: number): string =>
  [
    key.name,
    Array.from(key.scopes).join(","),
    ...Option.toArray(Option.map(key.agentId, (id) => `for ${id}`)),
    ...Option.toArray(Option.map(key.namespaces, (own) => `in ${own.join(",")}`)),
    ...Option.toArray(Option.map(key.expiresAt, (at) => `${isExpired(key, nowMillis) ? "expired" : "until"} ${at}`))
  ].join("  ")
