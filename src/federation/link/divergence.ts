import * as Effect from "effect/Effect"
import * as VersionVector from "../../replication/VersionVector.js"
import { MODULUS } from "../../store/log/Digest.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { DigestReader, type Digests } from "../../store/read/DigestReader.js"
import { Metrics } from "../../telemetry/Metrics.js"

/** Compares what a peer says of itself with what is here. It never fails: it is a look, and nothing depends on it. */
export type Check = (theirs: {
  readonly vector: VersionVector.VersionVector
  /** Not every peer tells it. */
  readonly digest?: number
}) => Effect.Effect<void>

/** The peer that is looked at: its names, and how it is asked for its digests by bucket. */
interface Subject {
  readonly peer: { readonly name: string; readonly url: string }
  readonly digests: Effect.Effect<Digests, { readonly message: string }>
}

/** Attempts to catch both nodes with the same operations, when the sums by bucket are compared. */
const ATTEMPTS = 3
/** Numbers of buckets in the log line at most. */
const MAX_LISTED = 32

/**
 * The standing check of one peer: nodes that hold the same operations must have the same digest. Both are read together
 * on either side, so a write in between is no difference. One that is found is counted and logged once, with the
 * buckets it is in; it is the same one for as long as the digests are as far apart, because what both write moves both
 * alike.
 */
export const make = (subject: Subject): Effect.Effect<Check, never, MemoryStore | DigestReader | Metrics> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const reader = yield* DigestReader
    const metrics = yield* Metrics
    const { peer } = subject
    let known = 0

    return ({ digest, vector }) =>
      Effect.suspend(() => {
        if (digest === undefined || !VersionVector.equals(store.vector(), vector)) return Effect.void
        const apart = (store.digest() + MODULUS - digest) % MODULUS
        const isNew = apart !== 0 && apart !== known
        known = apart
        if (!isNew) return Effect.void
        metrics.divergence(peer.name)
        return differing(subject.digests, reader.digests).pipe(
          Effect.match({
            onSuccess: (buckets) => buckets ?? "not compared, because both go on writing",
            onFailure: (error) => `not compared: ${error.message}`
          }),
          Effect.flatMap((buckets) => alarm(peer, buckets))
        )
      })
  })

const alarm = (peer: Subject["peer"], buckets: ReadonlyArray<number> | string) =>
  Effect.logError(
    `federation: peer ${peer.name} holds the same operations and came to another state; ` +
      `buckets that differ: ${typeof buckets === "string" ? buckets : listed(buckets)}`
  ).pipe(Effect.annotateLogs({ peer: peer.name, url: peer.url }))

const listed = (buckets: ReadonlyArray<number>): string =>
  buckets.length > MAX_LISTED
    ? `${buckets.slice(0, MAX_LISTED).join(", ")} and ${buckets.length - MAX_LISTED} more`
    : buckets.join(", ")

/** The buckets in which the two differ; null when they did not hold the same operations at the same time. */
const differing = <E1, E2>(askTheirs: Effect.Effect<Digests, E1>, readOurs: Effect.Effect<Digests, E2>) =>
  Effect.gen(function*() {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const theirs = yield* askTheirs
      const ours = yield* readOurs
      if (VersionVector.equals(ours.vector, theirs.vector)) {
        return ours.buckets.flatMap((sum, bucket) => sum === theirs.buckets[bucket] ? [] : [bucket])
      }
    }
    return null
  })
