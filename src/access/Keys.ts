import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type ApiKey, bare, find, isExpired, reachOf } from "./ApiKey.js"
import * as keyFile from "./keyFile.js"
import * as watched from "./watched.js"

/** The keys that a node asks for, as they are now: their file is read again when it is another one. */
export interface Keys {
  /** Without any nobody is asked for one. A file of keys that has none left opens to nobody. */
  readonly areAsked: boolean
  readonly find: (secret: string) => ApiKey | undefined
  /** Whether a key that was found before opens still what it did then. */
  readonly isGood: (key: ApiKey, nowMillis: number) => boolean
  /** Reads the file now; answers what was read. Fails and keeps the keys of before when it can not be used. */
  readonly reload: Effect.Effect<string, keyFile.KeysUnusable>
}

/** Where keys come from, by the names of the settings. */
interface Sources {
  readonly apiKey: Option.Option<Redacted.Redacted>
  readonly apiKeys: Option.Option<ReadonlyArray<ApiKey>>
  readonly apiKeysFile: Option.Option<string>
}

/** Those of the settings; their file is looked at until the scope ends. */
export const make = ({ apiKey, apiKeys, apiKeysFile }: Sources): Effect.Effect<Keys, never, Scope.Scope> =>
  Effect.gen(function*() {
    const own = Option.toArray(Option.map(apiKey, bare))
    let keys = [...own, ...Option.getOrElse(apiKeys, () => [])]
    const reload = Option.match(apiKeysFile, {
      onNone: () => Effect.succeed("no keys: they are in no file"),
      onSome: (path) =>
        Effect.map(keyFile.read(path), (stored) => {
          keys = [...own, ...stored]
          return `${stored.length} API key(s)`
        })
    })
    // It may have changed since the settings were read.
    yield* watched.files(Option.toArray(apiKeysFile), reload, { atOnce: true })
    return {
      areAsked: areAsked({ apiKey, apiKeys, apiKeysFile }),
      find: (secret) => find(keys, secret),
      isGood: (before, nowMillis) =>
        keys.some((key) =>
          key.digest.equals(before.digest) && !isExpired(key, nowMillis) && hasSameReach(key, before) &&
          Array.from(before.scopes).every((scope) => key.scopes.has(scope))
        ),
      reload
    }
  })

/** What goes on reads within the namespaces that it began with. */
const hasSameReach = (one: ApiKey, other: ApiKey): boolean =>
  JSON.stringify(reachOf(one)) === JSON.stringify(reachOf(other))

/** Whether clients need a key. */
export const areAsked = ({ apiKey, apiKeys, apiKeysFile }: Sources): boolean =>
  Option.isSome(apiKey) || Option.isSome(apiKeys) || Option.isSome(apiKeysFile)
