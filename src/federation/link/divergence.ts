import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Namespaces } from "../../domain/namespaces.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { MODULUS } from "../../store/log/Digest.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { DigestReader, type Digests } from "../../store/read/DigestReader.js"
import { Withholding } from "../../store/read/Withholding.js"
import { Metrics } from "../../telemetry/Metrics.js"

/** Compares what a peer says of itself with what is here. It never fails: it is a look, and nothing depends on it. */
export type Check = (theirs: {
  readonly vector: VersionVector.VersionVector
  /** Not every peer tells it. */
  readonly digest?: number
  /** What one of the two may see of the other: see the hello. */
  readonly limited?: { readonly namespaces: Namespaces; readonly digest?: number; readonly told?: boolean }
}) => Effect.Effect<void>

/** The peer that is looked at: its names, and how it is asked for its digests by bucket. */
interface Subject {
  readonly peer: { readonly name: string; readonly url: string }
  readonly digests: Effect.Effect<Digests, { readonly message: string }>
  /** The namespaces that it may see here; none where that is all. */
  readonly limit: () => Option.Option<Namespaces>
  /** What both may see was compared, of which not all may have come here that may be seen by now. */
  readonly compared: (apart: boolean) => void
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
    const compareShared = yield* sharedWith(subject)

    return ({ digest, limited, vector }) =>
      Effect.suspend(() => {
        if (!VersionVector.equals(store.vector(), vector)) return Effect.void
        const limit = Option.orElse(subject.limit(), () =>
          Option.fromNullable(limited?.told === true ? undefined : limited?.namespaces))
        if (Option.isSome(limit)) {
          return compareShared(limit.value, limited)
        }
        // What is held by its name alone is in no sum.
        if (digest === undefined || store.withheld() > 0) {
          return Effect.void
        }
        const apart = (store.digest() + MODULUS - digest) % MODULUS
        const isNew = apart !== 0 && apart !== known
        known = apart
        if (!isNew) {
          return Effect.void
        }
        metrics.divergence(peer.name)
        return differing(subject.digests, reader.digests).pipe(
          Effect.match({
            onSuccess: (buckets) =>
              buckets ?? "not compared, because both go on writing",
            onFailure: (error) => `not compared: ${error.message}`
          }),
          Effect.flatMap((buckets) => alarm(peer, buckets))
        )
      })
  })

/** So often in a row it must be found: what one of them may see by now may be on its way. */
const FOUND_BEFORE_ALARM = 3

/** Compares what both may see, as far as both have summed just that. */
const sharedWith = ({ compared, peer }: Subject) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const metrics = yield* Metrics
    const withholding = yield* Withholding
    let found = 0
    return (namespaces: Namespaces, theirs: Parameters<Check>[0]["limited"]) =>
      Effect.gen(function*() {
        if (theirs?.digest === undefined || !isSame(namespaces, theirs.namespaces)) return
        const ours = yield* Effect.orElseSucceed(
          withholding.digest(namespaces, store.vector()),
          () => Option.none<number>()
        )
        if (Option.isNone(ours)) return
        const isApart = ours.value !== theirs.digest
        found = isApart ? found + 1 : 0
        if (found <= FOUND_BEFORE_ALARM) compared(isApart)
        if (found !== FOUND_BEFORE_ALARM) return
        metrics.divergence(peer.name)
        yield* alarm(peer, "not compared, because one may not see all of the other")
      })
  })

const isSame = (ours: Namespaces, theirs: Namespaces) =>
  ours.length === theirs.length && ours.every((pattern, at) => pattern === theirs[at])

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
