import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { X509Certificate } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { TLSSocket } from "node:tls"
import { PEER_ID } from "../../access/messages.js"
import type { Revocations } from "../../access/Revocations.js"
import * as AgentId from "../../domain/AgentId.js"
import { Refused } from "../calls/Refusal.js"
import type { Need } from "../contract/access.js"

/*
 * Who connects, by the certificate that it shows: one of a list of fingerprints, which says nothing of who it is; or one of an
 * authority of nodes, which names its node as `spiffe://<trust domain>/<node id>`.
 */

/** What certificates are asked for. */
export interface Rules {
  /** By their SHA-256; neither their issuers nor their dates are looked at. */
  readonly allowed: Option.Option<ReadonlySet<string>>
  /** Whether there are authorities, whose certificates the connection itself was checked by. */
  readonly hasAuthorities: boolean
  /** The domain that nodes must be of; empty: any. */
  readonly trustDomain: string
}

/** What a connection showed. */
interface Shown {
  /** SHA-256, hex digits in lower case. */
  readonly fingerprint: string
  /** Why it opens nothing. */
  readonly problem: Option.Option<string>
  /** It is known by itself, whoever issued it. */
  readonly isListed: boolean
  /** The node that it proves to be. */
  readonly nodeId: Option.Option<string>
}

const nothing: Shown = {
  fingerprint: "",
  isListed: false,
  problem: Option.some("no_certificate"),
  nodeId: Option.none()
}

const CLIENT = "1.3.6.1.5.5.7.3.2"

export const shownBy = (socket: TLSSocket, { allowed, hasAuthorities, trustDomain }: Rules): Shown => {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return nothing
  const fingerprint = normalised(certificate.fingerprint256)
  const problem = hasAuthorities ? problemOf(socket, certificate) : "not_listed"
  const isListed = Option.exists(allowed, (fingerprints) => fingerprints.has(fingerprint))
  return {
    fingerprint,
    isListed,
    problem: isListed ? Option.none() : Option.fromNullable(problem),
    nodeId: problem === undefined ? nodeOf(certificate, trustDomain) : Option.none()
  }
}

export const normalised = (fingerprint: string): string => fingerprint.replaceAll(":", "").toLowerCase()

/** What the chain of certificates does not say: that it is one of a client, and no authority itself. */
const problemOf = ({ authorizationError, authorized }: TLSSocket, certificate: X509Certificate): string | undefined => {
  if (!authorized) return String(authorizationError)
  if (certificate.ca) return "an_authority"
  return certificate.keyUsage?.includes(CLIENT) === true ? undefined : "not_for_clients"
}

/** The node in the one URI of a certificate. */
const nodeOf = ({ subjectAltName }: X509Certificate, trustDomain: string): Option.Option<string> => {
  const uris = namesOf(subjectAltName ?? "").flatMap((name) => name.startsWith("URI:") ? [name.slice(4)] : [])
  const [, domain, id] = /^spiffe:\/\/([^/]+)\/(.+)$/.exec(uris[0] ?? "") ?? []
  return uris.length === 1 && id !== undefined && AgentId.is(id) && (trustDomain === "" || domain === trustDomain)
    ? Option.some(id)
    : Option.none()
}

/** The names of a certificate. One with anything unusual in it stands in quotes, and is none of a node. */
const namesOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/(?:^|, )((?:[^",]|"(?:[^"\\]|\\.)*")+)/g), ([, name = ""]) => name)

/** By their connections: what is asked of one is asked of each of its requests. */
const shown = new WeakMap<Duplex, Shown>()

export const note = (socket: Duplex, what: Shown): void => void shown.set(socket, what)

/** What makes of a request what its certificate makes of it. */
export type Certify = (request: IncomingMessage, need: Need | undefined) => Either.Either<boolean, Refused>

/**
 * Whether a request of a node is one of the node that its certificate names, so that it needs no key; or why it is not taken.
 * Nothing is asked for where no certificates are.
 */
export const certifyBy = (revocations: Revocations): Certify => ({ headers, socket }, need) => {
  const what = shown.get(socket)
  if (what === undefined) return Either.right(false)
  if (revocations.isCertificate(what.fingerprint)) return Either.left(refused.x_memory_cert_revoked)
  if (need !== "peer") return Either.right(false)
  if (Option.isSome(what.problem)) return Either.left(refused.peer_cert_missing)
  if (Option.isNone(what.nodeId)) return what.isListed ? Either.right(false) : Either.left(refused.peer_id_cert_unbound)
  return headers[PEER_ID] === what.nodeId.value ? Either.right(true) : Either.left(refused.peer_id_cert_mismatch)
}

const refusedFor = (message: string, note: string) =>
  // The other one may show another certificate, over another connection.
  new Refused({ status: 401, message, note, headers: { connection: "close" } })

/** By the names of the original, where it has one. */
const refused = {
  x_memory_cert_revoked: refusedFor(
    "x_memory_cert_revoked",
    "the certificate of this connection is revoked: its node may come back when it is issued another one"
  ),
  peer_cert_missing: refusedFor(
    "peer_cert_missing",
    "what nodes say to each other needs a connection with a certificate that is good here"
  ),
  peer_id_cert_unbound: refusedFor(
    "peer_id_cert_unbound",
    "the certificate of this connection names no node: it must have one URI, spiffe://<trust domain>/<node id>"
  ),
  peer_id_cert_mismatch: refusedFor(
    "peer_id_cert_mismatch",
    "the certificate of this connection is of another node than the one in x-peer-id"
  )
}
