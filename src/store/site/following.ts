import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Origin } from "../../domain/ids.js"
import * as Payload from "../../replication/Payload.js"
import { LocalWriteFailed, type Overloaded } from "../errors.js"
import { inTurns } from "../log/inTurns.js"
import { atOnce, type Steps } from "../log/Steps.js"
import { type Followed, isLong } from "../receiving.js"
import type { Places } from "./Places.js"
import { failedBy } from "./sharing.js"
import type { Head, Placed, Reading, SiteLog, SiteUnavailable } from "./SiteLog.js"

interface Parts {
  readonly site: SiteLog["Type"]
  readonly places: Places
  /** How far it is held as of the last commit. */
  readonly held: () => ReadonlyMap<Origin, number>
  /** Under which this daemon writes. */
  readonly own: () => Origin
  /** Applies what the site has taken, in the transaction. */
  readonly follow: (items: ReadonlyArray<Followed>) => Steps<void>
  readonly submit: <A>(job: () => Either.Either<A>) => Effect.Effect<A, LocalWriteFailed | Overloaded>
  readonly submitSteps: <A>(job: () => Steps<Either.Either<A>>) => Effect.Effect<A, LocalWriteFailed | Overloaded>
}

type Failed = LocalWriteFailed | Overloaded

/**
 * Hears what the other daemons of the site have brought in: whoever waits for `fresh` sees all that was answered before it began to
 * wait, and for `lately` what a standby had of that, where there is one.
 */
export const make = (parts: Parts): Effect.Effect<Following, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Effect.clock
    const { standby } = parts.site
    const shown = standby === null ? null : new Map(parts.held())
    const whole = caughtUp(parts, { from: parts.site, shown })
    const fresh = yield* inRounds(whole)
    if (standby === null) return { fresh, lately: fresh }
    let passedOverUntil = 0
    const repeated = Effect.suspend(() =>
      clock.unsafeCurrentTimeMillis() < passedOverUntil ? fresh : Effect.catchIf(
        caughtUp(parts, { from: standby, shown: null }),
        (error) => error._tag === "LocalWriteFailed",
        () => {
          passedOverUntil = clock.unsafeCurrentTimeMillis() + PASSED_OVER_MILLIS
          return fresh
        }
      )
    )
    return { fresh, lately: yield* inRounds(repeated) }
  })

/** A standby that did not answer is not asked for so long. */
const PASSED_OVER_MILLIS = 5_000

interface Following {
  readonly fresh: Effect.Effect<void, Failed>
  readonly lately: Effect.Effect<void, Failed>
}

/** One at a time; who comes while one is under way waits for the next. */
const inRounds = (run: Effect.Effect<void, Failed>): Effect.Effect<Effect.Effect<void, Failed>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const rounds = yield* FiberSet.makeRuntime<never>()
    let next: Deferred.Deferred<void, Failed> | null = null
    let isUnderWay = false

    const runAll: Effect.Effect<void> = Effect.suspend(() => {
      const round = next
      next = null
      isUnderWay = round !== null
      return round === null ? Effect.void : Effect.zipRight(Effect.intoDeferred(run, round), runAll)
    })

    return Effect.suspend(() => {
      const joined = next ?? Deferred.unsafeMake<void, Failed>(FiberId.none)
      next = joined
      if (!isUnderWay) {
        isUnderWay = true
        rounds(runAll)
      }
      return Deferred.await(joined)
    })
  })

interface Source {
  readonly from: Reading
  /** How far it has shown each daemon to be; null where all that is held comes from it, or nothing is expected of it. */
  readonly shown: Map<Origin, number> | null
}

/** A round. What is held was in the store before: it is there, or that is not the store any more that it was. A standby may be behind. */
const caughtUp = (parts: Parts, { from, shown }: Source): Effect.Effect<void, Failed> =>
  Effect.suspend(() => {
    const held = from === parts.site ? confirmed(parts, shown) : new Map<Origin, number>()
    return Effect.tap(from.heads, (heads) =>
      Effect.tap(lacking(held, heads), () =>
        Effect.sync(() => {
          for (const { place, writer } of heads) shown?.set(writer, place)
        })))
  }).pipe(
    Effect.flatMap((heads) => followed(parts, from, heads)),
    Effect.catchTag("SiteUnavailable", (error) => failedBy(error, error.detail)),
    // Of a newer version, or of somebody else's hand: it is said, and tried again.
    Effect.catchAllDefect((defect) =>
      new LocalWriteFailed({
        detail: `what the store has can not be read: ${String(defect).slice(0, MOST_SAID)}`,
        site: "unavailable"
      })
    )
  )

/** What is held, without what a standby has shown that the store has not: nobody may have confirmed it yet. */
const confirmed = ({ held, own }: Parts, shown: ReadonlyMap<Origin, number> | null): ReadonlyMap<Origin, number> =>
  shown === null
    ? held()
    : new Map([...held()].map(([writer, place]) => [
      writer,
      writer === own() ? place : Math.min(place, shown.get(writer) ?? 0)
    ]))

const MOST_SAID = 300

const lacking = (
  held: ReadonlyMap<Origin, number>,
  heads: ReadonlyArray<Head>
): Effect.Effect<void, LocalWriteFailed> => {
  const places = new Map(heads.map(({ place, writer }) => [writer, place]))
  const lost = [...held].find(([writer, place]) => (places.get(writer) ?? 0) < place)
  return lost === undefined ? Effect.void : new LocalWriteFailed({ detail: LACKS, site: "unavailable" })
}

const LACKS =
  "the store lacks what it had, and the file given with --db still has: an older state of it was put in its place. " +
  "Put the newer one back; or begin with another file, which then has what the store has"

const isBehind = ({ held }: Parts, { place, writer }: Head): boolean => place > (held().get(writer) ?? 0)

/** Daemons that are read of at once. */
const WRITERS = 16

/** All that the daemons brought, up to where they had come: a part of each, together, and then the next. */
const followed = (
  parts: Parts,
  from: Reading,
  heads: ReadonlyArray<Head>
): Effect.Effect<void, Failed | SiteUnavailable> =>
  Effect.suspend(() => {
    const behind = heads.filter((head) => isBehind(parts, head)).slice(0, WRITERS)
    if (behind.length === 0) return Effect.void
    const held = parts.held()
    const places = behind.map(({ writer }) => ({ writer, place: held.get(writer) ?? 0 }))
    return from.news(places).pipe(
      Effect.flatMap((news) =>
        news.size === 0
          ? new LocalWriteFailed({ detail: `the store lacks what ${behind[0]?.writer} brought`, site: "unavailable" })
          : Effect.forEach(news, ([writer, placed]) => partOf(writer, placed))
      ),
      Effect.flatMap((all) => applied(parts, all)),
      Effect.zipRight(followed(parts, from, heads))
    )
  })

/** What is read of one daemon, and how far it goes. */
interface Part {
  readonly upTo: Head
  readonly items: ReadonlyArray<Followed>
}

const partOf = (writer: Origin, placed: ReadonlyArray<Placed>): Effect.Effect<Part> =>
  Effect.map(inTurns(placed, readOne), (items) => ({ upTo: { writer, place: placed.at(-1)?.place ?? 0 }, items }))

const readOne = ({ item }: Placed): Followed =>
  "stub" in item ? item : { operation: item.operation, payload: Payload.ofLog(item.operation) }

/** What may have much judged anew is applied in steps, and all else with whatever is written at the same time. */
const applied = ({ follow, places, submit, submitSteps }: Parts, all: ReadonlyArray<Part>) => {
  const items = all.flatMap((part) => part.items)
  const run = function*() {
    yield* follow(items)
    for (const { upTo } of all) places.reach(upTo)
    return Either.void
  }
  return isLong(items) ? submitSteps(run) : submit(() => atOnce(run()))
}
