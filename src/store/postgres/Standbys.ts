import type { PgClient } from "@effect/sql-pg/PgClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Durability } from "../../domain/Durability.js"
import { SiteUnavailable } from "../site/SiteLog.js"

/** Which standbys hold a commit before the server confirms it, by its own setting. */
export interface Standbys {
  /** The setting that a write asks for: the last one that was enough. */
  readonly names: () => string
  readonly shown: () => Durability
  /** The server says it otherwise now. Fails where it no longer asks for as many as there have to be. */
  readonly said: (names: string) => Effect.Effect<void, SiteUnavailable>
}

/** As the server says it. */
export const SETTING = "current_setting('synchronous_standby_names')"

/** Asks for it. Fails where it asks for fewer than `standbys`. */
export const make = (
  standbys: number,
  use: <A>(run: (sql: PgClient) => Effect.Effect<A, SqlError>) => Effect.Effect<A, SiteUnavailable>
): Effect.Effect<Standbys, SiteUnavailable> =>
  Effect.gen(function*() {
    let enough = ""
    let latest = ""
    const said: Standbys["said"] = (now) =>
      Effect.suspend(() => {
        latest = now
        if (read(now).count < standbys) return Effect.fail(tooFew(standbys, now))
        enough = now
        return Effect.void
      })
    const [row] = yield* use((sql) => sql.unsafe(`SELECT ${SETTING}`).values)
    yield* said(String(row?.[0] ?? ""))
    return {
      names: () => enough,
      said,
      shown: () => ({ engine: "postgresql", synchronous: read(latest).shown })
    }
  })

const tooFew = (standbys: number, names: string) =>
  new SiteUnavailable({
    detail: `--quorum-writes asks the store for ${standbys} synchronous standbys, and it has ${
      names.trim() === "" ? "none" : `${read(names).count}, by ${names.trim()}`
    }`,
    isInDoubt: false,
    standbys
  })

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
