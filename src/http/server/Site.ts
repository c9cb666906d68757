import type { IncomingMessage, ServerResponse } from "node:http"
import { isLoopback, type Settings } from "../../config/NodeConfig.js"
import { Refused } from "../calls/Refusal.js"

/*
 * A browser lets any page send requests to any address, with no key and from inside the network that the page has nothing to
 * do with. So a page of another site may change nothing here, and a name that is not this node's own opens nothing.
 */

/** What is asked of a request by where it comes from. */
export interface Site {
  /** Why the request is refused: under a name that is not this node's, or for a page that is not allowed to. */
  readonly refusal: (request: Pick<IncomingMessage, "method" | "headers">) => Refused | undefined
  /**
   * Lets a page of an allowed origin read the answer. Answers whether the request is the question of a browser whether it may
   * send another one, which has no key and no more of an answer than this.
   */
  readonly allow: (request: IncomingMessage, response: ServerResponse) => boolean
}

const ANY = "*"
/** They change nothing; a page of another site can not read what they answer. */
const SAFE: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS"])
/** How long a browser need not ask again. */
const MAX_AGE_SECONDS = 600
const REQUEST_HEADERS =
  "Content-Type, X-API-Key, X-Agent-Id, Idempotency-Key, If-Match, Prefer, traceparent, tracestate, Last-Event-ID, " +
  "MCP-Protocol-Version, Mcp-Method, Mcp-Name"
const RESPONSE_HEADERS = "ETag, Location, Retry-After, X-Op-Id, traceparent"

export const make = (settings: Pick<Settings, "host" | "allowedHosts" | "allowedOrigins">): Site => {
  const hosts = new Set(settings.allowedHosts)
  const origins = new Set(settings.allowedOrigins)
  const isNamed = hosts.has(ANY) || (hosts.size === 0 && !isLoopback(settings.host))
    ? () => true
    : remembering((host) => hosts.has(nameOf(host)) || isLoopback(nameOf(host)))
  const isAllowed = (origin: string) => origins.has(ANY) || origins.has(origin)

  return {
    refusal: (request) => {
      const { host = "", origin, "sec-fetch-site": site } = request.headers
      if (!isNamed(host)) return misdirected
      if (SAFE.has(request.method) || (origin !== undefined && isAllowed(origin))) return undefined
      const isForeign = origin === undefined ? site === "cross-site" : hostOf(origin) !== host.toLowerCase()
      return isForeign ? crossSite : undefined
    },
    allow: ({ headers: { "access-control-request-method": wanted, origin }, method }, response) => {
      if (origin === undefined || !isAllowed(origin)) return false
      response.setHeader("access-control-allow-origin", origin)
      response.setHeader("vary", "Origin")
      if (method !== "OPTIONS" || wanted === undefined) {
        response.setHeader("access-control-expose-headers", RESPONSE_HEADERS)
        return false
      }
      response.setHeader("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE")
      response.setHeader("access-control-allow-headers", REQUEST_HEADERS)
      response.setHeader("access-control-max-age", MAX_AGE_SECONDS)
      return true
    }
  }
}

/** Clients name this node alike: what was right the last time is so again. */
const remembering = (isRight: (host: string) => boolean) => {
  let last: string | undefined
  return (host: string): boolean => {
    if (host === last) return true
    if (!isRight(host)) return false
    last = host
    return true
  }
}

const misdirected = new Refused({
  status: 421,
  message: "the Host header names another node: --allowed-hosts says under which names this one may be asked"
})

const crossSite = new Refused({
  status: 403,
  message: "a page of another site may change nothing here: --allowed-origins says which ones may"
})

/** The host of an origin with its port, as a `Host` header has it. */
const hostOf = (origin: string): string | undefined => /^https?:\/\/([^/]+)$/.exec(origin)?.[1]?.toLowerCase()

/** A `Host` header without its port, and an address of IPv6 without its brackets. */
const nameOf = (host: string): string =>
  host.toLowerCase().replace(/:[0-9]*$/, "").replace(/\.$/, "").replace(/^\[(.*)\]$/, "$1")
