// node packaging/bench/table.mjs RUN.json … : what `--json` has kept of one or more runs, as tables of the manual. Of a part that
// stands in more than one, the last counts.
import fs from "node:fs"
import * as Markdown from "./lib/markdown.mjs"

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error("usage: node packaging/bench/table.mjs RUN.json …")
  process.exit(2)
}
process.stdout.write(Markdown.render(files.map((file) => JSON.parse(fs.readFileSync(file, "utf8")))))
