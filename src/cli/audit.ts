import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type Database from "better-sqlite3"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as listing from "../store/audit/listing.js"
import { type Verdict, verify } from "../store/audit/walk.js"
import * as databaseOf from "./databaseOf.js"
import type * as flags from "./flags.js"
import { BadUsage, Ended } from "./report.js"

type Inherited<E, R> = Effect.Effect<flags.Flags, E, R>

/** `quorate audit verify | tail | export`: the audit log in the database of a node, whether that runs or not. */
export const make = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("audit").pipe(
    Command.withDescription("What a node has written down of what concerns security."),
    Command.withSubcommands([verifying(inherited), tail(inherited), exporting(inherited)])
  )

const ownOf = (name: string, pseudo: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudo), Options.withDescription(description), Options.optional)

const db = ownOf("db", "file", "The database of the node. Default: as the configuration says.")
const keyDir = ownOf("key-dir", "folder", "The folder of the keys. Default: as the configuration says.")
const since = Options.integer("since").pipe(
  Options.withPseudoName("sequence"),
  Options.withDescription("The first row to be looked at. Default: 1."),
  Options.withDefault(1)
)
const format = Options.choice("format", ["text", "json"]).pipe(
  Options.withDescription("How it is printed. Default: text."),
  Options.withDefault("text")
)
const head = ownOf("head", "sequence:sum", "What was noted of the log before: it must go on from there.")

const verifying = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("verify", { db, keyDir, since, head, format }, (given) =>
    Effect.gen(function*() {
      const groups = [{ db: given.db, "key-dir": given.keyDir }, yield* inherited]
      const noted = yield* Option.match(given.head, { onNone: () => Effect.succeedNone, onSome: notedOf })
      if (Option.isSome(noted) && given.since > 1) {
        return yield* new BadUsage({ problem: "--head needs all rows: leave --since out" })
      }
      const database = yield* databaseOf.open({ readonly: true }, ...groups)
      const key = Option.map(yield* databaseOf.keyOf(database, ...groups), ({ publicKey }) => publicKey)
      const verdict = yield* databaseOf.attempt(database, () => verify(database, { since: given.since, key, noted }))
      yield* Console.log(given.format === "json" ? JSON.stringify(shown(verdict), null, 2) : told(verdict))
      if (verdict.chainBreak !== null || verdict.payloadFailures.length > 0) return yield* new Ended({ code: 1 })
    }).pipe(Effect.scoped)).pipe(
      Command.withDescription("Go through the log, and say where it was changed. Ends with 1 where it was.")
    )

const HEAD = /^([0-9]{1,15}):([0-9a-f]{64})$/

const notedOf = (
  text: string
): Effect.Effect<Option.Option<{ readonly sequence: number; readonly sum: string }>, BadUsage> => {
  const [, sequence, sum] = HEAD.exec(text) ?? []
  return sequence === undefined || sum === undefined
    ? new BadUsage({ problem: "--head: expected what verify printed, a number and 64 digits with a colon between" })
    : Effect.succeedSome({ sequence: Number(sequence), sum })
}

/** With the names of the original. */
const shown = ({ chainBreak, head, payloadFailures, rowsChecked, signatureFailures }: Verdict) => ({
  rows_checked: rowsChecked,
  chain_break: chainBreak?.sequence ?? null,
  chain_break_why: chainBreak?.why ?? null,
  signature_failures: signatureFailures,
  payload_failures: payloadFailures,
  chain_holds: chainBreak === null,
  head: { sequence: head.sequence, sum: head.sum, signed: head.isSigned }
})

const told = ({ chainBreak, head, payloadFailures, rowsChecked, signatureFailures }: Verdict): string =>
  [
    chainBreak === null
      ? `verify-signed-events-chain OK: ${rowsChecked} row(s) walked, chain holds`
      : `verify-signed-events-chain FAIL: chain break at sequence=${chainBreak.sequence} (${rowsChecked} row(s) walked)`,
    ...(chainBreak === null ? [] : [`  ${chainBreak.why}`]),
    ...signatureFailures.map((sequence) => `  sequence=${sequence}: not signed by the key of this node`),
    ...payloadFailures.map((sequence) => `  sequence=${sequence}: its payload was changed`),
    ...(chainBreak === null && /[1-9a-f]/.test(head.sum)
      ? [`  head ${head.sequence}:${head.sum} (${head.isSigned ? "signed" : "not signed"})`]
      : [])
  ].join("\n")

const limit = Options.integer("limit").pipe(
  Options.withDescription("How many of the latest rows. Default: 20."),
  Options.withDefault(20)
)
const type = ownOf("type", "type", "Rows of this type alone, as in federation.unknown_peer.")

const tail = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("tail", { db, limit, type, format }, (given) =>
    Effect.gen(function*() {
      const database = yield* databaseOf.open({ readonly: true }, { db: given.db }, yield* inherited)
      const rows = yield* databaseOf.attempt(database, () =>
        listing.latest(database, { type: Option.getOrNull(given.type), limit: Math.min(given.limit, MOST_ROWS) }))
      for (const row of rows) {
        yield* Console.log(given.format === "json" ? JSON.stringify(row) : lineOf(row))
      }
    }).pipe(Effect.scoped)).pipe(Command.withDescription("Show the latest rows."))

const MOST_ROWS = 100_000

const lineOf = ({ agent_id, event_type, payload, sequence, timestamp }: listing.Listed) =>
  `${sequence}  ${timestamp}  ${event_type}  ${agent_id === "" ? "-" : agent_id}  ${payload ?? ""}`.trimEnd()

const exporting = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("export", { db, since }, (given) =>
    Effect.gen(function*() {
      const database = yield* databaseOf.open({ readonly: true }, { db: given.db }, yield* inherited)
      yield* page(database, given.since)
    }).pipe(Effect.scoped)).pipe(
      Command.withDescription("Print all rows, each as one JSON object in a line.")
    )

const ROWS_OF_PAGE = 1_000

const page = (database: Database.Database, from: number): Effect.Effect<void, databaseOf.DatabaseUnusable> =>
  Effect.gen(function*() {
    const rows = yield* databaseOf.attempt(database, () => listing.from(database, from, ROWS_OF_PAGE))
    if (rows.length > 0) yield* Console.log(rows.map((row) => JSON.stringify(row)).join("\n"))
    const last = rows.at(-1)
    if (rows.length === ROWS_OF_PAGE && last !== undefined) yield* page(database, last.sequence + 1)
  })
