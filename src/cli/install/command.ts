import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { version } from "../../domain/version.js"
import * as mcp from "../mcp/command.js"
import { BadUsage } from "../report.js"
import { type Client, clients } from "./clients.js"
import { edit, type Entry, show } from "./edits.js"
import * as File from "./file.js"

const names = clients.map(({ name }) => name)

const { agentId, db, ensure, keyFile, profile, url } = mcp.options

/** `quorate install`: the configuration of a client, so that it finds the tools. */
export const make = () =>
  Command.make("install", {
    client: Args.text({ name: "client" }).pipe(Args.withDescription(`One of ${names.join(", ")}.`)),
    url,
    keyFile,
    agentId,
    profile,
    ensure,
    db,
    project: Options.boolean("project").pipe(
      Options.withDescription("For the project in the working directory, instead of for you.")
    ),
    home: Options.directory("home", { exists: "yes" }).pipe(
      Options.withPseudoName("folder"),
      Options.withDescription("Another home than yours."),
      Options.optional
    ),
    dryRun: Options.boolean("dry-run").pipe(Options.withDescription("Say what would be written, and write nothing.")),
    remove: Options.boolean("remove").pipe(Options.withDescription("Take it out again.")),
    json: Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a text."))
  }, (given) =>
    Effect.gen(function*() {
      const client = yield* clientOf(given.client)
      const file = yield* fileOf(client, given)
      const entry = entryOf(given)
      const { dryRun, remove } = given
      const changed = yield* write(client, file, remove ? undefined : entry, dryRun)
      if (given.json) {
        return yield* Console.log(
          JSON.stringify({
            client: client.name,
            file,
            changed,
            dry_run: dryRun,
            removed: remove,
            ...(remove ? {} : { entry })
          })
        )
      }
      yield* Console.log(toldOf({ ...given, client, file, changed, entry }))
    })).pipe(
      Command.withDescription("Tell a client of the Model Context Protocol of this memory, in its configuration.")
    )

const write = (
  { form }: Client,
  file: string,
  entry: Entry | undefined,
  dryRun: boolean
): Effect.Effect<boolean, File.NotWritten> => File.change(file, (text) => edit(form, text, entry), { dryRun })

const clientOf = (name: string): Effect.Effect<Client, BadUsage> =>
  Effect.mapError(
    Effect.fromNullable(clients.find((client) => client.name === name)),
    () => new BadUsage({ problem: `there is no client of that name: it is one of ${names.join(", ")}` })
  )

const fileOf = (
  { file, name, ofProject }: Client,
  { home, project }: { readonly home: Option.Option<string>; readonly project: boolean }
): Effect.Effect<string, BadUsage> => {
  if (project) {
    return ofProject === undefined
      ? Effect.fail(new BadUsage({ problem: `${name} has no configuration of projects` }))
      : Effect.succeed(path.resolve(ofProject))
  }
  const { platform } = process
  return Effect.succeed(Option.match(home, {
    onNone: () => file({ home: os.homedir(), platform, environment: process.env }),
    onSome: (folder) => file({ home: path.resolve(folder), platform, environment: {} })
  }))
}

interface Given {
  readonly url: Option.Option<string>
  readonly keyFile: Option.Option<string>
  readonly agentId: Option.Option<string>
  readonly profile: Option.Option<string>
  readonly ensure: boolean
  readonly db: Option.Option<string>
}

/** What the client is to start: `quorate mcp`, with what was given. Clients have working directories of their own. */
const entryOf = ({ agentId, db, ensure, keyFile, profile, url }: Given): Entry => {
  const { args, command } = programOf(process.argv[1] ?? "")
  const given = (name: string, value: Option.Option<string>) =>
    Option.match(value, { onNone: () => [], onSome: (text) => [`--${name}`, text] })
  return {
    command,
    args: [
      ...args,
      "mcp",
      ...given("url", url),
      ...given("api-key-file", Option.map(keyFile, (file) => path.resolve(file))),
      ...given("agent-id", agentId),
      ...given("mcp-profile", profile),
      ...(ensure ? ["--ensure"] : []),
      ...given("db", Option.map(db, (file) => path.resolve(file)))
    ]
  }
}

/** This program, by the whole path to it; where that is but a cache of npx, by way of that. */
const programOf = (program: string): Entry =>
  program.split(path.sep).includes("_npx")
    ? { command: "npx", args: ["-y", `quorate@${version}`] }
    : { command: process.execPath, args: [fs.realpathSync(program)] }

const toldOf = (
  { changed, client: { form, title }, dryRun, entry, file, remove }: {
    readonly client: Client
    readonly file: string
    readonly changed: boolean
    readonly dryRun: boolean
    readonly remove: boolean
    readonly entry: Entry
  }
): string => {
  if (!changed) {
    return remove
      ? `${file} has no quorate in it: nothing to do`
      : `${file} is as it should be: nothing to do`
  }
  if (remove) return `quorate ${dryRun ? "would be" : "was"} taken out of ${file}`
  return dryRun
    ? `${file} would have this, beside what it has:\n${show(form, entry)}`
    : `${title} knows of quorate now, by ${file}: start it anew`
}
