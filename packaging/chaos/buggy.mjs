// A daemon with a bug in it: sources are changed on their way into it only.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { buildDaemon } from "../build.mjs"
import { cache, root } from "../tools.mjs"

/** Builds it, and answers where it is; fails where a place that is to be changed is not there exactly once. */
export const build = async (name, edits) => {
  const texts = new Map()
  for (const { file, replace, search } of edits) {
    const path = join(root, "src", file)
    const text = texts.get(path) ?? readFileSync(path, "utf8")
    if (text.split(search).length !== 2) throw new Error(`${name}: not exactly once in src/${file}: ${search}`)
    texts.set(path, text.replace(search, () => replace))
  }
  const outfile = join(cache, `chaos-${name}`, "main.js")
  const changed = {
    name: "quorate-chaos",
    setup: ({ onLoad }) =>
      onLoad(
        { filter: /\.ts$/ },
        ({ path }) => texts.has(path) ? { contents: texts.get(path), loader: "ts" } : undefined
      )
  }
  await buildDaemon(outfile, [changed])
  return outfile
}
