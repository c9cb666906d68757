import * as Effect from "effect/Effect"
import type { EntityReader } from "../../store/read/EntityReader.js"
import * as Outcome from "./Outcome.js"
import { type Peer, PeerFailed } from "./Peer.js"
import type { PushAnswer } from "./PeerApi.js"
import { type OriginalPush, type Told, toOriginal } from "./toOriginal.js"

/** Sends the lists of one push, as the members of its JSON object. */
type Post = (members: string) => Effect.Effect<PushAnswer, PeerFailed>

/**
 * Tells an original node of an operation, and whether it took it. It applies the lists of a push in an order of its
 * own, and one bad item is the end of it all: so each operation goes by itself, as one push after the other, and what
 * comes of the last one counts.
 */
export const tell = (
  peer: Peer,
  operation: Told,
  post: Post
): Effect.Effect<Outcome.Outcome, PeerFailed, EntityReader> =>
  toOriginal(operation).pipe(
    Effect.mapError((error) =>
      new PeerFailed({
        peer: peer.name,
        reason: "malformed",
        detail: `${operation.entity} could not be put in an original's words: ${error.message}`
      })
    ),
    Effect.flatMap((pushes) => tellAll({ peer, post, entity: operation.entity }, pushes)),
    // A quota is that of one author: what others wrote goes on.
    Effect.catchIf(
      ({ laterMillis, reason }) => reason === "overloaded" && laterMillis !== undefined,
      (error) => Effect.succeed(Outcome.later(error))
    )
  )

interface Telling {
  readonly peer: Peer
  readonly post: Post
  readonly entity: string
}

const tellAll = (
  telling: Telling,
  pushes: ReadonlyArray<OriginalPush>
): Effect.Effect<Outcome.Outcome, PeerFailed> =>
  Effect.reduce(
    pushes,
    nothingToTell,
    (_, push) =>
      Effect.flatMap(telling.post(JSON.stringify({ memories: [], ...push.lists }).slice(1, -1)), (response) => {
        if (isDrifted(telling.entity, response)) return Effect.succeed(Outcome.refused("acked another id", "id_drift"))
        if (push.taken(response)) return Effect.succeed(Outcome.held(telling.peer.url))
        return push.otherwise === undefined
          ? Effect.succeed(Outcome.refused("skipped by the peer"))
          : tellAll(telling, push.otherwise)
      })
  )

const nothingToTell = Outcome.settled("not_carried", "there is nothing to tell an original node")

/** Where it names ids, the memory that it took is among them. */
const isDrifted = (entity: string, { ids = [] }: PushAnswer): boolean => ids.length > 0 && !ids.includes(entity)
