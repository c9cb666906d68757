import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import { version } from "../domain/version.js"
import * as audit from "./audit.js"
import * as ca from "./ca.js"
import * as configShow from "./configShow.js"
import * as doctor from "./doctor.js"
import * as doctorPeers from "./doctorPeers.js"
import * as flags from "./flags.js"
import { asked } from "./help/asked.js"
import { manOf } from "./help/man.js"
import { type Node, treeOf } from "./help/tree.js"
import * as identity from "./identity.js"
import * as keys from "./keys.js"
import * as move from "./move.js"
import { print } from "./people/screen.js"
import * as report from "./report.js"
import * as rules from "./rules.js"
import * as serve from "./serve.js"
import * as small from "./small.js"
import * as undo from "./undo.js"

/** The program, with what was taken off its arguments beforehand. */
const program = (logLevel: flags.Flags) => {
  const { config, db } = flags.options()
  const root = Command.make("quorate", { ...(db && { db }), ...(config && { config }) }).pipe(
    Command.withDescription("A federated memory for AI agents: a write is answered when a quorum of nodes holds it.")
  )
  const inherited = Effect.map(root, (given): flags.Flags => ({ ...given, ...logLevel }))
  const configCommand = Command.make("config").pipe(
    Command.withDescription("Look at the configuration."),
    Command.withSubcommands([configShow.make(inherited)])
  )
  return Command.withSubcommands(root, [
    serve.make(inherited),
    configCommand,
    keys.make(inherited),
    identity.make(inherited),
    ca.make(),
    audit.make(inherited),
    rules.make(inherited),
    undo.provenance(inherited),
    undo.quarantine(inherited),
    undo.release(inherited),
    undo.revert(inherited),
    move.make(),
    ...small.commands(),
    Command.withSubcommands(doctor.make(inherited), [doctorPeers.make(inherited)]),
    man()
  ])
}

/** What all commands say of themselves. */
export const tree = (): Node => treeOf(program({}))

/** `quorate man`: the page of the manual, of all commands. */
const man = () =>
  Command.make("man", {}, () => Effect.suspend(() => print(manOf(tree())))).pipe(
    Command.withDescription("Print the manual of all commands, as a page for man.")
  )

/** The command line: `argv` as Node gives it. Ends with the code to exit with. */
export const run = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  const { logLevel, rest } = flags.takeLogLevel(argv)
  const command = program(logLevel)
  return Effect.suspend(() => asked(command, rest.slice(2)) ?? Command.run(command, { name: "quorate", version })(rest))
    .pipe(
      Effect.mapError((error): unknown => error),
      report.toExitCode({ debug: flags.wantsDebug(logLevel) }),
      Effect.provide(NodeContext.layer)
    )
}
