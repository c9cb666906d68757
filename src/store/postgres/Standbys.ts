import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Settings } from "../../config/NodeConfig.js"
import type { Durability } from "../../domain/Durability.js"
import { SiteUnavailable } from "../site/SiteLog.js"

/** Which standbys hold a commit before the server confirms it, by its own setting. */
export interface Standbys {
  /** The setting that a write asks for: the last one that was enough. */
  readonly names: () => string
  /** By the setting as the server last said it. */
  readonly shown: () => Durability
  /**
   * What the server says now: fails where it asks for fewer than there have to be. What was confirmed under another setting may not be
   * held: `onChange` is run whenever it is another one than before.
   */
  readonly said: (names: string) => Effect.Effect<void, SiteUnavailable>
}

/** How many have to hold a write as well, before it is answered: W is about them where a site is no member of a mesh. */
export const wanted = ({ quorumPeers, quorumWrites }: Pick<Settings, "quorumPeers" | "quorumWrites">): number =>
  quorumPeers.length > 0 ? 0 : Math.max(Option.getOrElse(quorumWrites, () => 1) - 1, 0)

/** As the server says it. */
export const SETTING = "current_setting('synchronous_standby_names')"

/** Nothing is known of it yet. */
export const make = (standbys: number, onChange: Effect.Effect<void>): Standbys => {
  let enough = ""
  let latest: string | null = null
  return {
    names: () => enough,
    shown: () => ({ engine: "postgresql", synchronous: read(latest ?? "").shown }),
    said: (names) =>
      Effect.suspend(() => {
        const isChanged = latest !== null && latest !== names
        latest = names
        if (read(names).count < standbys) {
          return Effect.zipRight(isChanged ? onChange : Effect.void, tooFew(standbys, names))
        }
        enough = names
        return isChanged ? onChange : Effect.void
      })
  }
}

const tooFew = (standbys: number, names: string) =>
  new SiteUnavailable({ detail: whyTooFew(standbys, names), isInDoubt: false, standbys })

/** What is to be said where the setting promises fewer than there have to be. */
export const whyTooFew = (standbys: number, names: string): string =>
  `--quorum-writes asks the store for ${standbys} synchronous standbys, and it has ${
    names.trim() === "" ? "none" : `${read(names).count}, by ${names.trim()}`
  }`

/** `ANY 1 (a, b)`, `FIRST 2 (a, b, c)`, `1 (a, b)`, and `a, b`, which is `FIRST 1 (a, b)`. */
const FORM = /^(?:(ANY|FIRST)?\s*([0-9]+)\s*\((.*)\))?$/is

/** How many standbys hold a commit, and that in words, with how many there are: `*` is all that there happen to be. */
export const read = (names: string): { readonly count: number; readonly shown: string | null } => {
  const text = names.trim()
  if (text === "") return { count: 0, shown: null }
  const [, method = "FIRST", count = "1", list = text] = FORM.exec(text) ?? []
  const named: ReadonlyArray<string> = list.match(/"(?:[^"]|"")*"|[^,\s]+/g) ?? []
  return {
    count: Number(count),
    shown: `${method.toUpperCase()} ${count} of ${named.includes("*") ? "*" : named.length}`
  }
}
