import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Wanted } from "../../domain/Change.js"
import * as Stamp from "../../domain/Stamp.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { ChangeReader, cutoff, type Page, type Position } from "../../store/read/ChangeReader.js"
import { Overloaded, type ReadFailed } from "../errors.js"

/** Requests that wait at once at most. */
const MAX_FOLLOWERS = 256
/** How often it is looked whether the log has moved, while somebody waits. */
const INTERVAL = Duration.millis(100)
/** And whether time alone has brought something: what nobody decided expires. */
const EXPIRES_EVERY = Duration.seconds(10)

interface Asked {
  readonly wanted: Wanted
  readonly limit: number
}

/** Tells who follows this node what was changed, whichever node it was changed on. */
export class ChangeFeed extends Context.Tag("quorate/operations/ChangeFeed")<ChangeFeed, {
  /** Before everything, and after all that is here now. */
  readonly start: Position
  readonly end: Effect.Effect<Position>
  /** What came after a position, at once. */
  readonly after: (since: Position, asked: Asked) => Effect.Effect<Page, ReadFailed>
  /** The same, once there is anything that is wanted, or so much time is over: then the page is empty. */
  readonly wait: (
    since: Position,
    asked: Asked,
    patience: Duration.Duration
  ) => Effect.Effect<Page, ReadFailed>
  /** A place among those who wait, until the scope ends. */
  readonly follow: Effect.Effect<void, Overloaded, Scope.Scope>
}>() {}

const start: Position = { held: VersionVector.empty, expired: Stamp.fromMillis(0) }

const make = Effect.gen(function*() {
  const { after: read } = yield* ChangeReader
  const { vector } = yield* MemoryStore
  let followers = 0

  const after = (since: Position, asked: Asked) =>
    Effect.flatMap(Clock.currentTimeMillis, (millis) => read(since, { vector: vector(), millis }, asked))

  /** The log has moved, or time has. */
  const moved = (seen: VersionVector.VersionVector, since: Position) =>
    Effect.gen(function*() {
      const dueAt = Stamp.toMillis(since.expired) + Duration.toMillis(EXPIRES_EVERY)
      while (vector() === seen && Stamp.toMillis(cutoff(yield* Clock.currentTimeMillis)) < dueAt) {
        yield* Effect.sleep(INTERVAL)
      }
    })

  const wait = (since: Position, asked: Asked, patience: Duration.Duration) =>
    Effect.gen(function*() {
      const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(patience)
      let at = since
      for (;;) {
        const seen = vector()
        const page = yield* after(at, asked)
        const left = until - (yield* Clock.currentTimeMillis)
        if (page.changes.length > 0 || left <= 0) return page
        at = page.next
        if (!page.more) yield* moved(seen, at).pipe(Effect.timeoutOption(Duration.millis(left)))
      }
    })

  return ChangeFeed.of({
    start,
    end: Effect.map(Clock.currentTimeMillis, (millis) => ({ held: vector(), expired: cutoff(millis) })),
    after,
    wait,
    follow: Effect.acquireRelease(
      Effect.suspend(() => {
        if (followers >= MAX_FOLLOWERS) return new Overloaded({ queued: followers })
        followers++
        return Effect.void
      }),
      () => Effect.sync(() => followers--)
    )
  })
})

export const layer: Layer.Layer<ChangeFeed, never, ChangeReader | MemoryStore> = Layer.effect(ChangeFeed, make)

/** Pages without an end, from a position on; an empty one every now and then, so that a connection is not silent. */
export const pages = (
  { wait }: Pick<ChangeFeed["Type"], "wait">,
  since: Position,
  asked: Asked,
  silence: Duration.Duration
): Stream.Stream<Page, ReadFailed> =>
  Stream.unfoldEffect(
    since,
    (at) => Effect.map(wait(at, asked, silence), (page) => Option.some([page, page.next] as const))
  )
