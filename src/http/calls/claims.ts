import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type { IncomingHttpHeaders } from "node:http"
import type { ApiKey } from "../../access/ApiKey.js"
import type { AgentId } from "../../domain/ids.js"
import type { Namespaces } from "../../domain/namespaces.js"
import type { Need } from "../contract/access.js"
import { lacking, Refused } from "./Refusal.js"

/*
 * Who a request says it comes from. A key that speaks for one agent makes a fact of that: what says nothing is that agent's, and
 * what says another one is refused, wherever it says so.
 */

/** By the headers of their requests, which all that handle them have. */
const bound = new WeakMap<IncomingHttpHeaders, AgentId>()

const AGENT = "x-agent-id"
/** Fields of bodies, and of what bodies list, that say who it is that speaks. */
const FIELDS = ["agent_id", "observed_by"] as const
/** The lists of bodies whose rows may each say it. */
const LISTS = ["memories"] as const

const another = (field: string) =>
  new Refused({ status: 403, message: `${field} names another agent than the one that this API key speaks for`, field })

/** Nodes and imports say of each row whose it is. */
export const others = new Refused({
  status: 403,
  message: "this API key speaks for one agent, and here others would speak, too"
})

/** Refuses what others speak in to who speaks for one agent. */
export const ofOthers = (headers: IncomingHttpHeaders): Either.Either<void, Refused> =>
  bound.has(headers) ? Either.left(others) : Either.void

/** Makes a request one of this agent, or says why it can not be one. */
export const bind = (headers: IncomingHttpHeaders, agent: AgentId): Refused | undefined => {
  const claimed = headers[AGENT]
  if (claimed !== undefined && claimed !== agent) return another("X-Agent-Id")
  headers[AGENT] = agent
  bound.set(headers, agent)
  return undefined
}

/** The same of a parameter of the query, where that says who asks. */
export const ofParameter = (
  headers: IncomingHttpHeaders,
  field: string,
  value: string | undefined
): Either.Either<void, Refused> => {
  const agent = bound.get(headers)
  return agent === undefined || value === undefined || value === agent ? Either.void : Either.left(another(field))
}

/** The same of a body. */
export const ofBody = (headers: IncomingHttpHeaders, body: unknown): Either.Either<void, Refused> => {
  const agent = bound.get(headers)
  if (agent === undefined) return Either.void
  const wrong = wrongIn(body, agent)
  return wrong === undefined ? Either.void : Either.left(another(wrong))
}

/** The field that names another agent. */
const wrongIn = (body: unknown, agent: AgentId): string | undefined => {
  if (Array.isArray(body)) return wrongOf(body, "memories", agent)
  if (!Predicate.isRecord(body)) return undefined
  const own = FIELDS.find((field) => isAnother(body[field], agent))
  if (own !== undefined) return own
  for (const list of LISTS) {
    const rows = body[list]
    const wrong = Array.isArray(rows) ? wrongOf(rows, list, agent) : undefined
    if (wrong !== undefined) return wrong
  }
  return undefined
}

const wrongOf = (rows: ReadonlyArray<unknown>, list: string, agent: AgentId): string | undefined => {
  for (const [index, row] of rows.entries()) {
    const field = Predicate.isRecord(row) ? FIELDS.find((name) => isAnother(row[name], agent)) : undefined
    if (field !== undefined) return `${list}[${index}].${field}`
  }
  return undefined
}

/** What is no text is for the reader of the body to judge. */
const isAnother = (claimed: unknown, agent: AgentId) => typeof claimed === "string" && claimed !== agent

/** The keys that let requests in, by the headers of these. */
const keys = new WeakMap<IncomingHttpHeaders, ApiKey>()

/** Notes which key let a request in. */
export const open = (headers: IncomingHttpHeaders, key: ApiKey): void => {
  keys.set(headers, key)
}

/** Whether the key of a request opens what one of the things needs that it asks for; all do where no keys are asked for. */
export const opens = (headers: IncomingHttpHeaders, need: Need): Either.Either<void, Refused> => {
  const key = keys.get(headers)
  if (key === undefined || need === "open" || need === "page" || need === "any") return Either.void
  const scope = need === "metrics" ? "read" : need
  return key.scopes.has(scope) ? Either.void : Either.left(lacking(scope))
}

/** What a request is let in as: the name of its key. */
export const keyOf = (headers: IncomingHttpHeaders): string | undefined => keys.get(headers)?.name

/** The namespaces of keys that are for some alone, by the headers of their requests. */
const limited = new WeakMap<IncomingHttpHeaders, Namespaces>()

/** Keeps a request to these namespaces. */
export const limit = (headers: IncomingHttpHeaders, namespaces: Namespaces): void => {
  limited.set(headers, namespaces)
}

/** Whether a request is kept to some namespaces. */
export const isLimited = (headers: IncomingHttpHeaders): boolean => limited.has(headers)

export const namespacesOf = (headers: IncomingHttpHeaders): Namespaces | null => limited.get(headers) ?? null

/** Refuses who is kept to some namespaces what is of all of them. */
export const ofAll = (headers: IncomingHttpHeaders): Either.Either<void, Refused> =>
  limited.has(headers) ? Either.left(elsewhere) : Either.void

const elsewhere = new Refused({
  status: 403,
  message: "this API key is for some namespaces, and this is of all of them"
})
