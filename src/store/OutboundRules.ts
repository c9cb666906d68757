import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { PublicKey } from "../access/ed25519.js"
import * as rules from "../access/rules.js"
import { Sqlite } from "./log/Sqlite.js"
import * as table from "./rules/table.js"

/** Where this node may send requests, by the rules of its operator as they are now. */
export class OutboundRules extends Context.Tag("quorate/store/OutboundRules")<OutboundRules, {
  /** Asked before every attempt; a rule that was changed a moment ago counts. The host is as in a URL, without a port. */
  readonly judge: (host: string) => rules.Decision
}>() {}

const make = (operator: Option.Option<PublicKey>) =>
  Effect.gen(function*() {
    const { writer } = yield* Sqlite
    const log = Runtime.runFork(yield* Effect.runtime())
    const version = table.version(writer)
    const all = table.all(writer)
    let known = { version: -1, rules: new Array<rules.Rule>() }
    /** What was said in the log since the rules were changed. */
    const told = new Set<string>()
    const tell = (text: string) => {
      if (told.size < MAX_TOLD && !told.has(text)) log(Effect.logWarning(text))
      told.add(text)
    }

    const read = (now: number) => {
      told.clear()
      const enabled = all().filter((rule) => rule.enabled && rule.kind === rules.NETWORK)
      const counted = enabled.filter((rule) => rules.counts(rule, operator))
      if (counted.length > 0 && Option.isNone(operator)) tell(NO_OPERATOR)
      for (const { id } of enabled.filter((rule) => !counted.includes(rule))) {
        tell(`rule ${id} does not count: it is not signed by the operator`)
      }
      return { version: now, rules: counted }
    }

    return OutboundRules.of({
      judge: (host) => {
        try {
          const now = version()
          if (now !== known.version) known = read(now)
          const decision = rules.judge(known.rules, host)
          if (decision.decision === "warn") tell(`rule ${decision.ruleId} on requests to ${host}: ${decision.reason}`)
          return decision
        } catch (cause) {
          const why = cause instanceof Error ? cause.message : String(cause)
          return { decision: "refuse", reason: `governance:consultation_failed: ${why}`, ruleId: CONSULTATION }
        }
      }
    })
  })

const MAX_TOLD = 100
const CONSULTATION = "governance:consultation"
const NO_OPERATOR =
  "there is no key of an operator (--operator-pubkey-file): whoever can write the database can make rules"

/** With the key of the operator, whose signature each rule must have; without one all rules count. */
export const layer = (operator: Option.Option<PublicKey>): Layer.Layer<OutboundRules, never, Sqlite> =>
  Layer.effect(OutboundRules, make(operator))
