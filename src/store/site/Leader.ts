import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Uuid } from "../../domain/Uuid.js"
import { type Lease, SiteLog } from "./SiteLog.js"

/**
 * Whether the background work of a node is for this process: of the daemons of a site one has it, by a lease in the store, and
 * another one when that is gone. A node by itself always has it. Two may for a moment when one stands still within a round of its
 * work: all of that may be done twice.
 */
export class Leader extends Context.Reference<Leader>()("quorate/store/site/Leader", {
  defaultValue: (): { readonly leads: () => boolean } => ({ leads: () => true })
}) {}

/** A daemon that ends without a word is followed by another within this and `EVERY`. */
const LASTS = Duration.seconds(6)
const EVERY = Duration.seconds(2)

/** Keeps the lease, or asks for it again and again, for as long as the scope lives. */
export const layer: Layer.Layer<never, never, Uuid> = Layer.unwrapScoped(
  Effect.gen(function*() {
    const site = yield* Effect.serviceOption(SiteLog)
    return Option.isNone(site) ? Layer.empty : Layer.succeed(Leader, yield* leading(site.value))
  })
)

const leading = (site: SiteLog["Type"]) =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const holder = (yield* Uuid).make()
    let held: Lease | null = null
    /** By the monotonic clock, in nanoseconds. */
    let until = 0n

    const ask = Effect.suspend(() => {
      const asked = clock.unsafeCurrentTimeNanos()
      return Effect.flatMap(site.lease(holder, LASTS), (lease) => {
        if (lease.holder !== holder) {
          held = null
          return Effect.void
        }
        until = asked + BigInt(Duration.toMillis(LASTS)) * 1_000_000n
        const isNew = held?.fence !== lease.fence
        held = lease
        return isNew
          ? Effect.logInfo(`site: this daemon does the background work, as number ${lease.fence}`)
          : Effect.void
      })
    }).pipe(Effect.ignore)
    yield* ask
    yield* Effect.forkScoped(Effect.repeat(ask, Schedule.spaced(EVERY)))
    yield* Effect.addFinalizer(() => held === null ? Effect.void : Effect.ignore(site.release(held)))
    return { leads: () => held !== null && clock.unsafeCurrentTimeNanos() < until }
  })
