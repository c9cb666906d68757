import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as keyDirectory from "./keyDirectory.js"

/** The keys of a folder as they are now: one that is put there, or taken away, counts from a second after on. */
export interface KeyRing {
  readonly find: (id: string) => keyDirectory.Held | undefined
  /** Whether there is a file of this one's key, be it of use or not: nobody speaks as this one without a signature. */
  readonly isEnrolled: (id: string) => boolean
}

interface Options {
  readonly folder: string
  readonly nowMillis: () => number
  /** Told once of each thing that is wrong with a key, by which then nobody can sign. */
  readonly onUnusable: (problem: string) => void
}

const LOOK_EVERY_MILLIS = 1_000
/** Ids that are remembered, of those that were asked for: whoever speaks names one. */
const MAX_REMEMBERED = 1_024

export const make = ({ folder, nowMillis, onUnusable }: Options): KeyRing => {
  const seen = new Map<string, Looked>()
  const told = new Set<string>()

  const load = (id: string): Omit<Looked, "at"> =>
    Either.match(keyDirectory.load(folder, id), {
      onLeft: ({ message }: keyDirectory.KeyUnusable) => {
        if (!told.has(message) && told.size < MAX_REMEMBERED) onUnusable(message)
        told.add(message)
        return { held: undefined, isEnrolled: true }
      },
      onRight: (held) => ({ held: Option.getOrUndefined(held), isEnrolled: Option.isSome(held) })
    })

  const look = (id: string): Looked => {
    const now = nowMillis()
    const known = seen.get(id)
    if (known !== undefined && Math.abs(now - known.at) < LOOK_EVERY_MILLIS) return known
    const looked = { at: now, ...load(id) }
    seen.delete(id)
    seen.set(id, looked)
    for (const oldest of seen.keys()) {
      if (seen.size <= MAX_REMEMBERED) break
      seen.delete(oldest)
    }
    return looked
  }

  return { find: (id) => look(id).held, isEnrolled: (id) => look(id).isEnrolled }
}

interface Looked {
  readonly at: number
  readonly held: keyDirectory.Held | undefined
  readonly isEnrolled: boolean
}

/** Where no folder is known there are no keys. */
export const empty: KeyRing = { find: () => undefined, isEnrolled: () => false }

/** The keys that a node has: one ring for all that ask for it, so that each file is looked at once, and what is wrong said once. */
export class Ring extends Context.Tag("quorate/access/KeyRing")<Ring, KeyRing>() {}

export const layer = (keyDir: Option.Option<string>): Layer.Layer<Ring> =>
  Layer.effect(
    Ring,
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      const log = Runtime.runFork(yield* Effect.runtime())
      return Option.match(keyDir, {
        onNone: () => empty,
        onSome: (folder) =>
          make({
            folder,
            nowMillis: () => clock.unsafeCurrentTimeMillis(),
            onUnusable: (problem) => void log(Effect.logError(`a key is not used: ${problem}`))
          })
      })
    })
  )
