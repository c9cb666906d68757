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
    placeOf(name, foldersOf(name)),
    (place) =>
      Either.try(() => decode(readFileSync(manifestOf(place), "utf8"))).pipe(
        Either.map(({ exports }) => pathToFileURL(join(place, exports["."].import)).href),
        Either.getRight
      )
  )

/**
 * What a module of such a package exports, loaded at once; none where the package is not there. Throws whatever its loading throws.
 */
export const required = (name: string, module: string, folders = foldersOf(name)): Option.Option<unknown> =>
  Option.map(placeOf(name, folders), (place): unknown => createRequire(manifestOf(place))(`${name}/${module}`))

const placeOf = (name: string, folders: ReadonlyArray<string>): Option.Option<string> =>
  Option.fromNullable(folders.map((folder) => join(folder, name)).find((place) => existsSync(manifestOf(place))))

const foldersOf = (name: string): ReadonlyArray<string> =>
  [import.meta.url, pathToFileURL(join(process.cwd(), "package.json"))].flatMap((from) =>
    createRequire(from).resolve.paths(name) ?? []
  )

const manifestOf = (place: string) => join(place, "package.json")

/** Of a package of modules: those that are asked for here have no other form. */
const decode = Schema.decodeSync(
  Schema.parseJson(Schema.Struct({ exports: Schema.Struct({ ".": Schema.Struct({ import: Schema.String }) }) }))
)
