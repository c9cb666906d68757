import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { foundByGroup } from "./measure.js"
import { askAll, builtIn, temporaryFile } from "./modes.js"

/** How many questions of a group may be found more or less often when all have been asked five times. */
const MOST_MOVED = 1

describe("recall that is used", () => {
  it.live("answers as it did when all questions have been asked five times over", () =>
    Effect.gen(function*() {
      const file = yield* temporaryFile
      // The node is ended after each round: whatever it still had in mind of the answers it gave is written then.
      const round = Effect.scoped(Effect.flatMap(builtIn.openOn(file), askAll))
      const fresh = foundByGroup((yield* round).answered)
      yield* Effect.repeatN(round, 3)
      const used = foundByGroup((yield* round).answered)
      const moved = Array.from(fresh, ([group, found]) => ({ group, found, after: used.get(group) ?? 0 }))
        .filter(({ after, found }) => Math.abs(after - found) > MOST_MOVED)
      assert.deepStrictEqual(moved, [])
    }).pipe(Effect.scoped), 120_000)
})
