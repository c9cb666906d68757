import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

/**
 * Where to import a package from that may be installed: beside this program, else where the process was started. None where it is
 * not there.
 */
export const urlOf = (name: string): Option.Option<string> =>
  Option.flatMap(
    Option.fromNullable(
      folders(name).map((folder) => join(folder, name)).find((place) => existsSync(manifestOf(place)))
    ),
    (place) =>
      Either.try(() => decode(readFileSync(manifestOf(place), "utf8"))).pipe(
        Either.map(({ exports }) => pathToFileURL(join(place, exports["."].import)).href),
        Either.getRight
      )
  )

const folders = (name: string): ReadonlyArray<string> =>
  [import.meta.url, pathToFileURL(join(process.cwd(), "package.json"))].flatMap((from) =>
    createRequire(from).resolve.paths(name) ?? []
  )

const manifestOf = (place: string) => join(place, "package.json")

/** Of a package of modules: those that are asked for here have no other form. */
const decode = Schema.decodeSync(
  Schema.parseJson(Schema.Struct({ exports: Schema.Struct({ ".": Schema.Struct({ import: Schema.String }) }) }))
)
