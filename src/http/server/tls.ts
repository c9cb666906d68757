import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { createSecureContext, type TLSSocket } from "node:tls"
import type { Settings } from "../../config/NodeConfig.js"
import { Metrics } from "../../telemetry/Metrics.js"

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

/** The files of the TLS settings. */
export const filesOf = (settings: TlsSettings): ReadonlyArray<string> =>
  [settings.tlsCert, settings.tlsKey, settings.mtlsAllowlist].flatMap(Option.toArray)

type TlsSettings = Pick<Settings, "tlsCert" | "tlsKey" | "mtlsAllowlist">

const LOOK_AT_DATES_EVERY = Duration.hours(1)
const DAY_MILLIS = 86_400_000
/** Days before the end of a certificate on which that is told. */
const TOLD_DAYS = [14, 7, 1]

/** Says in a metric how long the certificate is good, and in the log when that is not long any more. */
export const watchingExpiry = (
  { name, tlsCert }: TlsSettings & { readonly name: string }
): Effect.Effect<void, never, Metrics> =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    let told = Number.POSITIVE_INFINITY
    const look = Effect.gen(function*() {
      if (Option.isNone(tlsCert)) return
      const left = Date.parse(new X509Certificate(yield* readFile(tlsCert.value)).validTo) -
        (yield* Clock.currentTimeMillis)
      metrics.certificate(name, left / 1000)
      const days = left / DAY_MILLIS
      const step = left <= 0 ? 0 : TOLD_DAYS.findLast((each) => days <= each) ?? Number.POSITIVE_INFINITY
      if (step < told) {
        yield* Effect.logWarning(
          `the certificate in ${tlsCert.value} ${left <= 0 ? "has ended" : `ends in ${days.toFixed(1)} day(s)`}: ` +
            "put another one in its place, it is read within a second"
        )
      }
      told = step
    })
    yield* look.pipe(
      Effect.catchAllCause((cause) => Effect.logWarning("the end of the certificate is not known", cause)),
      Effect.repeat(Schedule.spaced(LOOK_AT_DATES_EVERY)),
      Effect.withTracerEnabled(false)
    )
  })

/** Reads the files of the TLS settings: none when the listener speaks plain HTTP. */
export const load = (
  settings: TlsSettings
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
