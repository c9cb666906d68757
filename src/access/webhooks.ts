import { createHash, createHmac } from "node:crypto"
import { isIP } from "node:net"
import { notPublic } from "./addresses.js"

/*
 * Where a webhook may go, and how it is signed. Whoever may subscribe names the address, and it is this node that sends there: so
 * never to itself or into its own network.
 */

/** What an operator allows. */
export interface Allowed {
  /** To this machine itself, also without TLS. */
  readonly loopback: boolean
}

const LOOPBACK_NAME = /^(?:.*\.)?localhost\.?$/i

/** Why nothing is sent to a URL; none where its host may be asked for. A name is looked at once it has become an address. */
export const whyNotUrl = ({ hostname, protocol }: URL, allowed: Allowed): string | undefined => {
  const isNamed = isIP(hostname.replace(/^\[(.*)\]$/, "$1")) === 0
  const isLoopback = isNamed ? LOOPBACK_NAME.test(hostname) : notPublic(hostname) === "loopback"
  if (isLoopback) {
    return allowed.loopback
      ? undefined
      : "the address of this machine: --allow-loopback-webhooks allows it"
  }
  if (protocol !== "https:") return "not https"
  return isNamed ? undefined : whyNotAddress(hostname, allowed)
}

/** The same of an address that is connected to. */
export const whyNotAddress = (address: string, allowed: Allowed): string | undefined => {
  const kind = notPublic(address)
  if (kind === undefined || (kind === "loopback" && allowed.loopback)) return undefined
  return `an address that is ${kind}`
}

/**
 * `sha256=<hex>` of the HMAC-SHA256 over `<timestamp>.<body>`, whose key is the SHA-256 of the secret: contract.md 2.11. The timestamp
 * is in seconds since 1970.
 */
export const sign = (secret: string, timestamp: string, body: string | Buffer): string =>
  `sha256=${
    createHmac("sha256", createHash("sha256").update(secret).digest())
      .update(`${timestamp}.`).update(body).digest("hex")
  }`

/** The form that the original's SDKs verify (contract.md 9): over the body alone, with the secret as key. */
export const signBody = (secret: string, body: string): string =>
  `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`
