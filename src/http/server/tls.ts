import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { readFileSync } from "node:fs"
import { createSecureContext, type TLSSocket } from "node:tls"
import type { Settings } from "../../config/NodeConfig.js"

/** A certificate, key or allow-list can not be used: the node does not start. */
export class TlsUnusable extends Data.TaggedError("TlsUnusable")<{ readonly path: string; readonly problem: string }> {
  override get message() {
    return `${this.path}: ${this.problem}`
  }
}

/** What a TLS listener needs. With `allowed`, every connection must show a client certificate of the list. */
export interface Tls {
  readonly cert: Buffer
  readonly key: Buffer
  readonly allowed: Option.Option<ReadonlySet<string>>
}

/** Reads the files of the TLS settings: none when the listener speaks plain HTTP. */
export const load = (
  settings: Pick<Settings, "tlsCert" | "tlsKey" | "mtlsAllowlist">
): Effect.Effect<Option.Option<Tls>, TlsUnusable> =>
  Effect.gen(function*() {
    const { mtlsAllowlist, tlsCert, tlsKey } = settings
    if (Option.isNone(tlsCert) || Option.isNone(tlsKey)) return Option.none()
    const cert = yield* readFile(tlsCert.value)
    const key = yield* readFile(tlsKey.value)
    yield* Effect.try({
      try: () => createSecureContext({ cert, key }),
      catch: (cause) =>
        new TlsUnusable({ path: tlsCert.value, problem: `not a certificate with its key: ${String(cause)}` })
    })
    const allowed = yield* Effect.transposeMapOption(mtlsAllowlist, readAllowlist)
    return Option.some({ cert, key, allowed })
  })

/**
 * A client certificate is known by its fingerprint alone: neither its issuer nor its dates are looked at. A connection
 * without a listed one is cut before a byte of HTTP is read.
 */
export const isAllowed = (socket: TLSSocket, allowed: ReadonlySet<string>): boolean => {
  const certificate = socket.getPeerX509Certificate()
  return certificate !== undefined && allowed.has(normalised(certificate.fingerprint256))
}

/**
 * One SHA-256 of a DER certificate per line: 64 hex digits of any case, `:` between them allowed, `sha256:` before them
 * allowed, `#` begins a comment. Fails with the number of the first line that is none, and when there is no fingerprint.
 */
export const parseAllowlist = (text: string): ReadonlySet<string> | string => {
  const fingerprints = new Set<string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = (line.split("#", 1)[0] ?? "").trim()
    if (entry === "") continue
    const fingerprint = normalised(entry.replace(/^sha256:/i, ""))
    if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
      return `line ${index + 1} is no SHA-256 fingerprint: expected 64 hex digits`
    }
    fingerprints.add(fingerprint)
  }
  return fingerprints.size === 0 ? "no fingerprint in it: no client could ever connect" : fingerprints
}

const normalised = (fingerprint: string) => fingerprint.replaceAll(":", "").toLowerCase()

const readAllowlist = (path: string) =>
  Effect.flatMap(readFile(path), (file) => {
    const parsed = parseAllowlist(file.toString("utf8"))
    return typeof parsed === "string" ? new TlsUnusable({ path, problem: parsed }) : Effect.succeed(parsed)
  })

const readFile = (path: string) =>
  Effect.try({
    try: () => readFileSync(path),
    catch: (cause) => new TlsUnusable({ path, problem: cause instanceof Error ? cause.message : "can not be read" })
  })
