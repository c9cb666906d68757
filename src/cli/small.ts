import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { version } from "../domain/version.js"
import { asked } from "./help/asked.js"
import * as install from "./install/command.js"
import * as mcp from "./mcp/command.js"
import * as moveOut from "./moving/export.js"
import * as moveIn from "./moving/import.js"
import { withStandardInput } from "./moving/sources.js"
import * as people from "./people/commands.js"
import * as report from "./report.js"

/** Commands that need nothing of a node in their own process, so that they begin at once. */
export const commands = () => [...people.commands(), mcp.make(), install.make(), moveIn.make(), moveOut.make()] as const

const root = () => Command.make("quorate").pipe(Command.withSubcommands(commands()))

/** Whether a command line is for one of them, help included. */
export const isFor = ([, , name = ""]: ReadonlyArray<string>): boolean =>
  HashMap.has(Command.getSubcommands(root()), name)

/** The same as `quorate.run`, with these alone. */
export const run = (argv: ReadonlyArray<string>): Effect.Effect<number> =>
  (asked(root(), argv.slice(2)) ?? Command.run(root(), { name: "quorate", version })(withStandardInput(argv))).pipe(
    Effect.mapError((error): unknown => error),
    report.toExitCode({ debug: false }),
    Effect.provide(NodeContext.layer)
  )
