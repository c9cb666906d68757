// What agents find when they ask, on the set of test/recall: `npm run recall`. Beside it, bare full-text search.
// `-- --mode keyword` runs that alone, any number of them; `--misses synonym` lists what the last of them does not find of a
// group or a language, or of `all`. QUORATE_RECALL_SET is the URL of a folder with another set of the same shape.
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { bundled } from "./bundled.mjs"
import { root } from "./tools.mjs"

/** The package is asked as it is published, with what lies beside it. */
const published = {
  name: "published",
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/src\/index\.js$/ }, () => ({
      path: pathToFileURL(join(root, "dist/index.js")).href,
      external: true
    }))
}

process.env.QUORATE_RECALL_SET ??= pathToFileURL(join(root, "test/recall/")).href
await bundled("recall", "test/recall/print.ts", { plugins: [published] })
