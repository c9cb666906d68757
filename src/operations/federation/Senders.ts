import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { Problem } from "../../access/credential.js"
import * as Credentials from "../../access/Credentials.js"
import * as gate from "../../access/gate.js"
import * as keyDirectory from "../../access/keyDirectory.js"
import * as KeyRing from "../../access/KeyRing.js"
import type { Tag } from "../../access/messages.js"
import * as Nonces from "../../access/nonces.js"
import { Trust } from "../../access/Trust.js"
import { NodeConfig } from "../../config/NodeConfig.js"
import { NonceStore } from "../../store/NonceStore.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { Metrics } from "../../telemetry/Metrics.js"

/** A message of a node is not taken. */
class SenderRefused extends Data.TaggedError("SenderRefused")<{ readonly tag: Tag }> {}

/** Who may speak as a node, by the signatures of messages. */
export class Senders extends Context.Tag("quorate/operations/Senders")<Senders, {
  /** Takes a message once, and says whose it is. `from` is where it came from, for the audit log. */
  readonly admit: (received: gate.Received, from: string) => Effect.Effect<gate.Sender, SenderRefused>
  /** Whether nobody is taken for this one without a signature. */
  readonly mustSign: (id: string) => boolean
}>() {}

/** Nobody here knows the sender. */
const UNKNOWN: ReadonlySet<Tag> = new Set(["peer_not_enrolled", "x_memory_sig_no_enrolled_key"])

/** A crash forgets what was taken in so long. Taken twice, a message changes nothing: its operations have names. */
const KEEP_EVERY = Duration.seconds(1)

/** The nonces of before, and those to come: kept behind the messages that bring them. */
const keptNonces = Effect.gen(function*() {
  const store = yield* NonceStore
  const nonces = Nonces.make(
    yield* Effect.catchAll(
      store.all,
      (error) =>
        Effect.as(
          Effect.logError("the nonces of before can not be read: a message of then is taken once more", error),
          []
        )
    )
  )
  const keep = Effect.suspend(() => {
    const used = nonces.drain()
    return used.length === 0 ? Effect.void : store.add(used, Nonces.KEPT_OF_PEER)
  }).pipe(
    Effect.catchAll((error) => Effect.logWarning("nonces could not be kept: a restart forgets them", error)),
    Effect.withTracerEnabled(false)
  )
  yield* Effect.addFinalizer(() => keep)
  yield* keep.pipe(
    Effect.delay(KEEP_EVERY),
    Effect.forever,
    Effect.tapErrorCause((cause) => Effect.logError("nonces are not kept any more", cause)),
    Effect.forkScoped
  )
  return nonces
})

const make = Effect.gen(function*() {
  const { keyDir, requireNonces, requireSignatures, unsignedPull } = yield* NodeConfig
  const metrics = yield* Metrics
  const audit = yield* AuditLog
  const clock = yield* Effect.clock
  const nowMillis = () => clock.unsafeCurrentTimeMillis()

  const nonces = yield* keptNonces
  const { bundle, revocations } = yield* Trust
  const options = {
    keys: yield* KeyRing.Ring,
    credentials: yield* tellingOf(Credentials.make({ bundle, revocations, nowMillis })),
    revocations,
    nonces,
    levels: {
      signatures: requireSignatures,
      areNoncesRequired: requireNonces,
      unsignedPull: new Set(unsignedPull)
    },
    nowMillis
  }
  if (requireSignatures === "all" && !areOthersEnrolled(keyDir) && bundle().anchors.size === 0) {
    yield* Effect.logWarning(
      "federation: --require-signatures is all, and no key of another node is enrolled here: none can speak to this one. Enrol them " +
        "(identity import), they count within a second"
    )
  }
  return Senders.of({
    mustSign: (id) => gate.mustSign(options, id),
    admit: (received, from) =>
      Effect.suspend(() => {
        if (requireSignatures !== "off") metrics.credentialShown(received.credential !== undefined)
        const judged = gate.judge(options, received)
        metrics.peerMessage(Either.match(judged, {
          onLeft: (tag) => tag,
          onRight: ({ isProved }) => isProved ? "signed" : "unsigned"
        }))
        return Either.mapLeft(judged, (tag) => {
          audit.note({
            type: UNKNOWN.has(tag) ? "federation.unknown_peer" : "federation.signature_refused",
            agentId: received.peerId ?? "",
            payload: { reason: tag, from, method: received.method, path: received.path }
          })
          return new SenderRefused({ tag })
        })
      })
  })
})

/** Whether there is a key without its secret, or a folder of keys, for ids with slashes. */
const areOthersEnrolled = (keyDir: Option.Option<string>): boolean =>
  Option.match(keyDir, {
    onNone: () => false,
    onSome: (folder) => Either.getOrElse(keyDirectory.hasOthers(folder), () => false)
  })

/** The same, with what is found of each in the metrics, and what is wrong with one in the log, once. */
const tellingOf = ({ find }: Credentials.Credentials) =>
  Effect.gen(function*() {
    const audit = yield* AuditLog
    const metrics = yield* Metrics
    const log = Runtime.runFork(yield* Effect.runtime())
    const told = new Set<string>()
    const tell = (peerId: string, problem: Problem) => {
      audit.note({ type: "federation.credential_refused", agentId: peerId, payload: { reason: problem } })
      const line = `federation: the credential of ${peerId} is not looked at: ${problem}`
      if (told.has(line) || told.size >= MAX_TOLD) return
      told.add(line)
      log(Effect.logWarning(line))
    }
    const { vouched } = yield* Trust
    return Credentials.observed({ find }, (peerId, found, shown) => {
      metrics.credentialVerified(Either.isRight(found))
      if (Either.isRight(found) && !vouched.keysOf(peerId).some(({ raw }) => raw.equals(found.right.raw))) {
        vouched.add([[shown.credential, shown.chain].filter((header) => header !== undefined).join(" ")])
      }
      if (Either.isLeft(found)) tell(peerId, found.left)
    })
  })

/** Lines, of those that whoever speaks can bring about. */
const MAX_TOLD = 1_024

export const layer: Layer.Layer<Senders, never, NodeConfig | NonceStore | AuditLog | Metrics | Trust | KeyRing.Ring> =
  Layer.scoped(
    Senders,
    make
  )
