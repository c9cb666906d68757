import type { Json } from "./json.js"

/*
 * A write that was not answered, or missed its quorum, is asked for once more under the same key, so that it is the same
 * write. What was changed since is another one.
 */

const BYTES = 16

const fresh = (): string =>
  // Not every origin has crypto.randomUUID: one without TLS has this alone.
  Array.from(crypto.getRandomValues(new Uint8Array(BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Gives each thing that is tried the headers of its attempt. */
export const attempts = () => {
  let last = ""
  let key = ""
  return (what: Json): Readonly<Record<string, string>> => {
    const now = JSON.stringify(what)
    if (now !== last) key = fresh()
    last = now
    return { "idempotency-key": key }
  }
}
