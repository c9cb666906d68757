import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { sortedJson } from "../domain/sortedJson.js"
import { isSameAddress } from "./addresses.js"
import { type PublicKey, type Signer, verify } from "./ed25519.js"

/*
 * Rules of an operator on what a node may do, in the form of the original (identity.md 7.2). Of their kinds one has an effect here:
 * `network_request`, on where requests go.
 */

export const SEVERITIES = ["refuse", "warn", "log"] as const

export interface Rule {
  readonly id: string
  readonly kind: string
  /** JSON. Of a request the host that it goes to: `{"host":"b.example"}`, without a port. */
  readonly matcher: string
  readonly severity: string
  readonly reason: string
  readonly namespace: string
  readonly createdBy: string
  /** Seconds since 1970. */
  readonly createdAt: number
  readonly enabled: boolean
  /** 64 bytes by the key of the operator. */
  readonly signature: Buffer | null
  readonly attestLevel: string
}

export const NETWORK = "network_request"
const SIGNED = "operator_signed"

/** What the operator signs of a rule: whether it is enabled, too. */
export const signedParts = ({ createdBy, enabled, id, kind, matcher, namespace, reason, severity }: Rule) => ({
  created_by: createdBy,
  enabled,
  id,
  kind,
  matcher,
  namespace,
  reason,
  severity
})

export const signedText = (rule: Rule): string => sortedJson(signedParts(rule))

export const signedBy = (rule: Rule, signer: Option.Option<Signer>): Rule => ({
  ...rule,
  signature: Option.getOrNull(Option.map(signer, ({ sign }) => sign(Buffer.from(signedText(rule))))),
  attestLevel: Option.isSome(signer) ? SIGNED : "unsigned"
})

/** Whether a rule counts: where there is a key of an operator, those alone that he signed. */
export const counts = (rule: Rule, operator: Option.Option<PublicKey>): boolean =>
  rule.enabled && Option.match(operator, {
    onNone: () => true,
    onSome: (key) =>
      rule.attestLevel === SIGNED && rule.signature !== null &&
      verify(key, Buffer.from(signedText(rule)), rule.signature)
  })

/** The host that a rule on requests names; none where it names none, and matches nothing. */
export const hostOf = (matcher: string): string | undefined => {
  try {
    const parsed: unknown = JSON.parse(matcher)
    return Predicate.isRecord(parsed) && typeof parsed["host"] === "string" ? parsed["host"] : undefined
  } catch {
    return undefined
  }
}

/** What the rules say of a request. What they say to be logged is allowed. */
export type Decision =
  | { readonly decision: "allow" }
  | { readonly decision: "refuse" | "warn"; readonly reason: string; readonly ruleId: string }

/**
 * What rules that count say of a request to a host, which is a name in lower case or an address, as in a URL. The first one by
 * its id that refuses does; else the first one that warns.
 */
export const judge = (rules: ReadonlyArray<Rule>, host: string): Decision => {
  const matching = rules.filter(({ kind, matcher }) => kind === NETWORK && isOf(hostOf(matcher), host)).toSorted(byId)
  for (const severity of ["refuse", "warn"] as const) {
    const found = matching.find((rule) => rule.severity === severity)
    if (found !== undefined) return { decision: severity, reason: found.reason, ruleId: found.id }
  }
  return { decision: "allow" }
}

/** An address is the same in every spelling. */
const isOf = (named: string | undefined, host: string): boolean =>
  named !== undefined && (named === host || isSameAddress(named, host))

const byId = (a: Rule, b: Rule) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0
