// Scripts of this folder whose work is written in TypeScript, beside the tests.
import { build } from "esbuild"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { cache, root } from "./tools.mjs"

/** The module of the file `entry`, with what it imports of this repository. It is kept as `name`; the rest is for esbuild. */
export const bundled = async (name, entry, options = {}) => {
  const outfile = join(cache, `${name}.mjs`)
  mkdirSync(cache, { recursive: true })
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
    ...options
  })
  return import(pathToFileURL(outfile).href)
}
