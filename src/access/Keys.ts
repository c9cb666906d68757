import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { statSync } from "node:fs"
import { type ApiKey, bare, find } from "./ApiKey.js"
import * as keyFile from "./keyFile.js"

/** The keys that a node asks for, as they are now: their file is read again when it is another one. */
export interface Keys {
  /** Without any nobody is asked for one. A file of keys that has none left opens to nobody. */
  readonly areAsked: boolean
  readonly find: (secret: string) => ApiKey | undefined
  /** Reads the file now; answers what was read. Fails and keeps the keys of before when it can not be used. */
  readonly reload: Effect.Effect<string, keyFile.KeysUnusable>
}

/** A key that is revoked opens nothing from so long after on. */
const LOOK_EVERY = Duration.seconds(1)

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
    if (Option.isSome(apiKeysFile)) yield* Effect.forkScoped(watching(apiKeysFile.value, reload))
    return {
      areAsked: areAsked({ apiKey, apiKeys, apiKeysFile }),
      find: (secret) => find(keys, secret),
      reload
    }
  })

/** Whether clients need a key. */
export const areAsked = ({ apiKey, apiKeys, apiKeysFile }: Sources): boolean =>
  Option.isSome(apiKey) || Option.isSome(apiKeys) || Option.isSome(apiKeysFile)

/** Begins with the file as it is when it is called: it may have changed since the settings were read. */
const watching = (path: string, reload: Keys["reload"]) => {
  let seen: string | undefined
  return Effect.suspend(() => {
    const state = stateOf(path)
    if (state === seen) return Effect.void
    const isFirst = seen === undefined
    seen = state
    return Effect.matchEffect(reload, {
      onSuccess: (what) => isFirst ? Effect.void : Effect.logInfo(`${path} was read again: ${what}`),
      onFailure: ({ message }) => Effect.logError(`the API keys are those of before: ${message}`)
    })
  }).pipe(
    Effect.repeat({ schedule: Schedule.spaced(LOOK_EVERY) }),
    Effect.withTracerEnabled(false),
    Effect.tapErrorCause((cause) => Effect.logError("the file of the API keys is not looked at any more", cause))
  )
}

/** Another one after each change, and when the file has another one's place. */
const stateOf = (path: string): string => {
  try {
    const { ino, mtimeNs, size } = statSync(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return "unreadable"
  }
}
