import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { forbidden } from "../access/addresses.js"
import type { Settings } from "../config/NodeConfig.js"
import { PeerUrl } from "../domain/ids.js"
import * as QuorumPolicy from "../replication/QuorumPolicy.js"
import type { Peer } from "./wire/Peer.js"

/** A mesh that this node writes to. */
export interface FederationConfig {
  readonly policy: QuorumPolicy.QuorumPolicy
  readonly peers: ReadonlyArray<Peer>
  /** The W that was asked for, when it is out of 1..N: worth a warning. */
  readonly clampedFrom: Option.Option<number>
}

/** More would make a quorum write a fan-out nobody wants; larger meshes are for relays. */
const maxPeers = 63

const problems = {
  not_a_url: "is no URL; write http://host:port or https://host:port",
  not_http: "is neither http nor https; write http://host:port or https://host:port",
  has_credentials: "carries a user or password; give the key by --api-key-file instead, and leave the address bare",
  has_query: "carries a query or a fragment; leave them out",
  duplicate: "is listed twice; keep one, or a single peer would count twice towards the quorum",
  own_address: "is this node's own address; list the other nodes only",
  forbidden_address: "is an address where no peer can be: unspecified, link-local, multicast, or of a metadata service",
  too_many: `peers are too many; list at most ${maxPeers}`,
  no_peers: "nodes are to hold a write, and no other node is listed; list them with --quorum-peers, or leave W out",
  policy: "makes no quorum policy; give the number of nodes that must hold a write, or 0 for none"
} as const

/** The settings make no mesh. Nothing was started. */
export class InvalidFederation extends Data.TaggedError("InvalidFederation")<{
  readonly setting: "quorum-peers" | "quorum-writes"
  /** What was given, without credentials and query. */
  readonly value: string
  readonly reason: keyof typeof problems
}> {
  override get message() {
    return `--${this.setting}: ${this.value} ${problems[this.reason]}`
  }
}

interface Options {
  /** W, the local commit included; 0 turns federation off, none means a majority. */
  readonly quorumWrites: Option.Option<number>
  /** Base URLs of the other nodes. */
  readonly peers: ReadonlyArray<string>
  readonly ackTimeout: Duration.Duration
  /** Where this node listens. */
  readonly self: Self
}

interface Self {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** That of a node, by its settings. */
export const ofSettings = (
  { host, peerListen, peerTlsCert, port, quorumPeers, quorumTimeout, quorumWrites, store, tlsCert }: Settings
): Either.Either<Option.Option<FederationConfig>, InvalidFederation> =>
  build({
    // Without peers W is about the standbys of its store, where it has one.
    quorumWrites: Option.isSome(store) && quorumPeers.length === 0 ? Option.none() : quorumWrites,
    peers: quorumPeers,
    ackTimeout: quorumTimeout,
    self: {
      ...Option.getOrElse(peerListen, () => ({ host, port })),
      tls: Option.isSome(tlsCert) || (Option.isSome(peerListen) && Option.isSome(peerTlsCert))
    }
  })

/** What an operator should hear of it, though it stops nothing. */
export const warningOf = ({ clampedFrom, policy }: FederationConfig): Option.Option<string> =>
  Option.map(clampedFrom, (w) => `--quorum-writes ${w} is out of 1..${policy.n}: using W=${policy.w}`)

/** None when federation is off: W is 0, or there are no peers and none are asked for. */
export const build = (
  { ackTimeout, peers, quorumWrites, self }: Options
): Either.Either<Option.Option<FederationConfig>, InvalidFederation> =>
  Either.gen(function*() {
    if (peers.length === 0 && Option.exists(quorumWrites, (w) => w > 1)) {
      const value = Option.getOrElse(Option.map(quorumWrites, String), () => "")
      return yield* Either.left(new InvalidFederation({ setting: "quorum-writes", value, reason: "no_peers" }))
    }
    if (peers.length === 0 || Option.contains(quorumWrites, 0)) return Option.none()
    if (peers.length > maxPeers) return yield* refuse(String(peers.length), "too_many")
    const urls = yield* Either.all(peers.map(parse))
    yield* distinct(urls)
    const own = urls.find((url) => isOwn(url, self))
    if (own !== undefined) return yield* refuse(textOf(own), "own_address")
    const nowhere = urls.find(({ hostname }) => forbidden(hostname) !== undefined)
    if (nowhere !== undefined) return yield* refuse(textOf(nowhere), "forbidden_address")
    const n = 1 + urls.length
    const w = Option.getOrElse(quorumWrites, () => QuorumPolicy.majority(n))
    const policy = yield* Either.mapLeft(
      QuorumPolicy.make({ n, w, ackTimeout }),
      ({ value }) => new InvalidFederation({ setting: "quorum-writes", value: String(value), reason: "policy" })
    )
    return Option.some({ policy, peers: named(urls), clampedFrom: QuorumPolicy.clampedFrom({ n, w }) })
  })

const refuse = (value: string, reason: InvalidFederation["reason"]) =>
  Either.left(new InvalidFederation({ setting: "quorum-peers", value, reason }))

const parse = (text: string): Either.Either<URL, InvalidFederation> => {
  if (!URL.canParse(text)) return refuse(shown(text), "not_a_url")
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") return refuse(shown(text), "not_http")
  if (url.username !== "" || url.password !== "") return refuse(shown(text), "has_credentials")
  if (/[?#]/.test(url.href)) return refuse(shown(text), "has_query")
  return Either.right(url)
}

/** A credential does not belong in a log line, not even in the one that complains of it. */
const shown = (text: string): string =>
  JSON.stringify(text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1…@").replace(/[?#].*$/s, "?…"))

/** The parser has lower-cased scheme and host, and left out the default port. */
const textOf = (url: URL): string => `${url.protocol}//${url.host}${pathOf(url)}`

const pathOf = (url: URL): string => url.pathname.replace(/\/+$/, "")

const portOf = (url: URL): number => url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port)

const addressOf = (url: URL): string => `${url.hostname}:${portOf(url)}`

/** One port does not speak both http and https: the scheme makes no other peer. */
const distinct = (urls: ReadonlyArray<URL>): Either.Either<void, InvalidFederation> => {
  const seen = new Set<string>()
  for (const url of urls) {
    const key = addressOf(url) + pathOf(url)
    if (seen.has(key)) return refuse(textOf(url), "duplicate")
    seen.add(key)
  }
  return Either.void
}

/** Host and port name a peer; its path does, too, where several peers stand behind one address. */
const named = (urls: ReadonlyArray<URL>): ReadonlyArray<Peer> => {
  const addresses = urls.map(addressOf)
  return urls.map((url) => {
    const address = addressOf(url)
    const isShared = addresses.indexOf(address) !== addresses.lastIndexOf(address)
    return { url: PeerUrl.make(textOf(url)), name: isShared ? address + pathOf(url) : address }
  })
}

const isOwn = (peer: URL, { host, port, tls }: Self): boolean => {
  const bracketed = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host
  const text = `${tls ? "https" : "http"}://${bracketed}:${port}`
  const own = URL.canParse(text) ? new URL(text).hostname : host.toLowerCase()
  return portOf(peer) === port && (peer.hostname === own || reachesOneAnother(peer.hostname, own))
}

/** The names of one machine's loopback. Two different addresses of 127.0.0.0/8 are two places all the same. */
const reachesOneAnother = (peer: string, own: string): boolean => {
  if (!isLoopback(peer) && !isEverywhere(peer)) return false
  if (isEverywhere(peer) || isEverywhere(own)) return isLoopback(own) || isEverywhere(own)
  return isLoopback(own) && !(isIpv4(peer) && isIpv4(own))
}

const isEverywhere = (hostname: string): boolean => hostname === "0.0.0.0" || hostname === "[::]"

const isIpv4 = (hostname: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(hostname)

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || (isIpv4(hostname) && hostname.startsWith("127."))
