import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as VersionVector from "../../replication/VersionVector.js"
import { MODULUS } from "../../store/log/Digest.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { DigestReader, type Digests } from "../../store/read/DigestReader.js"
import * as Metrics from "../../telemetry/globalMetrics.js"
import type { Sender } from "../wire/exchange.js"
import { type Peer, PeerFailed } from "../wire/Peer.js"
import * as PeerApi from "../wire/PeerApi.js"
import { PeerTransport } from "../wire/PeerTransport.js"

/** Compares what a peer says of itself with what is here. It never fails: it is a look, and nothing depends on it. */
export type Check = (theirs: Pick<PeerApi.Hello, "vector" | "digest">) => Effect.Effect<void>

/** Attempts to catch both nodes with the same operations, when the sums by bucket are compared. */
const ATTEMPTS = 3
/** Numbers of buckets in the log line at most. */
const MAX_LISTED = 32

/**
 * The standing check of one peer: nodes that hold the same operations must have the same digest. Both are read together on
 * either side, so a write in between is no difference. One that is found is counted and logged once, with the buckets it is
 * in; it is the same one for as long as the digests are as far apart, because what both write moves both alike.
 */
export const make = (options: {
  readonly peer: Peer
  readonly sender: Sender
  readonly timeout: Duration.Duration
}): Effect.Effect<Check, never, MemoryStore | DigestReader | PeerTransport> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const context = yield* Effect.context<DigestReader | PeerTransport>()
    const { peer } = options
    let known = 0

    return ({ digest, vector }) =>
      Effect.suspend(() => {
        if (digest === undefined || !VersionVector.equals(store.vector(), vector)) return Effect.void
        const apart = (store.digest() + MODULUS - digest) % MODULUS
        const isNew = apart !== 0 && apart !== known
        known = apart
        if (!isNew) return Effect.void
        Metrics.divergence(peer.name)
        return differing(options).pipe(
          Effect.match({
            onSuccess: (buckets) => buckets ?? "not compared, because both go on writing",
            onFailure: (error) => `not compared: ${error.message}`
          }),
          Effect.flatMap((buckets) => alarm(peer, buckets)),
          Effect.provide(context)
        )
      })
  })

const alarm = (peer: Peer, buckets: ReadonlyArray<number> | string) =>
  Effect.logError(
    `federation: peer ${peer.name} holds the same operations and came to another state; ` +
      `buckets that differ: ${typeof buckets === "string" ? buckets : listed(buckets)}`
  ).pipe(Effect.annotateLogs({ peer: peer.name, url: peer.url }))

const listed = (buckets: ReadonlyArray<number>): string =>
  buckets.length > MAX_LISTED
    ? `${buckets.slice(0, MAX_LISTED).join(", ")} and ${buckets.length - MAX_LISTED} more`
    : buckets.join(", ")

/** The buckets in which the two differ; null when they did not hold the same operations at the same time. */
const differing = (options: Parameters<typeof make>[0]) =>
  Effect.gen(function*() {
    const reader = yield* DigestReader
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const theirs = yield* request(options)
      const ours = yield* reader.digests
      if (VersionVector.equals(ours.vector, theirs.vector)) {
        return ours.buckets.flatMap((sum, bucket) => sum === theirs.buckets[bucket] ? [] : [bucket])
      }
    }
    return null
  })

const decodeDigests = PeerApi.decodeText(PeerApi.Digests)

const request = (
  { peer, sender, timeout }: Parameters<typeof make>[0]
): Effect.Effect<Digests, PeerFailed, PeerTransport> =>
  Effect.gen(function*() {
    const transport = yield* PeerTransport
    const answer = yield* transport.request({
      peer,
      method: "GET",
      path: PeerApi.DIGESTS_PATH,
      headers: sender.headers,
      timeout
    })
    if (answer.status !== 200) {
      return yield* new PeerFailed({ peer: peer.name, reason: "status", detail: `http ${answer.status}` })
    }
    return yield* Either.mapLeft(
      decodeDigests(answer.body),
      (detail) => new PeerFailed({ peer: peer.name, reason: "malformed", detail })
    )
  })
