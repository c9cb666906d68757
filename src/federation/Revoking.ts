import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { attempt } from "../access/keyDirectory.js"
import * as revocation from "../access/revocation.js"
import * as smallFile from "../access/smallFile.js"
import { Trust } from "../access/Trust.js"
import * as watched from "../access/watched.js"
import { TrustStore } from "../store/TrustStore.js"
import { AuditLog } from "../telemetry/AuditLog.js"
import { Metrics } from "../telemetry/Metrics.js"
import { Federation, type PeerLink } from "./Federation.js"

/**
 * Learns which keys are revoked: of a file, and of other nodes, to which it tells at once what it has learnt. So whichever node
 * hears of it first, all that are in reach know it within seconds.
 */
export class Revoking extends Context.Tag("quorate/federation/Revoking")<Revoking, {
  /** Takes what another node tells, and answers all that are known here. What is said by nobody who is trusted is passed over. */
  readonly exchange: (said: Said) => Effect.Effect<Said>
}>() {}

/** What issuers said of keys. */
type Said = Parameters<TrustStore["Type"]["add"]>[0]

interface Options {
  readonly revocationsFile: Option.Option<string>
  readonly trustBundleDir: Option.Option<string>
}

const MAX_FILE_BYTES = 2 * 1024 * 1024
/** How often it is looked whether there is something that a peer has not been told. */
const LOOK_EVERY = Duration.millis(500)
/** Each peer is asked so often what it knows, though nothing is new here: it may have begun anew without its database. */
const ASK_EVERY_MILLIS = 30_000
/** One that does not answer is tried again after this time. */
const AGAIN_AFTER_MILLIS = 2_000

const make = (options: Options) =>
  Effect.gen(function*() {
    const store = yield* TrustStore
    const trust = yield* Trust
    const learn = yield* learning
    const known = yield* Effect.catchAll(store.all, (error) =>
      Effect.as(
        Effect.logError("what issuers said of keys can not be read: it is asked of the other nodes", error),
        { revocations: [], credentials: [] }
      ))
    yield* learn(known)
    const reload = Option.match(options.revocationsFile, {
      onNone: () => Effect.succeed("no revocations: there is no file of them"),
      onSome: (file) =>
        Effect.gen(function*() {
          const bytes = yield* attempt(file, () => smallFile.read(file, MAX_FILE_BYTES))
          const revocations = revocation.linesOf(bytes.toString("latin1"))
          yield* learn({ revocations, credentials: [] })
          return `${revocations.length} revocation(s)`
        })
    })
    yield* watched.files(Option.toArray(options.revocationsFile), reload, { atOnce: true })
    trust.alsoReload(reload)
    if (Option.isSome(options.trustBundleDir)) yield* spreading(learn)
    return Revoking.of({ exchange: (said) => Effect.map(learn(said), () => saidBy(trust)) })
  })

/** Takes what is new, keeps it, and says so. */
type Learn = (said: Said) => Effect.Effect<void>

const saidBy = ({ revocations, vouched }: Trust["Type"]): Said => ({
  revocations: revocations.all().map(({ text }) => text),
  credentials: vouched.all()
})

const learning: Effect.Effect<Learn, never, Trust | TrustStore | AuditLog | Metrics> = Effect.gen(function*() {
  const { revocations, vouched } = yield* Trust
  const store = yield* TrustStore
  const audit = yield* AuditLog
  const metrics = yield* Metrics
  return (said) =>
    Effect.gen(function*() {
      const credentials = vouched.add(said.credentials)
      const revoked = revocations.add(said.revocations)
      for (const { issuerId, key, nodeId } of revoked) {
        metrics.revokedKeys(revocations.all().length)
        yield* audit.record({ type: "federation.key_revoked", agentId: nodeId, payload: { issuer: issuerId, key } })
        yield* Effect.logWarning(
          `federation: the key of ${nodeId} that begins with ${key.slice(0, 8)} is revoked by ${issuerId}`
        )
      }
      if (credentials.length + revoked.length === 0) return
      yield* Effect.catchAll(
        store.add({ credentials, revocations: revoked.map(({ text }) => text) }),
        (error) =>
          Effect.logError("what an issuer said of a key could not be kept: a restart has to hear it again", error)
      )
    })
})

/** What a peer was told last. */
interface Told {
  readonly digest: string
  readonly untilMillis: number
}

const spreading = (learn: Learn): Effect.Effect<void, never, Federation | Trust | TrustStore | Scope.Scope> =>
  Effect.gen(function*() {
    const { links } = yield* Federation
    const { revocations, vouched } = yield* Trust
    yield* keeping
    yield* Effect.forEach(links, (link) => {
      let told: Told | undefined
      return Effect.gen(function*() {
        const { identity, phase } = link.status()
        if (phase !== "connected" || identity?.kind !== "quorate") {
          told = undefined
          return
        }
        const now = yield* Clock.currentTimeMillis
        const digest = `${revocations.digest()} ${vouched.digest()}`
        if (told !== undefined && told.digest === digest && now < told.untilMillis) return
        told = { digest, untilMillis: now + (yield* tell(link, learn)) }
      }).pipe(
        Effect.zipRight(Effect.sleep(LOOK_EVERY)),
        Effect.forever,
        Effect.withTracerEnabled(false),
        Effect.tapErrorCause((cause) =>
          Effect.logError(`revocations are not told to ${link.peer.name} any more`, cause)
        ),
        Effect.forkScoped
      )
    }, { discard: true })
  })

/** What nodes showed with their messages is kept, too. */
const keeping = Effect.gen(function*() {
  const { vouched } = yield* Trust
  const store = yield* TrustStore
  let kept = vouched.all().length
  yield* Effect.suspend(() => {
    const fresh = vouched.all().slice(kept)
    if (fresh.length === 0) return Effect.void
    kept += fresh.length
    return Effect.catchAll(
      store.add({ credentials: fresh, revocations: [] }),
      (error) => Effect.logWarning("by which credential a key was known could not be kept", error)
    )
  }).pipe(
    Effect.zipRight(Effect.sleep(LOOK_EVERY)),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.tapErrorCause((cause) => Effect.logError("credentials are not kept any more", cause)),
    Effect.forkScoped
  )
})

/** Tells a peer all that is known and learns what it knows; answers when it is time for the next. */
const tell = ({ client, peer }: PeerLink, learn: Learn) =>
  Effect.gen(function*() {
    const theirs = yield* client.revocations(saidBy(yield* Trust))
    if (theirs !== null) yield* learn(theirs)
    return ASK_EVERY_MILLIS
  }).pipe(
    Effect.catchTag("PeerFailed", (error) =>
      Effect.as(Effect.logDebug(`revocations were not told to ${peer.name}: ${error.message}`), AGAIN_AFTER_MILLIS))
  )

export const layer = (
  options: Options
): Layer.Layer<Revoking, never, Federation | Trust | TrustStore | AuditLog | Metrics> =>
  Layer.scoped(Revoking, make(options))
