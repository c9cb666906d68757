import type * as Path from "@effect/platform/Path"
import * as Predicate from "effect/Predicate"
import * as Toml from "smol-toml"
import { MAX_LIFETIME_SECONDS } from "./NodeConfig.js"

/*
 * The settings of `ai-memory`, for who moves over: what has a meaning here holds here, and all else is named, so that nobody
 * gets an open node, or another database, without a word.
 */

/** A setting here, by what the original calls it. */
interface Taken {
  readonly name: string
  readonly text: string
  /** What the original calls it, and where it stood. */
  readonly source: string
}

/** What was found, and what an operator should hear of it. */
interface Found {
  readonly taken: ReadonlyArray<Taken>
  readonly warnings: ReadonlyArray<string>
}

const PREFIX = "AI_MEMORY_"

/** The variables that mean the same here. */
const VARIABLES: Readonly<Record<string, string>> = {
  AI_MEMORY_DB: "db",
  AI_MEMORY_API_KEY: "api-key",
  AI_MEMORY_KEY_DIR: "key-dir",
  AI_MEMORY_OPERATOR_PUBKEY: "operator-pubkey",
  AI_MEMORY_FED_PEER_ATTESTATION: "peer-attestation",
  AI_MEMORY_PERMISSIONS_MODE: "permissions-mode"
}

const isOff = (text: string) => /^(?:0|false|no|off)$/i.test(text.trim())
const isOn = (text: string) => /^(?:1|true|yes|on)$/i.test(text.trim())

/** Where it is blank it says nothing there. */
const given = (name: string) => (text: string) => text.trim() === "" ? undefined : [name, text.trim()] as const

/** The variables that say the same in other words, by what they say; what says nothing here is the default there and here. */
const IN_OTHER_WORDS: Readonly<Record<string, (text: string) => readonly [name: string, text: string] | undefined>> = {
  AI_MEMORY_FED_CRED_PATH: given("credential-file"),
  AI_MEMORY_FED_CRED_CHAIN_PATH: given("credential-chain-file"),
  AI_MEMORY_FED_TRUST_BUNDLE_DIR: given("trust-bundle-dir"),
  AI_MEMORY_FED_TRUST_DOMAIN: given("trust-domain"),
  AI_MEMORY_FED_IDENTITY: given("node-id"),
  AI_MEMORY_ALLOW_LOOPBACK_WEBHOOKS: (text) => isOn(text) ? ["allow-loopback-webhooks", "true"] : undefined,
  AI_MEMORY_FED_REQUIRE_PEER_ENROLLMENT: (text) => isOn(text) ? ["require-signatures", "all"] : undefined,
  AI_MEMORY_FED_REQUIRE_SIG: (text) => isOff(text) ? ["require-signatures", "off"] : undefined,
  AI_MEMORY_FED_REQUIRE_NONCE: (text) => isOff(text) ? ["require-nonces", "false"] : undefined,
  AI_MEMORY_FED_TRUST_BODY_AGENT_ID: (text) => text === "1" ? ["trust-body-agent-id", "true"] : undefined,
  AI_MEMORY_FED_SYNC_TRUST_PEER: (text) => text === "1" ? ["trust-unlisted-pulls", "true"] : undefined
}

/** Those of the original's clients and its own tests, which say nothing to a node. */
const OF_CLIENTS = /^AI_MEMORY_(?:TEST_|AGENT_ID$|NO_CONFIG$)/

export const fromEnvironment = (environment: Readonly<Record<string, string | undefined>>): Found => {
  const given = Object.entries(environment).filter(([variable]) => variable.startsWith(PREFIX))
  return {
    taken: [
      ...given.flatMap(([variable, text]) => {
        const name = VARIABLES[variable]
        return name === undefined || text === undefined ? [] : [{ name, text, source: `environment ${variable}` }]
      }),
      // In this order: the last one wins, which looks at nothing.
      ...Object.entries(IN_OTHER_WORDS).flatMap(([variable, read]) => {
        const [name, text] = read(environment[variable] ?? "") ?? []
        return name === undefined || text === undefined ? [] : [{ name, text, source: `environment ${variable}` }]
      })
    ],
    warnings: given.flatMap(([variable]) =>
      variable in VARIABLES || variable in IN_OTHER_WORDS || OF_CLIENTS.test(variable)
        ? []
        : [`environment ${variable}: a setting of ai-memory that means nothing here, it is ignored`]
    )
  }
}

/** The original's file; none where its variable says to leave it alone. */
export const fileOf = (
  { AI_MEMORY_NO_CONFIG, HOME }: Readonly<Record<string, string | undefined>>,
  path: Path.Path
): string | undefined =>
  HOME === undefined || AI_MEMORY_NO_CONFIG === "1" ? undefined : path.join(HOME, ".config", "ai-memory", "config.toml")

/** What its keys mean here. Its database is of another form, so that one is named and not opened. */
const KEYS: Readonly<Record<string, string>> = {
  api_key: "api-key",
  archive_on_gc: "archive-on-gc",
  "permissions.mode": "permissions-mode",
  "hooks.subscription.hmac_secret": "approvals-secret",
  "subscriptions.allow_loopback_webhooks": "allow-loopback-webhooks",
  "ttl.short_ttl_secs": "short-ttl-secs",
  "ttl.mid_ttl_secs": "mid-ttl-secs",
  "ttl.long_ttl_secs": "long-ttl-secs",
  "ttl.short_extend_secs": "short-extend-secs",
  "ttl.mid_extend_secs": "mid-extend-secs"
}

/** A number of seconds below one is for ever there, and one that is too large is the largest. */
const textOf = (key: string, value: unknown): string =>
  key.startsWith("ttl.") && Predicate.isNumber(value)
    ? String(Math.min(Math.max(value, 0), MAX_LIFETIME_SECONDS))
    : String(value)

export const fromFile = (file: string, content: string): Found => {
  const table = parse(content)
  if (table === undefined) return { taken: [], warnings: [`file ${file} of ai-memory: not TOML, it is ignored`] }
  const leaves = leavesOf(table)
  const other = leaves.filter(([key]) => !(key in KEYS)).map(([key]) => key)
  return {
    taken: leaves.flatMap(([key, value]) => {
      const name = KEYS[key]
      return name === undefined ? [] : [{ name, text: textOf(key, value), source: `file ${file} key ${key}` }]
    }),
    warnings: [
      ...(leaves.some(([key]) => key in KEYS)
        ? [
          `file ${file} of ai-memory: ${
            leaves.map(([key]) => key).filter((key) => key in KEYS).join(", ")
          } taken from it`
        ]
        : []),
      ...(other.length === 0
        ? []
        : [`file ${file} of ai-memory: ${other.slice(0, MAX_NAMED).join(", ")} mean nothing here and are ignored`])
    ]
  }
}

const MAX_NAMED = 40

const parse = (content: string): Record<string, unknown> | undefined => {
  try {
    return Toml.parse(content)
  } catch {
    return undefined
  }
}

/** The values of a table, by their dotted keys. */
const leavesOf = (table: Readonly<Record<string, unknown>>, at = ""): ReadonlyArray<readonly [string, unknown]> =>
  Object.entries(table).flatMap(([key, value]) =>
    Predicate.isRecord(value) && !(value instanceof Date)
      ? leavesOf(value, `${at}${key}.`)
      : [[`${at}${key}`, value] as const]
  )
