import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Effective } from "../config/ConfigSources.js"
import { knobs } from "../config/knobs.js"
import * as flags from "./flags.js"

/** `quorate config show`: every effective value and where it came from. Secrets are redacted. */
export const make = <E, R>(inherited: Effect.Effect<flags.Flags, E, R>) =>
  Command.make("show", { settings: flags.options(), json }, ({ json, settings }) =>
    Effect.gen(function*() {
      const effective = yield* flags.effective(settings, yield* inherited)
      const rows = rowsOf(effective)
      yield* Console.log(
        json ? JSON.stringify(Object.fromEntries(rows.map(({ name, ...row }) => [name, row]))) : table(rows)
      )
      yield* Effect.forEach(effective.warnings, (warning) => Console.warn(`quorate: ${warning}`), { discard: true })
    })).pipe(Command.withDescription("Print every effective value and where it came from; takes the flags of serve."))

const json = Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a table."))

interface Row {
  readonly name: string
  readonly value: string | null
  readonly source: string
}

const rowsOf = ({ settings, sourceOf }: Effective): ReadonlyArray<Row> =>
  knobs.map(({ name, show }) => ({ name, value: show(settings), source: sourceOf(name) }))

const table = (rows: ReadonlyArray<Row>) => {
  const nameWidth = Math.max(...rows.map(({ name }) => name.length))
  const valueWidth = Math.max(...rows.map(({ value }) => (value ?? "-").length))
  return rows
    .map(({ name, source, value }) => `${name.padEnd(nameWidth)}  ${(value ?? "-").padEnd(valueWidth)}  ${source}`)
    .join("\n")
}
