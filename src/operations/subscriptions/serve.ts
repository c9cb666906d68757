import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Change } from "../../domain/Change.js"
import * as Stamp from "../../domain/Stamp.js"
import { type Delivery, type Subscription, wantedOf } from "../../domain/Subscription.js"
import { Federation } from "../../federation/Federation.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { Deliveries } from "../../store/Deliveries.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import type { Position } from "../../store/read/ChangeReader.js"
import { type Subscribed, SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { ChangeFeed } from "../changes/ChangeFeed.js"
import * as cursor from "../changes/cursor.js"
import { acknowledging } from "./acknowledging.js"
import { messageOf } from "./message.js"
import { type NotTaken, Webhooks } from "./Webhooks.js"

/** Before the first event, so that what another node said last is here. */
const HANDOVER = Duration.seconds(1)
/** Events that are read at once: so many come again at most after a kill. */
const TOGETHER = 10
/** How often the others are told how far this node is. */
const ACK_EVERY = Duration.seconds(10)
const PATIENCE = Duration.seconds(30)
/** Between the attempts at one event (contract.md 2.11). */
const DELAYS = [Duration.millis(200), Duration.seconds(1), Duration.seconds(5)] as const
/** After so many events in a row that were not taken there are pauses, which double. */
const IN_VAIN = 3
const FIRST_PAUSE_MILLIS = 10_000
const LONGEST_PAUSE_MILLIS = 300_000

/** Where this node is with a subscription. */
interface Progress {
  position: Position
  dispatched: number
  failed: number
  /** Something was delivered that the others have not been told of. */
  isNews: boolean
  ackedMillis: number
  inVain: number
}

/** Delivers what a subscription wants, one event after the other, until the scope ends; then the others are told how far. */
export const serve = ({ subscription }: Subscribed) =>
  Effect.gen(function*() {
    yield* Effect.sleep(HANDOVER)
    const feed = yield* ChangeFeed
    const deliveries = yield* Deliveries
    const progress = yield* begun(subscription)
    const ack = yield* acknowledged(subscription, progress)
    const wanted = wantedOf(subscription)
    for (;;) {
      const page = yield* feed.wait(progress.position, { wanted, limit: TOGETHER }, yield* patience(progress))
      for (const change of page.changes) yield* deliver(change, subscription, progress)
      progress.position = page.next
      if (page.changes.length > 0) {
        progress.isNews = true
        yield* deliveries.moveTo(subscription.id, yield* cursor.write(page.next))
      }
      if (progress.isNews && Duration.toMillis(yield* patience(progress)) === 0) yield* ack
    }
  })

/** How long to wait for an event: the others are told how far it is in the meantime. */
const patience = ({ ackedMillis, isNews }: Progress): Effect.Effect<Duration.Duration> =>
  isNews
    ? Effect.map(Clock.currentTimeMillis, (now) =>
      Duration.millis(Math.max(0, ackedMillis + Duration.toMillis(ACK_EVERY) - now)))
    : Effect.succeed(PATIENCE)

/** The furthest that this node, or what it heard of the others, has come. */
const begun = (subscription: Subscription) =>
  Effect.gen(function*() {
    const { end } = yield* ChangeFeed
    const { cursorOf } = yield* Deliveries
    const { all } = yield* SubscriptionReader
    const said = (yield* all).find((each) => each.subscription.id === subscription.id)?.deliveries ?? []
    const own = yield* cursorOf(subscription.id)
    const known = [subscription.since, ...own === null ? [] : [own], ...said.map(({ delivery }) => delivery.cursor)]
    const positions = known.flatMap((text) =>
      Either.match(cursor.read(text), { onLeft: () => [], onRight: (at) => [at] })
    )
    const [first = yield* end, ...others] = positions
    const progress: Progress = {
      position: others.reduce(further, first),
      dispatched: Math.max(0, ...said.map(({ delivery }) => delivery.dispatched)),
      failed: Math.max(0, ...said.map(({ delivery }) => delivery.failed)),
      isNews: false,
      ackedMillis: 0,
      inVain: 0
    }
    return progress
  })

const further = (a: Position, b: Position): Position => ({
  held: VersionVector.merge(a.held, b.held),
  expired: a.expired > b.expired ? a.expired : b.expired
})

/** Tells the others how far it is, now and, if there is news, when the scope ends. */
const acknowledged = (
  { id }: Subscription,
  progress: Progress
): Effect.Effect<Effect.Effect<void>, never, Scope.Scope | Federation | MemoryStore | Deliveries> =>
  Effect.gen(function*() {
    const { catchUp } = yield* Federation
    const { commit } = yield* MemoryStore
    const ack = Effect.gen(function*() {
      progress.ackedMillis = yield* Clock.currentTimeMillis
      const { dispatched, failed, position } = progress
      const delivery: Delivery = { id, cursor: yield* cursor.write(position), dispatched, failed }
      yield* commit((now) => acknowledging(now, delivery), null)
      progress.isNews = false
      yield* catchUp
    }).pipe(
      Effect.catchAll((error) => Effect.logDebug(`how far subscription ${id} was served is not written yet`, error))
    )
    yield* Effect.addFinalizer(() => Effect.suspend(() => progress.isNews ? ack : Effect.void))
    return ack
  })

/** Until it is taken, or is a dead letter. */
const deliver = (change: Change, subscription: Subscription, progress: Progress) =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    const { bury } = yield* Deliveries
    for (;;) {
      const outcome = yield* Effect.either(attempts(change, subscription))
      if (Either.isRight(outcome)) {
        metrics.webhookDispatched()
        progress.dispatched++
        if (progress.inVain > 0) {
          yield* Effect.logInfo(`the receiver of subscription ${subscription.id} takes events again`)
        }
        progress.inVain = 0
        return
      }
      metrics.webhookFailed()
      progress.inVain++
      const { reason } = outcome.left
      if (progress.inVain === 1) {
        yield* Effect.logWarning(`the receiver of subscription ${subscription.id} does not take an event: ${reason}`)
      }
      const hasRoom = yield* bury({
        subscriptionId: subscription.id,
        changeId: change.id,
        event: change.event,
        origin: change.origin,
        seq: change.seq,
        reason,
        attempts: DELAYS.length + 1,
        failedAt: Stamp.fromMillis(yield* Clock.currentTimeMillis)
      })
      if (hasRoom) progress.failed++
      else metrics.deadEventsOverflowed()
      if (progress.inVain >= IN_VAIN || !hasRoom) yield* Effect.sleep(pauseOf(progress.inVain))
      if (hasRoom) return
    }
  })

const pauseOf = (inVain: number): Duration.Duration =>
  Duration.millis(Math.min(FIRST_PAUSE_MILLIS * 2 ** Math.max(0, Math.min(inVain - IN_VAIN, 10)), LONGEST_PAUSE_MILLIS))

/** One event, tried four times. */
const attempts = (change: Change, subscription: Subscription): Effect.Effect<void, NotTaken, Webhooks> =>
  attempt(change, subscription).pipe(Effect.retry(Schedule.fromDelays(...DELAYS)))

/** One event, tried once. */
export const attempt = (change: Change, subscription: Subscription): Effect.Effect<void, NotTaken, Webhooks> =>
  Effect.flatMap(
    Webhooks,
    ({ post }) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (millis) => post(subscription.url ?? "", messageOf(change, subscription, millis))
      )
  )
