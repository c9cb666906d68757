import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import Database from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Settings } from "../config/NodeConfig.js"
import { version } from "../domain/version.js"
import { wordsOf } from "../store/log/Sqlite.js"
import * as TideMark from "../store/log/TideMark.js"
import { type Check, fault, type Status, warning, worst } from "./checks/Check.js"
import * as daemon from "./checks/daemon.js"
import * as database from "./checks/database.js"
import * as files from "./checks/files.js"
import * as ofSettings from "./checks/settings.js"
import * as store from "./checks/store.js"
import * as flags from "./flags.js"
import { Ended } from "./report.js"

/**
 * `quorate doctor`: looks at a node from outside, whether it runs or not, and changes nothing. Ends with 0 when all is well, 1
 * when something is to be looked at, 2 when something is broken.
 */
export const make = <E, R>(inherited: Effect.Effect<flags.Flags, E, R>) =>
  Command.make("doctor", { settings: flags.options(), json }, ({ json, settings: own }) =>
    Effect.gen(function*() {
      const effective = yield* flags.effective(own, yield* inherited)
      const { settings } = effective
      const checks = [yield* ofSettings.examine(effective), ...yield* examine(settings)]
      const status = worst(checks)
      yield* Console.log(
        json ? JSON.stringify({ status, version, database: placeOf(settings), checks }) : table(checks)
      )
      if (status !== "ok") return yield* new Ended({ code: CODES[status] })
    })).pipe(
      Command.withDescription(
        "Look at a node and its database from outside. Ends with 1 for warnings, 2 for faults."
      )
    )

const json = Options.boolean("json").pipe(Options.withDescription("One JSON object instead of a table."))

const CODES: Readonly<Record<Status, number>> = { ok: 0, warning: 1, fault: 2 }

const placeOf = ({ db }: Settings): string => db === ":memory:" ? db : path.resolve(db)

const examine = (settings: Settings): Effect.Effect<ReadonlyArray<Check>> =>
  Effect.gen(function*() {
    const file = placeOf(settings)
    if (file === ":memory:") {
      const nothing = warning("file", "db :memory: keeps nothing: there is nothing to look at")
      return [nothing, ...yield* store.examine(settings, file)]
    }
    // Before anything that a node may go on writing while it is looked at.
    const tide = TideMark.read(file)
    const lastStart = daemon.lastStart(file)
    const nowMillis = yield* Clock.currentTimeMillis
    const found = yield* Effect.sync(() => ofDatabase({ file, tide, lastStart, nowMillis }, settings))
    const held = lastStart === null ? { start: database.startOf(file) } : null
    return [...found, ...yield* store.examine(settings, file), ...yield* daemon.examine(settings, held)]
  })

const ofDatabase = (beside: database.Beside, settings: Settings): ReadonlyArray<Check> => {
  const { file } = beside
  if (!fs.existsSync(file)) {
    return [
      Option.isSome(settings.store)
        ? warning("file", `${file} does not exist; its daemon makes it of what the store has`)
        : fault("file", `${file} does not exist; give the one that it is with --db`)
    ]
  }
  const readable = files.readable(file)
  if (readable.status === "fault") return [readable]
  // To read a database makes the files beside it that SQLite shares with others.
  const before = [...files.lock(file), files.permissions(file), files.room(file)]
  const db = Either.try(() => new Database(file, { readonly: true, fileMustExist: true }))
  if (Either.isLeft(db)) return [fault("file", `${file}: ${wordsOf(db.left)}`)]
  try {
    return [...database.examine(db.right, beside), ...before]
  } finally {
    db.right.close()
  }
}

const table = (checks: ReadonlyArray<Check>): string => {
  const width = Math.max(...checks.map(({ name }) => name.length))
  const count = (status: Status) => checks.filter((check) => check.status === status).length
  return [
    ...checks.map(({ detail, name, status }) => `${status.padEnd(7)}  ${name.padEnd(width)}  ${detail}`),
    "",
    `faults: ${count("fault")}, warnings: ${count("warning")}`
  ].join("\n")
}
