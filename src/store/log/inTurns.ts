import * as Effect from "effect/Effect"
import { eventLoopTurn } from "./eventLoopTurn.js"

/** Rows of a request that are read in one go, at most: reading one takes up to a fifth of a millisecond. */
export const ROWS_A_TURN = 100

/** What each row comes to, in their order. All others have their turns meanwhile. */
export const inTurns = <A, B>(
  rows: ReadonlyArray<A>,
  read: (row: A, index: number) => B
): Effect.Effect<ReadonlyArray<B>> =>
  rows.length <= ROWS_A_TURN ? Effect.sync(() => rows.map(read)) : Effect.gen(function*() {
    const all: Array<B> = []
    for (let from = 0; from < rows.length; from += ROWS_A_TURN) {
      yield* eventLoopTurn
      rows.slice(from, from + ROWS_A_TURN).forEach((row, at) => all.push(read(row, from + at)))
    }
    yield* eventLoopTurn
    return all
  })
