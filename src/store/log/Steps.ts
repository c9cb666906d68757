import * as Effect from "effect/Effect"
import { eventLoopTurn } from "./eventLoopTurn.js"

/** Work in small parts, each of which says how many bytes it had to do with. */
export type Steps<A> = Generator<number, A>

/** Work that gives others a turn wherever it yields, or waits for what it yields. */
export type Turns<A> = Generator<Effect.Effect<void> | undefined, A>

/** What is done in one turn, at most: a part takes up to a third of a millisecond, and so do some KiB. */
export const TURN = { parts: 50, bytes: 256 * 1024 }

/** Turns after which `rest` has one of its own: what it does costs less the more of it there is. */
const TURNS_PER_REST = 3

/** Gives others a turn between any `TURN` of the work, and runs `rest` in one of its own after some of those. */
export function* paced<A>(steps: Steps<A>, rest: () => void): Turns<A> {
  let parts = 0
  let bytes = 0
  let turns = 0
  for (let step = steps.next();; step = steps.next()) {
    if (step.done === true) return step.value
    parts += 1
    bytes += step.value
    if (parts < TURN.parts && bytes < TURN.bytes) continue
    yield
    parts = bytes = 0
    if (++turns % TURNS_PER_REST !== 0) continue
    rest()
    yield
  }
}

/** All of it. The turns of others are those of the event loop. */
export const withTurns = <A>(turns: Turns<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const step = turns.next()
    return step.done === true
      ? Effect.succeed(step.value)
      : Effect.zipRight(step.value ?? eventLoopTurn, withTurns(turns))
  })

/** The same, while others wait wherever it does not wait for something itself. */
export const withoutTurns = <A>(turns: Turns<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    let step = turns.next()
    while (step.done !== true && step.value === undefined) step = turns.next()
    return step.done === true
      ? Effect.succeed(step.value)
      : Effect.zipRight(step.value ?? Effect.void, withoutTurns(turns))
  })

/** All of it, while others wait. */
export const atOnce = <A>(work: Steps<A>): A => {
  let step = work.next()
  while (step.done !== true) step = work.next()
  return step.value
}
