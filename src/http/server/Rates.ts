import type { ServerResponse } from "node:http"
import { Refused } from "../calls/Refusal.js"

/*
 * How much one caller may ask: so many requests in a second, of which it may save up a second's worth (a token bucket), and so
 * many at the same time. Looked at before anything of a request is read, so it may not wait, as limiters of libraries do.
 */

/** Takes a request of a caller, until its answer is over, or says why not. */
export type Take = (caller: string, response: ServerResponse) => Refused | undefined

interface Limits {
  /** Requests in a second; 0 for any number. */
  readonly rate: number
  /** Requests at the same time; 0 for any number. */
  readonly concurrency: number
  readonly nowMillis: () => number
}

/** What is known of a caller. */
interface Known {
  tokens: number
  at: number
  open: number
}

/** Callers that are known at the same time: whoever asked longest ago is forgotten, and has a full bucket again. */
const MAX_CALLERS = 10_000

export const make = ({ concurrency, nowMillis, rate }: Limits): Take => {
  if (rate === 0 && concurrency === 0) return () => undefined
  const callers = new Map<string, Known>()

  const knownOf = (caller: string, now: number): Known => {
    const known = callers.get(caller) ?? { tokens: rate, at: now, open: 0 }
    known.tokens = Math.min(rate, known.tokens + Math.max(0, now - known.at) * rate / 1000)
    known.at = now
    // The order of the map is that of the latest requests.
    callers.delete(caller)
    callers.set(caller, known)
    return known
  }
  const forget = () => {
    for (const [caller, { open }] of callers) {
      if (callers.size <= MAX_CALLERS) return
      if (open === 0) callers.delete(caller)
    }
  }

  return (caller, response) => {
    const known = knownOf(caller, nowMillis())
    forget()
    if (concurrency > 0 && known.open >= concurrency) return atOnce
    if (rate > 0 && known.tokens < 1) return tooMany((1 - known.tokens) / rate)
    known.tokens -= 1
    known.open += 1
    response.once("close", () => {
      known.open -= 1
    })
    return undefined
  }
}

/** The address of a caller; of IPv6 its network, the first 64 bits: a machine has all addresses of one. */
export const networkOf = (address: string): string => {
  if (!address.includes(":") || address.includes(".")) return address
  const [before = "", after] = address.split("::", 2)
  const groups = (text: string) => text === "" ? [] : text.split(":")
  const right = after === undefined ? [] : groups(after)
  const left = groups(before)
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right].slice(0, 4).join(":")
}

const limited = (what: string, seconds: number) =>
  new Refused({
    status: 429,
    message: `too many requests ${what}: nothing was done, try again later`,
    headers: { "retry-after": String(Math.max(1, Math.ceil(seconds))) }
  })

const atOnce = limited("of this caller at the same time", 1)
const tooMany = (seconds: number) => limited("of this caller in a second", seconds)
