import * as Options from "@effect/cli/Options"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ConfigSources from "../config/ConfigSources.js"
import { type Knob, knobs, variableOf } from "../config/knobs.js"
import * as NodeConfig from "../config/NodeConfig.js"
import { BadUsage } from "./report.js"

/** Flags that were given, by name. Their text is judged together with the other sources, so that errors are alike. */
export type Flags = Readonly<Record<string, Option.Option<string>>>

/** All settings as flags, but `--log-level`: that one is taken from the arguments beforehand, see `takeLogLevel`. */
export const options = (): Record<string, Options.Options<Option.Option<string>>> => ({
  ...Object.fromEntries(knobs.filter(({ name }) => name !== LOG_LEVEL).map((knob) => [knob.name, optionOf(knob)])),
  config: Options.text("config").pipe(
    Options.withPseudoName("file"),
    Options.withDescription("TOML file. Default: quorate.toml, else $XDG_CONFIG_HOME/quorate/config.toml."),
    Options.optional
  )
})

/** The effective configuration of this process. Of two groups of flags the first has precedence. */
export const effective = (
  ...groups: ReadonlyArray<Flags>
): Effect.Effect<ConfigSources.Effective, ConfigSources.ConfigInvalid, FileSystem.FileSystem | Path.Path> =>
  Effect.suspend(() => ConfigSources.read(inputsOf(groups)))

/** The text of one setting, by the same sources, where nothing of it is read yet. */
export const textOf = (name: string, ...groups: ReadonlyArray<Flags>) =>
  Effect.suspend(() => ConfigSources.textOf(inputsOf(groups), name))

/** The same of one that a command can not do without: named to it, or else by the configuration. */
export const neededText = <E, R>(
  name: string,
  what: string,
  own: Option.Option<string>,
  inherited: Effect.Effect<Flags, E, R>
) =>
  Effect.gen(function*() {
    const text = yield* textOf(name, { [name]: own }, yield* inherited)
    return Option.isSome(text) && text.value !== ""
      ? text.value
      : yield* new BadUsage({ problem: `${what} is not known: give --${name}` })
  })

const inputsOf = (groups: ReadonlyArray<Flags>) => {
  const flags = new Map<string, string>()
  for (const [name, value] of groups.flatMap((group) => Object.entries(group))) {
    if (Option.isSome(value) && !flags.has(name)) flags.set(name, value.value)
  }
  return { flags, environment: process.env, workingDirectory: process.cwd(), isTerminal: process.stderr.isTTY }
}

/**
 * Splits `--log-level` off the arguments. The command-line library has a flag of this name of its own, which it would take for
 * itself, with values of its own.
 */
export const takeLogLevel = (
  args: ReadonlyArray<string>
): { readonly rest: ReadonlyArray<string>; readonly logLevel: Flags } => {
  const at = args.findIndex((arg) => arg === `--${LOG_LEVEL}` || arg.startsWith(`--${LOG_LEVEL}=`))
  const [, joined] = args[at]?.split("=", 2) ?? []
  const value = joined ?? args[at + 1]
  if (at < 0 || value === undefined) return { rest: args, logLevel: {} }
  const rest = [...args.slice(0, at), ...args.slice(at + (joined === undefined ? 2 : 1))]
  return { rest, logLevel: { [LOG_LEVEL]: Option.some(value) } }
}

/** Whether failures come with their stack traces, judged before anything else is known. */
export const wantsDebug = (logLevel: Flags): boolean => {
  const text = Option.getOrUndefined(logLevel[LOG_LEVEL] ?? Option.none()) ?? process.env[variableOf(LOG_LEVEL)]
  return text === "debug" || text === "trace" || text === "all"
}

const LOG_LEVEL = "log-level"

const optionOf = (knob: Knob): Options.Options<Option.Option<string>> => {
  const fallback = knob.show(NodeConfig.defaults)
  const described = <A>(option: Options.Options<A>) =>
    option.pipe(Options.withDescription(
      fallback === null || knob.description.includes("Default:")
        ? knob.description
        : `${knob.description} Default: ${fallback}.`
    ))
  return knob.metavar === undefined
    ? Options.boolean(knob.name).pipe(described, Options.map((given) => given ? Option.some("true") : Option.none()))
    : Options.text(knob.name).pipe(Options.withPseudoName(knob.metavar), described, Options.optional)
}
