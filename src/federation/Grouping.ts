import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** One that waits for its group: `answer` takes an effect that its own fiber then runs. */
export interface Waiting<Item, A, E> {
  readonly item: Item
  readonly answer: (result: Effect.Effect<A, E>) => void
}

/**
 * Takes what comes at once as one group: writes that were committed together wake together, and what is done once for
 * all of them costs each a share only. No timer; at most `most` in a group. `run` must answer each.
 */
export const make = <Item, A, E>(options: {
  readonly most: number
  readonly run: (group: ReadonlyArray<Waiting<Item, A, E>>) => Effect.Effect<void>
}): Effect.Effect<(item: Item) => Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const waiting: Array<Waiting<Item, A, E>> = []
    const work = yield* Effect.makeLatch(false)
    const next = Effect.suspend(() => {
      const group = waiting.splice(0, options.most)
      if (waiting.length === 0) work.unsafeClose()
      return options.run(group)
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const { answer } of waiting.splice(0)) answer(Effect.interrupt)
      })
    )
    yield* work.await.pipe(
      // Behind all the fibers that woke with the first of the group.
      Effect.zipRight(Effect.yieldNow()),
      Effect.zipRight(next),
      Effect.forever,
      Effect.tapErrorCause((cause) => Effect.logError("federation: grouping stopped", cause)),
      Effect.forkScoped
    )
    return (item) =>
      Effect.async((resume) => {
        waiting.push({ item, answer: resume })
        work.unsafeOpen()
      })
  })
