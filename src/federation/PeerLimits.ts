import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as allowList from "../access/allowList.js"
import * as smallFile from "../access/smallFile.js"
import * as watched from "../access/watched.js"
import { NodeConfig } from "../config/NodeConfig.js"
import * as namespaces from "../domain/namespaces.js"
import { AuditLog } from "../telemetry/AuditLog.js"
import { Metrics } from "../telemetry/Metrics.js"

interface Limits {
  /** The namespaces of a peer that is limited; none for one that may see and touch them all. */
  readonly of: (peerId: string | undefined) => Option.Option<namespaces.Namespaces>
  /** The namespaces that a peer may ask for, which are all where those without a row are trusted with it. */
  readonly ofPulls: (peerId: string | undefined) => Option.Option<namespaces.Namespaces>
  /** Whether there is a row for it, or none is needed. */
  readonly isListed: (peerId: string | undefined) => boolean
  /** Whether the peer of the header may push as this sender. */
  readonly checkSender: (header: string | undefined, claimed: string) => Either.Either<void, allowList.Mismatch>
  /** A peer brought so many operations or items that touch what it may not. */
  readonly refused: (peerId: string | undefined, count: number) => Effect.Effect<void>
  /** A message was not taken, because of who sent it, or says so. */
  readonly turnedAway: (peerId: string | undefined, why: string) => Effect.Effect<void>
}

/** Nobody is limited. */
const none: Limits = {
  of: Option.none,
  ofPulls: Option.none,
  isListed: () => true,
  checkSender: () => Either.void,
  refused: () => Effect.void,
  turnedAway: () => Effect.void
}

/**
 * What each peer may see and touch here, and as whom it may push. Without a list every peer may do everything; with one, who
 * stands in no row of it may do nothing.
 */
export class PeerLimits extends Context.Reference<PeerLimits>()("quorate/federation/PeerLimits", {
  defaultValue: () => none
}) {}

class ListUnusable extends Data.TaggedError("ListUnusable")<{ readonly problem: string }> {
  override get message() {
    return `--peer-attestation: ${this.problem}`
  }
}

const make: Effect.Effect<Limits, never, NodeConfig | AuditLog | Metrics | Scope.Scope> = Effect.gen(function*() {
  const { peerAttestation, trustBodyAgentId, trustUnlistedPulls } = yield* NodeConfig
  if (Option.isNone(peerAttestation)) return none
  const metrics = yield* Metrics
  const audit = yield* AuditLog
  const given = peerAttestation.value
  const isText = /^\s*(?:\{|$)/.test(given)
  let list = allowList.nobody
  const reload = Effect.suspend(() => isText ? parsed(given) : readFile(given)).pipe(
    Effect.map((read) => {
      list = read
      return `${read.size} peer(s)`
    })
  )
  yield* Effect.matchEffect(reload, {
    onFailure: ({ message }) => Effect.logError(`${message}; until that is right every peer is refused`),
    onSuccess: (what) => Effect.logInfo(`--peer-attestation: ${what}, all others are refused`)
  })
  yield* watched.files(isText ? [] : [given], reload)
  const limited = (areOthersTrusted: boolean) => (peerId: string | undefined) =>
    Option.liftPredicate(
      allowList.namespacesOf(list, peerId, { areOthersTrusted }),
      (patterns) => !namespaces.areAll(patterns)
    )
  return {
    of: limited(false),
    ofPulls: limited(trustUnlistedPulls),
    isListed: (peerId) => list.has(peerId?.trim() ?? ""),
    checkSender: (header, claimed) => trustBodyAgentId ? Either.void : allowList.checkSender(list, { header, claimed }),
    refused: (peerId, count) =>
      count === 0
        ? Effect.void
        : Effect.zipRight(
          Effect.sync(() => metrics.notAllowed(count)),
          audit.record({ type: "federation.scope_refused", agentId: peerId ?? "", payload: { count } })
        ),
    turnedAway: (peerId, why) =>
      Effect.zipRight(
        Effect.sync(() => metrics.peerMessage(why)),
        audit.record({ type: "federation.unknown_peer", agentId: peerId ?? "", payload: { why } })
      )
  }
})

const parsed = (text: string) => Either.mapLeft(allowList.parse(text), (problem) => new ListUnusable({ problem }))

const readFile = (path: string) =>
  Effect.try({
    try: () => smallFile.read(path, allowList.MAX_BYTES).toString("utf8"),
    catch: (cause) => new ListUnusable({ problem: `${path}: ${cause instanceof Error ? cause.message : "unreadable"}` })
  }).pipe(Effect.flatMap(parsed))

export const layer: Layer.Layer<PeerLimits, never, NodeConfig | AuditLog | Metrics> = Layer.scoped(PeerLimits, make)
