import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { OPEN_PATHS } from "../contract/documentation.js"

/** Whether a request may pass, by its headers and its query. */
export type Allows = (request: {
  readonly path: string
  readonly query: string
  readonly headers: IncomingHttpHeaders
}) => boolean

/**
 * Checks `X-API-Key` or `?api_key=`. Digests are compared, so neither the time nor the length of a wrong key says anything
 * about the right one. Without a configured key everything passes.
 */
export const make = (apiKey: Option.Option<Redacted.Redacted>): Allows => {
  if (Option.isNone(apiKey)) return () => true
  const expected = digest(Redacted.value(apiKey.value))
  const matches = (key: string) => timingSafeEqual(digest(key), expected)
  return ({ headers, path, query }) => {
    if (OPEN_PATHS.has(path)) return true
    const header = headers["x-api-key"]
    if (typeof header === "string" && matches(header)) return true
    return query.includes(PARAMETER) && new URLSearchParams(query).getAll(PARAMETER).some(matches)
  }
}

/** The query without the key, so that it reaches neither a span nor a log. Percent-encoding can hide its name, too. */
export const withoutKey = (query: string): string => {
  if (!query.includes(PARAMETER) && !query.includes("%")) return query
  return query.split("&").filter((pair) => !new URLSearchParams(pair).has(PARAMETER)).join("&")
}

const PARAMETER = "api_key"

const digest = (text: string) => createHash("sha256").update(text).digest()
