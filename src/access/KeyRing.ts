import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as keyDirectory from "./keyDirectory.js"

/** The keys of a folder as they are now: one that is put there, or taken away, counts from a second after on. */
export interface KeyRing {
  readonly find: (id: string) => keyDirectory.Held | undefined
}

interface Options {
  readonly folder: string
  readonly nowMillis: () => number
  /** Told once of each thing that is wrong with a key, which is then as if it were not there. */
  readonly onUnusable: (problem: string) => void
}

const LOOK_EVERY_MILLIS = 1_000
/** Ids that are remembered, of those that were asked for: whoever speaks names one. */
const MAX_REMEMBERED = 1_024

export const make = ({ folder, nowMillis, onUnusable }: Options): KeyRing => {
  const seen = new Map<string, { readonly at: number; readonly held: keyDirectory.Held | undefined }>()
  const told = new Set<string>()

  const load = (id: string): keyDirectory.Held | undefined =>
    Either.match(keyDirectory.load(folder, id), {
      onLeft: ({ message }: keyDirectory.KeyUnusable) => {
        if (!told.has(message) && told.size < MAX_REMEMBERED) onUnusable(message)
        told.add(message)
        return undefined
      },
      onRight: Option.getOrUndefined
    })

  return {
    find: (id) => {
      const now = nowMillis()
      const known = seen.get(id)
      if (known !== undefined && Math.abs(now - known.at) < LOOK_EVERY_MILLIS) return known.held
      const held = load(id)
      seen.delete(id)
      seen.set(id, { at: now, held })
      for (const oldest of seen.keys()) {
        if (seen.size <= MAX_REMEMBERED) break
        seen.delete(oldest)
      }
      return held
    }
  }
}

/** Where no folder is known there are no keys. */
export const empty: KeyRing = { find: () => undefined }
