import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Cause from "effect/Cause"
import * as ConfigError from "effect/ConfigError"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { problemsOf } from "../config/ConfigSources.js"

/**
 * Runs a command to the code it exits with. A failure is told in one line on standard error; what led there follows only where
 * `debug` is wanted.
 */
export const toExitCode =
  (options: { readonly debug: boolean }) =>
  <E, R>(command: Effect.Effect<void, E, R>): Effect.Effect<number, never, R> =>
    withoutItsErrors(command).pipe(
      Effect.as(0),
      Effect.catchIf((error) => error instanceof Ended, ({ code }) => Effect.succeed(code)),
      Effect.catchAllCause((cause) => {
        if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
        const { code, message } = Option.match(Cause.failureOption(cause), {
          onNone: () => ({ code: FAILURE, message: `internal error: ${oneLine(String(Cause.squash(cause)))}` }),
          onSome: judge
        })
        const detail = options.debug ? `\n${Cause.pretty(cause, { renderErrorCause: true })}` : ""
        return Effect.as(Console.error(`quorate: ${message}${detail}`), code)
      })
    )

/** The code a process ends with: a signal is how a daemon is told to end, and no failure. */
export const exitCode = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.isSuccess(exit)
    ? typeof exit.value === "number" ? exit.value : 0
    : Cause.isInterruptedOnly(exit.cause)
    ? 0
    : FAILURE

const FAILURE = 1
/** Bad usage or bad configuration: trying again is no use before something was changed. */
const BAD_USAGE = 2
const CONFIGURATION_ERRORS = new Set([
  "ConfigInvalid",
  "InvalidFederation",
  "EmbedderUnusable",
  "KeysUnusable",
  "KeyUnusable",
  "TlsFileUnreadable",
  "TlsUnusable",
  "BadUsage"
])

/** A command has said all there is to say, and ends with this code. */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {}

/** The command line itself is wrong. */
export class BadUsage extends Data.TaggedError("BadUsage")<{ readonly problem: string }> {
  override get message() {
    return `${this.problem} (see quorate --help)`
  }
}

const judge = (error: unknown): { readonly code: number; readonly message: string } => {
  if (ValidationError.isValidationError(error)) {
    return { code: BAD_USAGE, message: `${oneLine(HelpDoc.toAnsiText(error.error))} (see quorate --help)` }
  }
  if (ConfigError.isConfigError(error)) {
    return { code: BAD_USAGE, message: oneLine(problemsOf(error, (name) => `environment ${name}`).join("; ")) }
  }
  const isConfiguration = error instanceof Error && "_tag" in error && CONFIGURATION_ERRORS.has(String(error._tag))
  const message = error instanceof Error && error.message !== "" ? error.message : String(error)
  return { code: isConfiguration ? BAD_USAGE : FAILURE, message: oneLine(message) }
}

const withoutColors = (text: string): string => text.replaceAll(/\u001b\[[0-9;]*m/g, "")

const oneLine = (text: string) => withoutColors(text).replaceAll(/\s+/g, " ").trim()

/** The command-line library prints its own account of bad usage, over several lines: once is enough. */
const withoutItsErrors = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Console.consoleWith((console) => Console.withConsole(program, { ...console, error: () => Effect.void }))
