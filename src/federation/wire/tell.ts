import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { EntityReader } from "../../store/read/EntityReader.js"
import * as Outcome from "./Outcome.js"
import { type Peer, PeerFailed } from "./Peer.js"
import type { PushAnswer } from "./PeerApi.js"
import { ShippedVectors } from "./ShippedVectors.js"
import { type ActionThere, besides, type OriginalPush, together, type Told, toOriginal } from "./toOriginal.js"

/** How an original node is spoken to. */
interface Line {
  readonly peer: Peer
  /** Sends the lists of one push, as the members of its JSON object. */
  readonly post: (members: string) => Effect.Effect<PushAnswer, PeerFailed>
  /** Its pending actions that have come to this, or all. */
  readonly actions: (status?: "approved" | "rejected") => Effect.Effect<ReadonlyArray<ActionThere>, PeerFailed>
  /** Nobody else can have told it of what it is told. */
  readonly isFirst: boolean
}

/**
 * Tells an original node of an operation, and whether it took it. It applies the lists of a push in an order of its
 * own, and one bad item is the end of it all: so each operation goes by itself, as one push after the other, and what
 * comes of the last one counts.
 */
export const tell = (line: Line, operation: Told): Effect.Effect<Outcome.Outcome, PeerFailed, EntityReader> =>
  wordsOf(line.peer, operation).pipe(
    Effect.flatMap((pushes) =>
      line.isFirst && operation.kind === "pending"
        ? tellAll(line, operation.entity, pushes)
        : Effect.flatMap(sparing(line, pushes), (news) =>
          news.length === 0 && pushes.length > 0
            ? Effect.succeed(Outcome.held(line.peer.url))
            : tellAll(line, operation.entity, news))
    ),
    // A quota is that of one author: what others wrote goes on.
    Effect.catchIf(isLater, (error) => Effect.succeed(Outcome.later(error)))
  )

/**
 * Tells it of many operations in one push, as the original does with bulk. It is an ack of all of them when it skipped
 * none and counts them all; else null: nobody knows which it took.
 */
export const tellTogether = (
  line: Line,
  operations: ReadonlyArray<Told>
): Effect.Effect<Outcome.Outcome | null, PeerFailed, EntityReader> =>
  Effect.gen(function*() {
    const push = together(yield* Effect.forEach(operations, (operation) => wordsOf(line.peer, operation)))
    if (push === null) return null
    const answer = yield* line.post(membersOf(push))
    const isAll = push.taken(answer) && operations.every(({ entity }) => !isDrifted(entity, answer))
    return isAll ? Outcome.held(line.peer.url) : null
  }).pipe(Effect.catchIf(isLater, () => Effect.succeed(null)))

const wordsOf = (peer: Peer, operation: Told) =>
  Effect.mapError(toOriginal(operation), (error) =>
    new PeerFailed({
      peer: peer.name,
      reason: "malformed",
      detail: `${operation.entity} could not be put in an original's words: ${error.message}`
    }))

/** It takes nothing more of this author for a time, and says when. */
const isLater = ({ laterMillis, reason }: PeerFailed) => reason === "overloaded" && laterMillis !== undefined

const membersOf = ({ lists }: Pick<OriginalPush, "lists">): string =>
  JSON.stringify({ memories: [], ...lists }).slice(1, -1)

/** The same with the vector of its row, where there is one at hand. */
const withVector = ({ isFirst }: Line, { lists, stores }: OriginalPush) =>
  Effect.gen(function*() {
    if (stores === undefined) return { lists }
    const vector = yield* (yield* ShippedVectors).of(stores, isFirst)
    return Option.isNone(vector) ? { lists } : { lists: { ...lists, embeddings: [vector.value] } }
  })

const tellAll = (
  line: Line,
  entity: string,
  pushes: ReadonlyArray<OriginalPush>
): Effect.Effect<Outcome.Outcome, PeerFailed> =>
  Effect.reduce(
    pushes,
    nothingToTell,
    (_, push) =>
      Effect.flatMap(posted(line, push), (response): Effect.Effect<Outcome.Outcome, PeerFailed> => {
        if (isDrifted(entity, response)) return Effect.succeed(Outcome.refused("acked another id", "id_drift"))
        if (push.taken(response)) return Effect.succeed(Outcome.held(line.peer.url))
        if (push.decided !== undefined) return decidedThere(line, push.decided)
        if (push.otherwise !== undefined) return tellAll(line, entity, push.otherwise)
        return Effect.succeed(refusedBy(response))
      })
  )

const posted = (line: Line, push: OriginalPush) =>
  Effect.flatMap(withVector(line, push), (whole) => line.post(membersOf(whole)))

const refusedBy = ({ quota_refused: refused = 0, skipped = 0 }: PushAnswer): Outcome.Outcome =>
  refused > 0
    ? Outcome.refused("its quota is used up", "overloaded")
    : Outcome.refused(skipped > 0 ? "skipped by the peer" : "the peer does not count it as taken")

/** What it does not take may be decided there already. */
const decidedThere = (
  { actions, peer }: Line,
  { id, status }: NonNullable<OriginalPush["decided"]>
): Effect.Effect<Outcome.Outcome, PeerFailed> =>
  Effect.map(actions(status), (decided) =>
    decided.some((action) => action.id === id)
      ? Outcome.held(peer.url)
      : Outcome.refused("the peer does not take the decision, and has not decided so by itself"))

/** Leaves out, or adds to, what would undo what is there. */
const sparing = (line: Line, pushes: ReadonlyArray<OriginalPush>) =>
  Effect.map(
    Effect.forEach(pushes, (push) => {
      const action = push.overwrites
      if (action === undefined) return Effect.succeed([push])
      return line.actions().pipe(
        Effect.map((all) => {
          const there = all.find(({ id }) => id === action.id)
          return there === undefined ? [push] : Option.toArray(besides(action, there))
        }),
        // It does not show them to this node, or they are too many.
        Effect.catchIf(({ reason }) => reason === "status" || reason === "malformed", () => Effect.succeed([push]))
      )
    }),
    Arr.flatten
  )

const nothingToTell = Outcome.settled("not_carried", "there is nothing to tell an original node")

/** Where it names ids, the memory that it took is among them. */
const isDrifted = (entity: string, { ids = [] }: PushAnswer): boolean => ids.length > 0 && !ids.includes(entity)
