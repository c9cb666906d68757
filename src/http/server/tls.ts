import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { createSecureContext, DEFAULT_CIPHERS } from "node:tls"
import type { Settings } from "../../config/NodeConfig.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { normalised } from "./certificates.js"

/** A certificate, key or allow-list can not be used: the node does not start. */
export class TlsUnusable extends Data.TaggedError("TlsUnusable")<{
  readonly flag: string
  readonly path: string
  readonly problem: string
}> {
  override get message() {
    return `${this.flag}: ${this.path}: ${this.problem}`
  }
}

/** What a TLS listener needs. */
export interface Tls {
  readonly cert: Buffer
  readonly key: Buffer
  /** The client certificates that may connect. */
  readonly allowed: Option.Option<ReadonlySet<string>>
  /** Whose client certificates may, too. */
  readonly authorities: Option.Option<Buffer>
}

/** The files of the TLS settings. */
export const filesOf = (settings: TlsSettings): ReadonlyArray<string> =>
  [settings.tlsCert, settings.tlsKey, settings.mtlsAllowlist, settings.mtlsClientCa].flatMap(Option.toArray)

interface TlsSettings extends Pick<Settings, Name> {
  /** Where it is another one: the flag that a setting is given by. */
  readonly flagOf?: (name: Name) => string
}

type Name = "tlsCert" | "tlsKey" | "mtlsAllowlist" | "mtlsClientCa"

export const FLAGS: Readonly<Record<Name, string>> = {
  tlsCert: "--tls-cert",
  tlsKey: "--tls-key",
  mtlsAllowlist: "--mtls-allowlist",
  mtlsClientCa: "--mtls-client-ca"
}

/** What TLS is spoken at least. Nodes of ours speak 1.3, as every one of them does. */
const MIN_VERSION = "TLSv1.2"

/** What is asked of certificates of clients: no RSA below 2048 bits, nothing signed with SHA-1. */
const STRONG = `${DEFAULT_CIPHERS}:@SECLEVEL=2`

/** How a listener speaks TLS. */
export const contextOf = ({ authorities, cert, key }: Tls) => ({
  cert,
  key,
  minVersion: MIN_VERSION,
  ...Option.match(authorities, { onNone: () => ({}), onSome: (ca) => ({ ca, ciphers: STRONG }) })
} as const)

const LOOK_AT_DATES_EVERY = Duration.hours(1)
const DAY_MILLIS = 86_400_000
/** Days before the end of a certificate on which that is told. */
const TOLD_DAYS = [14, 7, 1]

/** Says in a metric how long the certificate is good, and in the log when that is not long any more. */
export const watchingExpiry = (
  { name, tlsCert }: Pick<TlsSettings, "tlsCert"> & { readonly name: string }
): Effect.Effect<void, never, Metrics> =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    let told = Number.POSITIVE_INFINITY
    const look = Effect.gen(function*() {
      if (Option.isNone(tlsCert)) return
      const left =
        Date.parse(new X509Certificate(yield* readFile({ flag: FLAGS.tlsCert, path: tlsCert.value })).validTo) -
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
    const { flagOf = (name) => FLAGS[name], mtlsAllowlist, mtlsClientCa, tlsCert, tlsKey } = settings
    if (Option.isNone(tlsCert) || Option.isNone(tlsKey)) return Option.none()
    const ofCert = { flag: flagOf("tlsCert"), path: tlsCert.value }
    const ofKey = { flag: flagOf("tlsKey"), path: tlsKey.value }
    const cert = yield* readFile(ofCert)
    const key = yield* readFile(ofKey)
    yield* attempt(ofCert, "no certificate in PEM", () => new X509Certificate(cert))
    yield* attempt(ofKey, "no key in PEM", () => createPrivateKey(key))
    yield* attempt(ofCert, "not a certificate with its key", () => createSecureContext({ cert, key }))
    const allowed = yield* Effect.transposeMapOption(
      mtlsAllowlist,
      (path) => readAllowlist({ flag: flagOf("mtlsAllowlist"), path })
    )
    const authorities = yield* Effect.transposeMapOption(
      mtlsClientCa,
      (path) => readAuthorities({ flag: flagOf("mtlsClientCa"), path })
    )
    const tls = { cert, key, allowed, authorities }
    yield* attempt(ofCert, "of no use beside --mtls-client-ca", () => createSecureContext(contextOf(tls)))
    return Option.some(tls)
  })

/** Each of them issues certificates: another one would be of no use, and who put it there meant something else. */
const readAuthorities = (from: From) =>
  Effect.tap(readFile(from), (file) =>
    attempt(from, "no certificates in PEM of who issues those of nodes", () => {
      const found = file.toString("latin1").match(CERTIFICATE) ?? []
      if (found.length === 0) throw new Error("there is none")
      if (!found.every((text) => new X509Certificate(text).ca)) throw new Error("one of them may issue none")
    }))

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** A file, and the flag that named it. */
type From = Pick<TlsUnusable, "flag" | "path">

const attempt = (from: From, problem: string, what: () => unknown) =>
  Effect.try({ try: what, catch: (cause) => new TlsUnusable({ ...from, problem: `${problem}: ${String(cause)}` }) })

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

const readAllowlist = (from: From) =>
  Effect.flatMap(readFile(from), (file) => {
    const parsed = parseAllowlist(file.toString("utf8"))
    return typeof parsed === "string" ? new TlsUnusable({ ...from, problem: parsed }) : Effect.succeed(parsed)
  })

const readFile = (from: From) =>
  Effect.try({
    try: () => readFileSync(from.path),
    catch: (cause) => new TlsUnusable({ ...from, problem: cause instanceof Error ? cause.message : "can not be read" })
  })
