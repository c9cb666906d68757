// What agents find when they ask, on the set of test/recall: `npm run recall`. Beside it, bare full-text search.
// `-- --mode keyword` runs that alone, any number of them; `--misses synonym` lists what the last of them does not find of a
// group or a language, or of `all`. QUORATE_RECALL_SET is the URL of a folder with another set of the same shape.
import { build } from "esbuild"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { cache, root } from "./tools.mjs"

/** The package is asked as it is published, with what lies beside it. */
const published = {
  name: "published",
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/src\/index\.js$/ }, () => ({
      path: pathToFileURL(join(root, "dist/index.js")).href,
      external: true
    }))
}

const outfile = join(cache, "recall.mjs")
mkdirSync(cache, { recursive: true })
await build({
  absWorkingDir: root,
  entryPoints: ["test/recall/print.ts"],
  outfile,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  plugins: [published]
})
process.env.QUORATE_RECALL_SET ??= pathToFileURL(join(root, "test/recall/")).href
await import(pathToFileURL(outfile).href)
