import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import type Database from "better-sqlite3"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { randomUUID } from "node:crypto"
import { publicKeyOfText, type Signer } from "../access/ed25519.js"
import * as access from "../access/rules.js"
import { sortedJson } from "../domain/sortedJson.js"
import * as Stamp from "../domain/Stamp.js"
import * as Uuid from "../domain/Uuid.js"
import * as audit from "../store/audit/rows.js"
import * as table from "../store/rules/table.js"
import * as databaseOf from "./databaseOf.js"
import type * as flags from "./flags.js"
import * as operator from "./operator.js"
import { BadUsage } from "./report.js"

type Inherited<E, R> = Effect.Effect<flags.Flags, E, R>

/** `quorate rules add | list | check | enable | disable | remove | keygen`, with the flags and answers of the original. */
export const make = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("rules").pipe(
    Command.withDescription("What the operator forbids a node to do: one that runs knows of it at once."),
    Command.withSubcommands([
      add(inherited),
      list(inherited),
      check(inherited),
      enable(inherited),
      disable(inherited),
      remove(inherited),
      operator.keygen
    ])
  )

const ownOf = (name: string, pseudo: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(pseudo), Options.withDescription(description), Options.optional)

const db = ownOf("db", "file", "The database of the node. Default: as the configuration says.")
const keyDir = ownOf("key-dir", "folder", "The folder of the keys of nodes. Default: as the configuration says.")
const json = Options.boolean("json").pipe(Options.withDescription("One JSON object with the name of the command."))
const id = Options.text("id").pipe(Options.withDescription("What the rule is called."))
const kind = Options.text("kind").pipe(
  Options.withDescription(`What it is about: ${access.NETWORK}. Others are kept, and a node does nothing by them.`)
)
const sign = Options.boolean("sign").pipe(
  Options.withDescription("Sign it with the key of the operator, as it must be where there is one.")
)
const operatorKey = ownOf(
  "operator-key-file",
  "file",
  "The secret key of the operator. Default: beside the public one."
)
const agentId = Options.text("agent-id").pipe(
  Options.withPseudoName("id"),
  Options.withDescription("Who does it, for the audit log. Default: operator."),
  Options.withDefault("operator")
)
const changing = { db, keyDir, json, sign, operatorKey, agentId }

const add = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("add", {
    ...changing,
    id,
    kind,
    matcher: Options.text("matcher").pipe(
      Options.withPseudoName("json"),
      Options.withDescription("Of requests, the host as it is in the URL: {\"host\":\"b.example\"}.")
    ),
    severity: Options.choice("severity", access.SEVERITIES).pipe(
      Options.withDescription("What is done: refuse, warn (in the log) or log (nothing). Default: refuse."),
      Options.withDefault("refuse" as const)
    ),
    reason: Options.text("reason").pipe(Options.withDescription("Why, for whoever is refused.")),
    namespace: Options.text("namespace").pipe(
      Options.withDescription("Kept, and not looked at. Default: _global."),
      Options.withDefault("_global")
    ),
    disabled: Options.boolean("disabled").pipe(Options.withDescription("Without effect, until it is enabled."))
  }, (given) =>
    Effect.gen(function*() {
      yield* checkTexts(given)
      const now = yield* Clock.currentTimeMillis
      yield* change("add", given, inherited, (rules) =>
        rules.some((rule) => rule.id === given.id)
          ? new BadUsage({ problem: `there is a rule ${given.id} already` })
          : Effect.succeed({
            id: given.id,
            kind: given.kind,
            matcher: given.matcher,
            severity: given.severity,
            reason: given.reason,
            namespace: given.namespace,
            createdBy: given.agentId,
            createdAt: Math.floor(now / 1000),
            enabled: !given.disabled,
            signature: null,
            attestLevel: ""
          }))
    })).pipe(Command.withDescription("Make a rule."))

const MOST_CHARS = { id: 128, kind: 64, matcher: 4_096, reason: 512, namespace: 512, agentId: 128 }
const isNamed = (name: string): name is keyof typeof MOST_CHARS => name in MOST_CHARS

/** A matcher that matches nothing is a mistake. */
const checkTexts = (given: Readonly<Record<string, unknown>> & { readonly kind: string; readonly matcher: string }) =>
  Effect.gen(function*() {
    for (const [name, text] of Object.entries(given)) {
      const most = isNamed(name) ? MOST_CHARS[name] : undefined
      if (most === undefined || !Predicate.isString(text)) continue
      if (text.length === 0 || text.length > most || /\p{Cc}/u.test(text)) {
        return yield* new BadUsage({
          problem: `--${name}: expected 1..${most} characters, none of them a control character`
        })
      }
    }
    if (given.kind !== access.NETWORK) return
    const host = access.hostOf(given.matcher)
    const asUrl = host === undefined || !URL.canParse(`http://${host}`) ? undefined : new URL(`http://${host}`)
    if (asUrl === undefined || asUrl.hostname !== host) {
      const hint = asUrl === undefined ? "" : `, as in {"host":${JSON.stringify(asUrl.hostname)}}`
      return yield* new BadUsage({
        problem: `--matcher: expected the host of a URL, in lower case and without a port${hint}`
      })
    }
  })

const switching = <E, R>(name: "enable" | "disable", inherited: Inherited<E, R>, description: string) =>
  Command.make(name, { ...changing, id }, (given) =>
    change(name, given, inherited, (rules) => {
      const rule = rules.find((each) => each.id === given.id)
      return rule === undefined
        ? new BadUsage({ problem: `there is no rule ${given.id}` })
        : Effect.succeed({ ...rule, enabled: name === "enable" })
    })).pipe(Command.withDescription(description))

const enable = <E, R>(inherited: Inherited<E, R>) => switching("enable", inherited, "Give a rule its effect.")
const disable = <E, R>(inherited: Inherited<E, R>) => switching("disable", inherited, "Take its effect from a rule.")

interface Changing {
  readonly db: Option.Option<string>
  readonly keyDir: Option.Option<string>
  readonly json: boolean
  readonly sign: boolean
  readonly operatorKey: Option.Option<string>
  readonly agentId: string
}

/** Puts a rule into the table, signed where that is asked for, with its row in the audit log. */
const change = <E, R>(
  verb: string,
  given: Changing,
  inherited: Inherited<E, R>,
  ruleOf: (rules: ReadonlyArray<access.Rule>) => Effect.Effect<access.Rule, BadUsage>
) =>
  opened(verb, given, inherited, ({ database, record, signer }) =>
    Effect.gen(function*() {
      const rule = access.signedBy(yield* ruleOf(yield* databaseOf.attempt(database, table.all(database))), signer)
      yield* databaseOf.attempt(database, () =>
        database.transaction(() => {
          table.put(database, rule)
          record({ change: verb, ...recorded(rule) })
        }).immediate())
      yield* print(verb, shown(rule), given.json)
    }))

const remove = <E, R>(inherited: Inherited<E, R>) =>
  Command.make(
    "remove",
    { ...changing, id },
    (given) =>
      opened("remove", given, inherited, ({ database, record }) =>
        Effect.gen(function*() {
          const rule = (yield* databaseOf.attempt(database, table.all(database))).find((each) => each.id === given.id)
          if (rule !== undefined) {
            yield* databaseOf.attempt(database, () =>
              database.transaction(() => {
                table.remove(database, given.id)
                record({ change: "remove", ...recorded(rule) })
              }).immediate())
          }
          yield* print("remove", { id: given.id, removed: rule !== undefined }, given.json)
        }))
  ).pipe(Command.withDescription("Take a rule away."))

/** What is changed is opened for writing, with what it is signed by, and what writes it down. */
const opened = <A, E, R, E2, R2>(
  verb: string,
  given: Changing,
  inherited: Inherited<E, R>,
  what: (tools: {
    readonly database: Database.Database
    readonly signer: Option.Option<Signer>
    readonly record: (payload: Readonly<Record<string, unknown>>) => void
  }) => Effect.Effect<A, E2, R2>
) =>
  Effect.gen(function*() {
    const groups = [{ db: given.db, "key-dir": given.keyDir }, yield* inherited]
    const signer = yield* operator.signerFor(verb, given, ...groups)
    const database = yield* databaseOf.open({ readonly: false }, ...groups)
    const own = Option.flatMap(yield* databaseOf.keyOf(database, ...groups), (key) => key.signer)
    const now = yield* Clock.currentTimeMillis
    const timestamp = Stamp.fromMillis(now)
    const newId = Uuid.ordered({ nowMillis: () => now, random: randomUUID })
    const append = yield* databaseOf.attempt(database, () => audit.appending(database))
    const record = (payload: Readonly<Record<string, unknown>>) => {
      const event = { type: "governance.rule_changed", agentId: given.agentId, payload } as const
      append([audit.seal(event, { id: newId(), timestamp, signer: own })], own)
    }
    return yield* what({ database, signer, record })
  }).pipe(Effect.scoped)

const list = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("list", { db, json }, (given) =>
    Effect.gen(function*() {
      const database = yield* databaseOf.open({ readonly: true }, { db: given.db }, yield* inherited)
      const rules = yield* databaseOf.attempt(database, table.all(database))
      yield* print("list", rules.map(shown), given.json)
    }).pipe(Effect.scoped)).pipe(Command.withDescription("Show the rules."))

const check = <E, R>(inherited: Inherited<E, R>) =>
  Command.make("check", {
    db,
    json,
    kind,
    payload: Options.text("payload").pipe(
      Options.withPseudoName("json"),
      Options.withDescription("Of a request, where it goes: {\"host\":\"b.example\",\"scheme\":\"https\"}.")
    ),
    agentId
  }, (given) =>
    Effect.gen(function*() {
      const groups = [{ db: given.db }, yield* inherited]
      const host = access.hostOf(given.payload)
      if (given.kind === access.NETWORK && host === undefined) {
        return yield* new BadUsage({ problem: "--payload: expected an object with a host" })
      }
      const key = Option.flatMap(yield* operator.publicText(...groups), publicKeyOfText)
      const database = yield* databaseOf.open({ readonly: true }, ...groups)
      const rules = (yield* databaseOf.attempt(database, table.all(database))).filter((rule) =>
        access.counts(rule, key)
      )
      const judged: access.Decision = given.kind === access.NETWORK && host !== undefined
        ? access.judge(rules, host)
        : { decision: "allow" }
      yield* print(
        "check",
        judged.decision === "allow"
          ? judged
          : { decision: judged.decision, reason: judged.reason, rule_id: judged.ruleId },
        given.json
      )
    }).pipe(Effect.scoped)).pipe(Command.withDescription("Say what the rules say of something."))

/** For the audit log. */
const recorded = (rule: access.Rule) => ({ rule: access.signedParts(rule), attest_level: rule.attestLevel })

const shown = (rule: access.Rule) => ({
  attest_level: rule.attestLevel,
  created_at: rule.createdAt,
  created_by: rule.createdBy,
  enabled: rule.enabled,
  id: rule.id,
  kind: rule.kind,
  matcher: rule.matcher,
  namespace: rule.namespace,
  reason: rule.reason,
  severity: rule.severity,
  signature_b64: rule.signature?.toString("base64url") ?? null
})

const print = (verb: string, result: unknown, isCompact: boolean) =>
  Console.log(isCompact ? sortedJson({ verb: `rules.${verb}`, result }) : JSON.stringify(result, null, 2))
