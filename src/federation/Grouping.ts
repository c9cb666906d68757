import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** One that waits for its group: `answer` takes an effect that its own fiber then runs, and whether that has to wait for more. */
export interface Waiting<Item, A, E> {
  readonly item: Item
  readonly answer: (result: Effect.Effect<A, E>, waits?: boolean) => void
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
        waiting.push({ item, answer: (result) => resume(result) })
        work.unsafeOpen()
      })
  })

/**
 * Waits for a group that came together: `told` hears of each what it came to, as soon as that is certain. What has to wait for
 * more holds up no other one. `begin` must answer each.
 */
export const each = <Item, A, E>(
  items: ReadonlyArray<Item>,
  begin: (group: ReadonlyArray<Waiting<Item, A, E>>) => Effect.Effect<unknown>,
  told: (index: number, exit: Exit.Exit<A, E>) => void
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const ready: Array<{ readonly settle: Effect.Effect<void>; readonly waits: boolean }> = []
    const some = yield* Effect.makeLatch(false)
    const settling = (index: number) => (result: Effect.Effect<A, E>, waits = false) => {
      ready.push({ waits, settle: Effect.map(Effect.exit(result), (exit) => told(index, exit)) })
      some.unsafeOpen()
    }
    yield* begin(items.map((item, index) => ({ item, answer: settling(index) })))
    const waiting: Array<Fiber.Fiber<void>> = []
    for (let left = items.length; left > 0;) {
      yield* some.await
      some.unsafeClose()
      for (const { settle, waits } of ready.splice(0)) {
        left--
        if (waits) waiting.push(yield* Effect.fork(settle))
        else yield* settle
      }
    }
    yield* Fiber.joinAll(waiting)
  })
