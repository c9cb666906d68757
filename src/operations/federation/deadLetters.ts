import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_DEAD_LETTERS, MAX_DEAD_LETTERS, MAX_OFFSET } from "../../domain/limits.js"
import type { Invalid } from "../../domain/validate.js"
import { Federation } from "../../federation/Federation.js"
import * as replay from "../../federation/link/replay.js"
import { shownBody } from "../../replication/Payload.js"
import { type DeadLetter, DeadLetters, type Summary } from "../../store/DeadLetters.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { type LocalWriteFailed, NotFound, type Overloaded, type ReadFailed } from "../errors.js"

/** Operations that a peer refuses. They belong to this node alone: what is done to them here replicates nowhere. */

/** The oldest first. */
export const listDeadLetters = (page: {
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}): Effect.Effect<ReadonlyArray<Summary>, Invalid | ReadFailed, DeadLetters> =>
  Effect.gen(function*() {
    const letters = yield* DeadLetters
    const limit = yield* checkCount("limit", page.limit ?? DEFAULT_DEAD_LETTERS, MAX_DEAD_LETTERS)
    const offset = yield* checkCount("offset", page.offset ?? 0, MAX_OFFSET)
    return limit === 0 ? [] : yield* letters.list({ limit, offset })
  }).pipe(hotSpan("listDeadLetters"))

/** With its body, as somebody may see it who is no node. */
export const getDeadLetter = (id: string) =>
  Effect.map(letterOf(id), (letter) => ({ ...letter, body: shownBody(letter.operation) }))

const letterOf = (id: string): Effect.Effect<DeadLetter, NotFound | ReadFailed, DeadLetters> =>
  Effect.gen(function*() {
    const letters = yield* DeadLetters
    const found = yield* letters.get(yield* rowOf(id))
    return Option.isSome(found) ? found.value : yield* new NotFound()
  }).pipe(hotSpan("getDeadLetter"))

/**
 * Sends it once more, now, also when it was discarded. `delivered`: the peer holds it and the letter is gone. `refused`: it
 * waits for its next attempt. `unreachable`: the peer said nothing about it, or is no peer of this node any more.
 */
export const retryDeadLetter = (
  id: string
): Effect.Effect<
  replay.Result,
  NotFound | ReadFailed | LocalWriteFailed | Overloaded,
  DeadLetters | Federation
> =>
  Effect.gen(function*() {
    const letters = yield* DeadLetters
    const letter = yield* letterOf(id)
    const { links } = yield* Federation
    yield* letters.revive(letter.id)
    const link = links.find((each) => each.status().identity?.peerId === letter.peerId)
    return link === undefined ? "unreachable" : yield* replay.deliver(link, letter)
  }).pipe(hotSpan("retryDeadLetter"))

/** Gives it up: it is never sent to this peer again. The peer may still get it from another node. */
export const discardDeadLetter = (
  id: string
): Effect.Effect<void, NotFound | LocalWriteFailed | Overloaded, DeadLetters> =>
  Effect.gen(function*() {
    const letters = yield* DeadLetters
    const isKnown = yield* letters.discard(yield* rowOf(id))
    if (!isKnown) yield* new NotFound()
  }).pipe(hotSpan("discardDeadLetter"))

const rowOf = (id: string): Effect.Effect<number, NotFound> =>
  /^[1-9][0-9]{0,14}$/.test(id) ? Effect.succeed(Number(id)) : Effect.fail(new NotFound())
