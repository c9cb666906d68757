import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { version } from "../domain/version.js"
import * as install from "./install/command.js"
import * as mcp from "./mcp/command.js"
import * as report from "./report.js"
import { problemOf } from "./usage.js"

/** Commands that need nothing of a node in their own process, so that they begin at once. */
export const commands = () => [mcp.make(), install.make()] as const

/** Whether a command line is for one of them, help included. */
export const isFor = ([, , name = ""]: ReadonlyArray<string>): boolean => name === "mcp" || name === "install"

/** The same as `quorate.run`, with these alone. */
export const run = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const command = Command.make("quorate").pipe(Command.withSubcommands(commands()))
  const problem = problemOf(argv.slice(2))
  return (problem === undefined
    ? Effect.mapError(Command.run(command, { name: "quorate", version })(argv), (error): unknown => error)
    : Effect.fail(new report.BadUsage({ problem }))).pipe(
      report.toExitCode({ debug: false }),
      Effect.provide(NodeContext.layer)
    )
}
