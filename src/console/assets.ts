import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

/** A file of a page, as it is sent. */
export interface Asset {
  readonly contentType: string
  readonly body: Uint8Array
  /** Quoted, by the bytes. */
  readonly etag: string
}

/** The files of the pages are not where the program is: somebody took them out of the package. */
class AssetsMissing extends Data.TaggedError("AssetsMissing")<{ readonly problem: string }> {
  override get message() {
    return `the pages of this node can not be shown: ${this.problem}`
  }
}

/** Beside the built daemon, among what embedders import, and where the build puts them when sources run. */
const PLACES = ["./console/browser/", "./browser/", "../../dist/console/browser/"]
const MARK = "console.js"

const CONTENT_TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml"
} as const

/** Files by their names. */
export const load = <Name extends `${string}.${keyof typeof CONTENT_TYPES}`>(names: ReadonlyArray<Name>) =>
  Effect.gen(function*() {
    const place = PLACES.map((each) => new URL(each, import.meta.url)).find((each) =>
      existsSync(fileURLToPath(new URL(MARK, each)))
    )
    if (place === undefined) return yield* new AssetsMissing({ problem: `there is no ${MARK} beside the program` })
    return new Map(
      yield* Effect.forEach(names, (name) => Effect.map(read(new URL(name, place)), (asset) => [name, asset] as const))
    )
  })

const read = (file: URL): Effect.Effect<Asset, AssetsMissing> =>
  Effect.tryPromise({
    try: () => readFile(file),
    catch: (cause) => new AssetsMissing({ problem: String(cause) })
  }).pipe(Effect.map((body) => ({
    contentType: contentTypeOf(file.pathname),
    body,
    etag: `"${createHash("sha256").update(body).digest("base64url")}"`
  })))

const contentTypeOf = (path: string): string =>
  Object.entries(CONTENT_TYPES).find(([ending]) => path.endsWith(`.${ending}`))?.[1] ?? "application/octet-stream"
