import type * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import { type NotWritten, print, screen } from "../people/screen.js"
import { BadUsage } from "../report.js"
import { problemOf, wordProblemOf } from "../usage.js"
import { completionsOf, isShell, shells } from "./completions.js"
import { helpOf } from "./text.js"
import { find, treeOf } from "./tree.js"

/**
 * What the command line asks of the commands themselves, their help or a script for a shell; or that it is none. Undefined where it
 * is for one of them to run.
 */
export const asked = <Name extends string, R, E, A>(
  root: Command.Command<Name, R, E, A>,
  args: ReadonlyArray<string>
): Effect.Effect<void, BadUsage | NotWritten> | undefined => {
  const ownArgs = args.includes("--") ? args.slice(0, args.indexOf("--")) : args
  if (ownArgs.some((arg) => arg === "--help" || arg === "-h")) {
    return Effect.suspend(() => print(helpOf(find(treeOf(root), ownArgs), screen())))
  }
  const problem = problemOf(args) ?? wordProblemOf(treeOf(root), ownArgs)
  if (problem !== undefined) return Effect.fail(new BadUsage({ problem }))
  const shell = completionsAsked(ownArgs)
  if (shell === undefined) return undefined
  return isShell(shell)
    ? Effect.suspend(() => print(completionsOf(treeOf(root), shell)))
    : Effect.fail(new BadUsage({ problem: `--completions must be one of ${shells.join(", ")}` }))
}

const completionsAsked = (args: ReadonlyArray<string>): string | undefined => {
  const at = args.findIndex((arg) => /^--completions(?:=|$)/.test(arg))
  return at < 0 ? undefined : args[at]?.split("=", 2)[1] ?? args[at + 1] ?? ""
}
