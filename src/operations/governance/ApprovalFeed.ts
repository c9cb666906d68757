import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as PendingAction from "../../domain/PendingAction.js"
import type { VersionVector } from "../../replication/VersionVector.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { AgentReader } from "../../store/read/AgentReader.js"
import { type ApprovalEvent, PendingReader } from "../../store/read/PendingReader.js"
import { Overloaded, type ReadFailed } from "../errors.js"

/** Listeners at once at most. */
export const MAX_LISTENERS = 256
/** Events that wait for one listener at most; those beyond are dropped, and it is told how many. */
export const MAX_WAITING = 256
/** The same in characters of their JSON. */
const MAX_WAITING_CHARS = 256 * 1024
/** How often the log is looked at, while somebody listens. */
const INTERVAL = Duration.millis(500)

/** What a listener hears. */
export type Heard = ApprovalEvent | { readonly type: "lagged"; readonly missed: number }

/**
 * Tells who waits for approvals what is asked for and what was decided, whichever node it happened on: everybody hears of
 * what they asked for themselves, and of what they may decide.
 */
export class ApprovalFeed extends Context.Tag("quorate/operations/ApprovalFeed")<ApprovalFeed, {
  /** Listens from now on until the scope ends. The effect it answers waits for what comes next: at least one. */
  readonly listen: (
    agentId: string
  ) => Effect.Effect<Effect.Effect<ReadonlyArray<Heard>>, Overloaded | ReadFailed, Scope.Scope>
}>() {}

interface Listener {
  readonly agentId: string
  readonly waiting: Queue.Queue<ApprovalEvent>
  chars: number
  missed: number
}

const make = Effect.gen(function*() {
  const pending = yield* PendingReader
  const { isRegistered } = yield* AgentReader
  const store = yield* MemoryStore
  const listeners = new Set<Listener>()
  let at = 0
  let seen: VersionVector | null = null

  const tell = (event: ApprovalEvent) =>
    Effect.suspend(() => {
      const chars = JSON.stringify(event).length
      return Effect.forEach(
        listeners,
        (listener) =>
          Effect.map(concerns(event.action, listener.agentId, isRegistered), (itDoes) => {
            if (itDoes) offer(listener, event, chars)
          }),
        { discard: true }
      )
    })

  const look = Effect.gen(function*() {
    const vector = store.vector()
    if (listeners.size === 0 || vector === seen) return
    const { events, upTo } = yield* pending.newsAfter(at)
    yield* Effect.forEach(events, tell, { discard: true })
    at = upTo
    seen = vector
  })

  yield* look.pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.failCause(cause)
        : Effect.logWarning("the feed of approvals could not read the log; it tries again", cause)
    ),
    Effect.zipRight(Effect.sleep(INTERVAL)),
    Effect.forever,
    Effect.forkScoped
  )

  const join = (agentId: string) =>
    Effect.gen(function*() {
      if (listeners.size >= MAX_LISTENERS) return yield* new Overloaded({ queued: listeners.size })
      // Nobody listened: what the log brought meanwhile is nobody's news.
      const newest = listeners.size === 0 ? yield* pending.newest : at
      const waiting = yield* Queue.dropping<ApprovalEvent>(MAX_WAITING)
      const listener: Listener = { agentId, waiting, chars: 0, missed: 0 }
      if (listeners.size === 0) at = newest
      listeners.add(listener)
      return listener
    })

  return ApprovalFeed.of({
    listen: (agentId) =>
      Effect.acquireRelease(
        join(agentId),
        (listener) => Effect.zipRight(Effect.sync(() => listeners.delete(listener)), Queue.shutdown(listener.waiting))
      ).pipe(
        Effect.map(next)
      )
  })
})

export const layer: Layer.Layer<ApprovalFeed, never, PendingReader | AgentReader | MemoryStore> = Layer.scoped(
  ApprovalFeed,
  make
)

const offer = (listener: Listener, event: ApprovalEvent, chars: number): void => {
  if (listener.chars + chars > MAX_WAITING_CHARS || !listener.waiting.unsafeOffer(event)) listener.missed++
  else listener.chars += chars
}

/** What waits for a listener, and how much it missed. */
const next = (listener: Listener): Effect.Effect<ReadonlyArray<Heard>> =>
  Effect.map(Queue.takeBetween(listener.waiting, 1, MAX_WAITING), (events): ReadonlyArray<Heard> => {
    const { missed } = listener
    listener.missed = 0
    listener.chars = 0
    return missed === 0 ? Chunk.toReadonlyArray(events) : [...events, { type: "lagged", missed }]
  })

/** Whether somebody asked for an action or may decide it. */
const concerns = <E>(
  { approver, requested_by }: PendingAction.PendingAction,
  agentId: string,
  isRegistered: (agentId: string) => Effect.Effect<boolean, E>
): Effect.Effect<boolean, E> => {
  // Operators of a node, as the original names them.
  if (agentId.startsWith("host:")) return Effect.succeed(true)
  if (requested_by === agentId || approver === undefined || approver === "human") return Effect.succeed(true)
  return "agent" in approver ? Effect.succeed(approver.agent === agentId) : isRegistered(agentId)
}
