import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { IncomingHttpHeaders } from "node:http"
import { type ApiKey, isExpired, type Scope } from "../../access/ApiKey.js"
import type { Keys } from "../../access/Keys.js"
import type { AuditEvent } from "../../domain/AuditEvent.js"
import { lacking, Refused, unauthorized } from "../calls/Refusal.js"
import type { Need } from "../contract/access.js"

/** Who may do what, by the keys in the headers and the query of a request. */
export type Enter = (request: {
  readonly query: string
  readonly headers: IncomingHttpHeaders
  /** Undefined for what is no route: who may ask anything is told that. */
  readonly need: Need | undefined
}) => Either.Either<Option.Option<ApiKey>, Refused>

interface Options {
  readonly keys: Keys
  readonly areMetricsOpen: boolean
  readonly nowMillis: () => number
}

/**
 * Looks for a key in `X-API-Key`, `Authorization: Bearer` and `?api_key=`, and whether one of them opens what is needed. Answers
 * the key; none where none was needed.
 */
export const make = ({ areMetricsOpen, keys, nowMillis }: Options): Enter => ({ headers, need, query }) => {
  const isOpen = need === "open" || need === "page" || (need === "metrics" && areMetricsOpen)
  if (!keys.areAsked || isOpen) return Either.right(Option.none())
  const scope = need === "metrics" ? "read" : need === "any" ? undefined : need
  let refused = unauthorized
  for (const secret of secretsOf(headers, query)) {
    const key = keys.find(secret)
    if (key === undefined) continue
    const why = refusalOf(key, scope, nowMillis())
    if (why === undefined) return Either.right(Option.some(key))
    refused = why
  }
  return Either.left(refused)
}

/** What the audit log has of it: that a key did not open something, and what a key opened that is for who runs a node. */
export const eventOf = (need: Need | undefined, entered: ReturnType<Enter>): AuditEvent | undefined => {
  if (Either.isLeft(entered)) {
    const { message, status } = entered.left
    return { type: "access.key_refused", agentId: "", payload: { reason: message, status } }
  }
  const key = Option.getOrUndefined(entered.right)
  return need === "admin" && key !== undefined
    ? { type: "access.admin_key_used", agentId: Option.getOrElse(key.agentId, () => ""), payload: { key: key.name } }
    : undefined
}

/** Why the key does not open what is needed. Who has it may know. */
const refusalOf = (key: ApiKey, scope: Scope | undefined, nowMillis: number): Refused | undefined => {
  if (isExpired(key, nowMillis)) return expired
  return scope === undefined || key.scopes.has(scope) ? undefined : lacking(scope)
}

const expired = new Refused({ ...unauthorized, message: "this API key has expired" })

/** Every text of the request that may be a key. */
const secretsOf = (headers: IncomingHttpHeaders, query: string): ReadonlyArray<string> => {
  const own = headers["x-api-key"]
  const bearer = BEARER.exec(headers.authorization ?? "")?.[1]
  return [
    ...(typeof own === "string" ? [own] : []),
    ...(bearer === undefined ? [] : [bearer]),
    ...(query.includes(PARAMETER) ? new URLSearchParams(query).getAll(PARAMETER) : [])
  ].slice(0, MAX_SECRETS)
}

/** The query without the key, so that it reaches neither a span nor a log. Percent-encoding can hide its name, too. */
export const withoutKey = (query: string): string => {
  if (!query.includes(PARAMETER) && !query.includes("%")) return query
  return query.split("&").filter((pair) => !new URLSearchParams(pair).has(PARAMETER)).join("&")
}

const PARAMETER = "api_key"
const BEARER = /^Bearer +(\S+) *$/i
/** Each is compared with every key. */
const MAX_SECRETS = 4
