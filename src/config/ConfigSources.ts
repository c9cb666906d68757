import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import type * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Toml from "smol-toml"
import * as identityFolder from "../access/identityFolder.js"
import * as Original from "./fromOriginal.js"
import { knobs, variableOf } from "./knobs.js"
import { nearest } from "./nearest.js"
import * as NodeConfig from "./NodeConfig.js"

/** The configuration cannot be used; the message names each value that is wrong and where it came from. */
export class ConfigInvalid extends Data.TaggedError("ConfigInvalid")<{ readonly problems: ReadonlyArray<string> }> {
  override get message() {
    return this.problems.join("; ")
  }
}

/** Where settings may come from. Nothing else of the process is looked at. */
interface Inputs {
  /** Values of the flags that were given, by name without dashes; `config` names the file. */
  readonly flags: ReadonlyMap<string, string>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  /** Logs go to a terminal: they are pretty unless something else is said. */
  readonly isTerminal: boolean
}

export interface Effective {
  readonly settings: NodeConfig.Settings
  /** Where the value of a flag came from, such as `environment QUORATE_PORT`, or `default`. */
  readonly sourceOf: (name: string) => string
  /** What an operator should hear of, though it stops nothing. */
  readonly warnings: ReadonlyArray<string>
}

/** Merges flag over environment over file over default, as text, and parses the result once. */
export const read = (inputs: Inputs): Effect.Effect<Effective, ConfigInvalid, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function*() {
    const { merged, warnings: ofSources } = yield* merge(inputs)
    // A secret in the original's file gives way to every file of a secret that is named here.
    for (const { name } of SECRETS) {
      if (merged.has(`${name}-file`) && merged.get(name)?.source.startsWith("file ") === true) merged.delete(name)
    }
    const warnings = yield* Effect.forEach(SECRETS, (secret) => readSecret(merged, secret))
    const sourceOf = (name: string) => merged.get(name)?.source ?? "default"
    const provider = ConfigProvider.fromMap(new Map(Array.from(merged, ([name, { text }]) => [name, text])))
    const settings = yield* NodeConfig.read.pipe(
      Effect.withConfigProvider(provider),
      Effect.mapError((error) => new ConfigInvalid({ problems: problemsOf(error, sourceOf) }))
    )
    return {
      settings,
      sourceOf,
      warnings: [
        ...unknownVariables(inputs.environment),
        ...ofSources,
        ...warnings.flat()
      ]
    }
  })

/** The text of one setting, unread: that of a file which is yet to be made. */
export const textOf = (inputs: Inputs, name: string) =>
  Effect.map(merge(inputs), ({ merged }) => Option.map(Option.fromNullable(merged.get(name)), ({ text }) => text))

/** Flag over environment over file over default, as text. */
const merge = (inputs: Inputs) =>
  Effect.gen(function*() {
    const file = yield* readFile(inputs)
    const original = Original.fromEnvironment(inputs.environment)
    const originalFile = yield* readOriginal(inputs)
    const given = new Map<string, Entry>([
      ...(inputs.isTerminal ? [["log-format", { text: "pretty", source: "default" }] as const] : []),
      ...yield* usualOperator(inputs, yield* Path.Path),
      ...originalFile.taken.map(entryOf),
      ...file,
      ...original.taken.map(entryOf),
      ...fromEnvironment(inputs.environment),
      ...fromFlags(inputs.flags)
    ])
    const merged = new Map<string, Entry>([
      ...usualKeys(inputs, yield* Path.Path),
      ...yield* identityOf(given.get("identity-dir")),
      ...given
    ])
    return { merged, warnings: [...original.warnings, ...originalFile.warnings] }
  })

const entryOf = ({ name, source, text }: { readonly name: string; readonly text: string; readonly source: string }) =>
  [name, { text, source }] as const

/** The file of the original, where there is one that can be read. */
const readOriginal = (inputs: Inputs) =>
  Effect.gen(function*() {
    const file = Original.fileOf(inputs.environment, yield* Path.Path)
    const content = file === undefined ? Option.none() : yield* readIfPresent(file)
    return file === undefined || Option.isNone(content)
      ? { taken: [], warnings: [] }
      : Original.fromFile(file, content.value)
  })

/** What the folder of a node says of it, by settings that may say something else. */
const identityOf = (folder: Entry | undefined): Either.Either<ReadonlyArray<readonly [string, Entry]>, ConfigInvalid> =>
  folder === undefined ? Either.right([]) : Either.mapBoth(identityFolder.settingsOf(folder.text), {
    onLeft: ({ message }) => new ConfigInvalid({ problems: [`${folder.source}: ${message}`] }),
    onRight: (found) => found.map(([name, text]) => [name, { text, source: `${folder.source}, its folder` }] as const)
  })

/** A value and what names its origin in an error. */
interface Entry {
  readonly text: string
  readonly source: string
}

const invalid = (problem: string) => new ConfigInvalid({ problems: [problem] })

const names = new Set(knobs.map(({ name }) => name))
/**
 * Beside the settings: the file's own name, and secrets themselves, which belong on no command line and in no file. A public key
 * comes in the same ways.
 */
const SECRETS: ReadonlyArray<Secret> = [
  { name: "api-key", what: "the API key", hint: "put the key into a file of its own and name that with api-key-file" },
  {
    name: "api-keys",
    what: "API keys",
    hint: "put the keys into a file of their own and name that with api-keys-file"
  },
  {
    name: "peer-api-key",
    what: "the key",
    hint: "put the key into a file of its own and name that with peer-api-key-file"
  },
  {
    name: "operator-pubkey",
    what: "the key of the operator",
    hint: "put the key into a file of its own and name that with operator-pubkey-file",
    isPublic: true
  },
  {
    name: "approvals-secret",
    what: "the secret",
    hint: "put the secret into a file of its own and name that with approvals-secret-file"
  },
  {
    name: "embedder-key",
    what: "the key",
    hint: "put the key into a file of its own and name that with embedder-key-file"
  }
]
interface Secret {
  readonly name: string
  readonly what: string
  readonly hint: string
  readonly isPublic?: boolean
}
/** The settings of each table of the file. */
const TABLES: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  knobs.flatMap(({ table }) =>
    table === undefined ? [] : [[table, new Set(knobs.filter((knob) => knob.table === table).map(({ name }) => name))]]
  )
)
const LISTS: ReadonlyMap<string, string> = new Map([
  ["quorum-peers", " or a list of URLs"],
  ["allowed-origins", " or a list of origins"],
  ["allowed-hosts", " or a list of names"],
  ["unsigned-pull", " or a list of ids"]
])
const CONFIG_VARIABLE = variableOf("config")

const fromFlags = (flags: ReadonlyMap<string, string>): ReadonlyArray<readonly [string, Entry]> =>
  Array.from(flags)
    .filter(([name]) => names.has(name))
    .map(([name, text]) => [name, { text, source: `flag --${name}` }])

const fromEnvironment = (environment: Inputs["environment"]): ReadonlyArray<readonly [string, Entry]> =>
  [...names, ...SECRETS.map(({ name }) => name)].flatMap((name) => {
    const text = environment[variableOf(name)]
    return text === undefined ? [] : [[name, { text, source: `environment ${variableOf(name)}` }] as const]
  })

/** Not errors: an orchestrator may set variables of this prefix for a service of this name. */
const unknownVariables = (environment: Inputs["environment"]): ReadonlyArray<string> => {
  const known = new Set([...names].map(variableOf).concat(SECRETS.map(({ name }) => variableOf(name)), CONFIG_VARIABLE))
  return Object.keys(environment)
    .filter((variable) => variable.startsWith("QUORATE_") && !known.has(variable))
    .map((variable) => `environment ${variable}: no such setting, it is ignored${suggestion(variable, known)}`)
}

/** The file that was asked for, which must exist, or the first of the usual ones that does. */
const readFile = (inputs: Inputs) =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const named = inputs.flags.get("config") ?? inputs.environment[CONFIG_VARIABLE]
    if (named !== undefined) {
      const source = inputs.flags.has("config") ? "flag --config" : `environment ${CONFIG_VARIABLE}`
      if (named.trim() === "") return yield* invalid(`${source}: expected a path, got ""`)
      const content = yield* readIfPresent(path.resolve(inputs.workingDirectory, named))
      if (Option.isNone(content)) return yield* invalid(`${source}: file ${named} does not exist`)
      return yield* parseFile(named, content.value)
    }
    for (const candidate of usualFiles(inputs, path)) {
      const content = yield* readIfPresent(candidate)
      if (Option.isSome(content)) return yield* parseFile(candidate, content.value)
    }
    return []
  })

const usualFiles = (inputs: Inputs, path: Path.Path): ReadonlyArray<string> => {
  const own = ownFolder(inputs, path)
  const local = path.join(inputs.workingDirectory, "quorate.toml")
  return own === undefined ? [local] : [local, path.join(own, "config.toml")]
}

/** The folder of keys, where nothing else is said. */
const usualKeys = (inputs: Inputs, path: Path.Path): ReadonlyArray<readonly [string, Entry]> => {
  const own = ownFolder(inputs, path)
  return own === undefined ? [] : [["key-dir", { text: path.join(own, "keys"), source: "default" }]]
}

/** The key of the operator, where there is one in its usual place. */
const usualOperator = (inputs: Inputs, path: Path.Path) =>
  Effect.gen(function*() {
    const own = ownFolder(inputs, path)
    if (own === undefined) return []
    const text = path.join(own, "operator.key.pub")
    const isThere = yield* Effect.orElseSucceed((yield* FileSystem.FileSystem).exists(text), () => false)
    return isThere ? [["operator-pubkey-file", { text, source: "default" }] as const] : []
  })

/** `XDG_CONFIG_HOME` counts only when it is absolute, as its specification says. */
const ownFolder = ({ environment: { HOME: home, XDG_CONFIG_HOME: xdg } }: Inputs, path: Path.Path) => {
  const base = xdg !== undefined && path.isAbsolute(xdg)
    ? xdg
    : home === undefined
    ? undefined
    : path.join(home, ".config")
  return base === undefined ? undefined : path.join(base, "quorate")
}

const readIfPresent = (file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fileSystem) =>
    fileSystem.readFileString(file).pipe(
      Effect.asSome,
      Effect.catchAll((error) =>
        isMissing(error) ? Effect.succeedNone : Effect.fail(invalid(`file ${file}: cannot be read: ${reasonOf(error)}`))
      )
    ))

const parseFile = (
  file: string,
  content: string
): Effect.Effect<ReadonlyArray<readonly [string, Entry]>, ConfigInvalid> =>
  Effect.try({
    try: () => Toml.parse(content, { integersAsBigInt: "asNeeded", unsafeKeyBehaviour: "throw" }),
    catch: (cause) =>
      invalid(
        cause instanceof Toml.TomlError
          ? `file ${file} line ${cause.line} column ${cause.column}: ${firstLine(cause.message)}`
          : `file ${file}: ${String(cause)}`
      )
  }).pipe(
    Effect.flatMap((table) =>
      Effect.validateAll(keysOf(table), ({ key, known, name, value }) => {
        const source = `file ${file} key ${key}`
        if (!known.has(name)) return Effect.fail(`${source}: no such setting${suggestion(name, known)}${hintFor(name)}`)
        const text = textIn(value)
        return text === undefined
          ? Effect.fail(`${source}: expected a single value${LISTS.get(name) ?? ""}`)
          : Effect.succeed([name, { text, source }] as const)
      }).pipe(Effect.zipLeft(Effect.validateAll(twice(file, keysOf(table)), (problem) => Effect.fail(problem))))
    ),
    Effect.mapError((error) => error instanceof ConfigInvalid ? error : new ConfigInvalid({ problems: error }))
  )

/** A key of the file, with the name of the setting that it should be, and the settings that may stand where it stands. */
interface Key {
  readonly key: string
  readonly name: string
  readonly known: ReadonlySet<string>
  readonly value: unknown
}

/** Also those within the tables that some settings may stand in. */
const keysOf = (file: Readonly<Record<string, unknown>>): ReadonlyArray<Key> =>
  Object.entries(file).flatMap(([key, value]): ReadonlyArray<Key> => {
    const known = TABLES.get(key)
    return known === undefined || !Predicate.isRecord(value)
      ? [{ key, name: key, known: names, value }]
      : Object.entries(value).map(([inner, value]) => ({
        key: `${key}.${inner}`,
        name: inner.replaceAll("_", "-"),
        known,
        value
      }))
  })

/** What stands in the file under two keys: nobody could tell which of them was meant. */
const twice = (file: string, keys: ReadonlyArray<Key>): ReadonlyArray<string> => {
  const first = new Map<string, string>()
  return keys.flatMap(({ key, known, name }) => {
    const other = first.get(name)
    if (known.has(name) && other === undefined) first.set(name, key)
    return other === undefined ? [] : [`file ${file} keys ${other} and ${key}: both are ${name}, give one of them`]
  })
}

const hintFor = (key: string) => {
  const secret = SECRETS.find(({ name }) => name === key)
  return secret === undefined ? "" : `; ${secret.hint}`
}

/** A list becomes the text a flag would have; its items cannot hold the comma that separates them there. */
const textIn = (value: unknown): string | undefined => {
  if (typeof value === "string") return value
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value)
  return Array.isArray(value) && value.every((item): item is string => typeof item === "string" && !item.includes(","))
    ? value.join(",")
    : undefined
}

/**
 * Puts a secret itself into the settings, from the file that was named or the variable, whichever has precedence. Answers
 * with warnings.
 */
const readSecret = (
  merged: Map<string, Entry>,
  { isPublic = false, name, what }: Secret
): Effect.Effect<ReadonlyArray<string>, ConfigInvalid, FileSystem.FileSystem> => {
  const variable = merged.get(name)
  const file = merged.get(`${name}-file`)
  if (file === undefined || (variable !== undefined && file.source.startsWith("file "))) {
    if (variable !== undefined) merged.set(`${name}-file`, { ...variable, text: "" })
    return Effect.succeed([])
  }
  if (variable !== undefined && file.source.startsWith("environment ")) {
    return Effect.fail(invalid(`${variable.source} and ${file.source} are both set: give one of them`))
  }
  return Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const problem = (error: PlatformError) =>
      invalid(`${file.source}: file ${file.text} cannot be read: ${reasonOf(error)}`)
    const content = yield* Effect.mapError(fileSystem.readFileString(file.text), problem)
    const { mode } = yield* Effect.mapError(fileSystem.stat(file.text), problem)
    const text = content.replace(/[\r\n]+$/, "")
    if (text === "") return yield* invalid(`${file.source}: file ${file.text} is empty, expected ${what}`)
    merged.set(name, { text, source: `${file.source}: file ${file.text}` })
    return isPublic || (mode & 0o004) === 0
      ? []
      : [`${file.source}: every user of this machine can read ${file.text}; take that away with chmod 600`]
  })
}

const isMissing = (error: PlatformError) => error._tag === "SystemError" && error.reason === "NotFound"

const reasonOf = (error: PlatformError): string => {
  if (error._tag !== "SystemError") return error.message
  if (error.reason === "NotFound") return "it does not exist"
  if (error.reason === "PermissionDenied") return "permission denied"
  return error.description ?? error.reason
}

const firstLine = (text: string) => text.split("\n", 1)[0] ?? text

/** Every leaf of a configuration error, with the source of the value it is about. */
export const problemsOf = (
  error: ConfigError.ConfigError,
  sourceOf: (name: string) => string
): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
    case "Or":
      return [...problemsOf(error.left, sourceOf), ...problemsOf(error.right, sourceOf)]
    default: {
      const name = error.path[0]
      return [name === undefined ? error.message : `${sourceOf(name)}: ${error.message}`]
    }
  }
}

const suggestion = (given: string, known: Iterable<string>): string => {
  const meant = nearest(given, known)
  return meant === undefined ? "" : `; did you mean ${meant}?`
}
