// What agents find when they ask, on the set of test/recall: `npm run recall`. Beside it, bare full-text search.
// `-- --mode keyword` runs that alone, any number of them; `--misses synonym` lists what the last of them does not find of a
// group or a language, or of `all`.
import { build } from "esbuild"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { cache, root } from "./tools.mjs"

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
  target: "node20"
})
process.env.QUORATE_RECALL_SET ??= pathToFileURL(join(root, "test/recall/")).href
await import(pathToFileURL(outfile).href)
