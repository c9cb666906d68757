import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { X509Certificate } from "node:crypto"
import * as dns from "node:dns"
import { readFile } from "node:fs/promises"
import type { LookupFunction } from "node:net"
import { createSecureContext, rootCertificates, TLSSocket } from "node:tls"
import { Agent, buildConnector } from "undici"
import { forbidden } from "../../access/addresses.js"
import type { Trust } from "../../access/Trust.js"
import * as watched from "../../access/watched.js"
import type { Settings } from "../../config/NodeConfig.js"
import type { OutboundRules } from "../../store/OutboundRules.js"

/** Files of this node's own identity towards peers, and of an authority to trust beside the built-in ones. */
export interface PeerTls {
  readonly cert: Option.Option<string>
  readonly key: Option.Option<string>
  readonly ca: Option.Option<string>
}

export const ofSettings = ({ quorumCaCert, quorumClientCert, quorumClientKey }: Settings): PeerTls => ({
  cert: quorumClientCert,
  key: quorumClientKey,
  ca: quorumCaCert
})

/** A file of TLS material cannot be read, or is not what it should be. */
export class TlsFileUnreadable extends Data.TaggedError("TlsFileUnreadable")<{
  readonly flag: string
  readonly file: string
  readonly cause: unknown
}> {
  override get message() {
    return `${this.flag}: ${this.file} cannot be used (${
      this.cause instanceof Error ? this.cause.message : String(this.cause)
    })`
  }
}

/** A lane has one request in flight; a few connections more are kept for hello and catch-up. */
const CONNECTIONS_PER_PEER = 8
/** Below the 75 s after which a node closes an idle connection, so that it is not used just as it goes. */
const KEEP_ALIVE_MILLIS = 60_000
const CONNECT_TIMEOUT_MILLIS = 2_000

/** How names become addresses. */
type Resolve = typeof dns.lookup

interface Options {
  readonly judge: OutboundRules["Type"]["judge"]
  readonly resolve?: Resolve
  /** Whose certificates are not good any more; what is read again with them. */
  readonly trust?: Pick<Trust["Type"], "revocations" | "alsoReload">
}

/**
 * The connections to peers: pooled, over TLS that verifies the server, and to no address where no peer can be. Each connection
 * goes to the address that was looked at, whatever a name leads to the next time. When a file is another one, or a certificate is
 * revoked, what is asked from then on goes over new connections.
 */
export const layer = (
  tls: PeerTls,
  options: Options
): Layer.Layer<NodeHttpClient.Dispatcher, TlsFileUnreadable> =>
  Layer.scoped(
    NodeHttpClient.Dispatcher,
    Effect.gen(function*() {
      const revokedNow = () => options.trust?.revocations.digest() ?? ""
      const open = new Set<Agent>()
      let loaded = yield* load(tls)
      let revoked = revokedNow()
      const begin = () => {
        const agent = agentOf(loaded, options)
        open.add(agent)
        return agent
      }
      let current = begin()
      yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all(Array.from(open, (agent) => agent.destroy()))))
      const renew = () => {
        const before = current
        current = begin()
        // What is under way on it ends as it would have.
        void before.close().then(() => open.delete(before), () => open.delete(before))
      }
      const reload = Effect.map(load(tls), (read) => {
        loaded = read
        renew()
        return "certificates towards peers"
      })
      const files = [tls.cert, tls.key, tls.ca].flatMap(Option.toArray)
      yield* watched.files(files, reload)
      if (files.length > 0) options.trust?.alsoReload(reload)
      return current.compose(() => (asked, handler) => {
        if (revokedNow() !== revoked) {
          revoked = revokedNow()
          renew()
        }
        return current.dispatch(asked, handler)
      })
    })
  )

const agentOf = ({ ca, cert, key }: Loaded, { judge, resolve = dns.lookup, trust }: Options): Agent => {
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MILLIS,
    lookup: checkedBy(resolve, judge),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] })
  })
  return new Agent({
    connections: CONNECTIONS_PER_PEER,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MILLIS,
    connect: (to, done) =>
      connect(to, (...outcome) => {
        const [, socket] = outcome
        const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.fingerprint256 : undefined
        if (shown === undefined || trust?.revocations.isCertificate(shown) !== true) return done(...outcome)
        socket?.destroy()
        return done(new Error(`the certificate of ${to.hostname} is revoked`), null)
      })
  })
}

type Loaded = Effect.Effect.Success<ReturnType<typeof load>>

/** Resolves a name, and answers only when nobody is forbidden to be at any of its addresses, by a rule or at all. */
const checkedBy =
  (resolve: Resolve, judge: OutboundRules["Type"]["judge"]): LookupFunction => (hostname, options, callback) =>
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      for (const { address } of addresses) {
        const why = whyNot(address, judge)
        if (why !== undefined) return callback(new Error(`${hostname} leads to ${address}${why}`), [])
      }
      const [first] = addresses
      if (options.all === true || first === undefined) return callback(null, addresses)
      return callback(null, first.address, first.family)
    })

const whyNot = (address: string, judge: OutboundRules["Type"]["judge"]): string | undefined => {
  const kind = forbidden(address)
  if (kind !== undefined) return `, which is ${kind}: no peer can be there`
  const judged = judge(address)
  return judged.decision === "refuse" ? `: governance refused outbound to ${address}: ${judged.reason}` : undefined
}

/** What is in the files: fails where one of them can not be used. */
export const load = (tls: PeerTls) =>
  Effect.gen(function*() {
    const cert = yield* read("--quorum-client-cert", tls.cert)
    const key = yield* read("--quorum-client-key", tls.key)
    const ca = yield* read("--quorum-ca-cert", tls.ca)
    yield* checkCertificates("--quorum-ca-cert", tls.ca, ca)
    yield* checkCertificates("--quorum-client-cert", tls.cert, cert)
    yield* checkPair(tls, cert, key)
    return { cert, key, ca }
  })

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** A file without a certificate would be taken for none: then no peer is trusted, or none trusts this node. */
const checkCertificates = (flag: string, file: Option.Option<string>, text: string | undefined) =>
  text === undefined ? Effect.void : unusable(flag, file, () => {
    const found = text.match(CERTIFICATE)
    if (found === null) throw new Error("it holds no certificate in PEM")
    for (const certificate of found) new X509Certificate(certificate)
  })

const checkPair = (tls: PeerTls, cert: string | undefined, key: string | undefined) =>
  cert === undefined || key === undefined
    ? Effect.void
    : unusable("--quorum-client-key", tls.key, () => createSecureContext({ cert, key }))

const unusable = (flag: string, file: Option.Option<string>, use: () => unknown) =>
  Effect.try({
    try: use,
    catch: (cause) => new TlsFileUnreadable({ flag, file: Option.getOrElse(file, () => ""), cause })
  })

const read = (flag: string, file: Option.Option<string>) =>
  Option.match(file, {
    onNone: () => Effect.succeed(undefined),
    onSome: (path) =>
      Effect.tryPromise({
        try: () => readFile(path, "utf8"),
        catch: (cause) => new TlsFileUnreadable({ flag, file: path, cause })
      })
  })
