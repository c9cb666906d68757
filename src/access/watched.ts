import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { statSync } from "node:fs"

/** What changes in a file holds from so long after on. */
const LOOK_EVERY = Duration.seconds(1)

/**
 * Looks at files (or at those that there are each time) until the scope ends, and reads them again when one of them is another one. What can not be read is told once,
 * and changes nothing. With `atOnce` they are read in the beginning, too.
 */
export const files = (
  paths: ReadonlyArray<string> | (() => ReadonlyArray<string>),
  reload: Effect.Effect<string, Error>,
  options: { readonly atOnce: boolean } = { atOnce: false }
): Effect.Effect<void, never, Scope.Scope> => {
  if (typeof paths !== "function" && paths.length === 0) return Effect.void
  const now = () => typeof paths === "function" ? paths() : paths
  const stateNow = () => now().map((path) => `${path} ${stateOf(path)}`).join("\n")
  let seen = options.atOnce ? undefined : stateNow()
  return Effect.suspend(() => {
    const state = stateNow()
    if (state === seen) return Effect.void
    const isFirst = seen === undefined
    seen = state
    return Effect.matchEffect(reload, {
      onSuccess: (what) => isFirst ? Effect.void : Effect.logInfo(`read again, as its file changed: ${what}`),
      onFailure: ({ message }) => Effect.logError(`what was read before holds: ${message}`)
    })
  }).pipe(
    Effect.repeat({ schedule: Schedule.spaced(LOOK_EVERY) }),
    Effect.withTracerEnabled(false),
    Effect.tapErrorCause((cause) => Effect.logError(`${now().join(", ")}: not looked at any more`, cause)),
    Effect.forkScoped,
    Effect.asVoid
  )
}

/** Another one after each change, and when the file has another one's place. */
const stateOf = (path: string): string => {
  try {
    const { ino, mtimeNs, size } = statSync(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return "unreadable"
  }
}
