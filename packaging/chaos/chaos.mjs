// npm run chaos: meshes of real daemons, clients on all nodes, and faults from one seed; what it takes and what it finds is in
// packaging/manual/chaos.md. `npm run chaos -- --help` lists the options.
import { build as bundle } from "esbuild"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { cache, root } from "../tools.mjs"
import { build } from "./buggy.mjs"

const outfile = join(cache, "chaos.mjs")
mkdirSync(cache, { recursive: true })
await bundle({
  absWorkingDir: root,
  entryPoints: ["packaging/chaos/main.ts"],
  outfile,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  logLevel: "warning"
})
const { main } = await import(pathToFileURL(outfile))
process.exitCode = await main(process.argv.slice(2), {
  main: join(root, "dist/main.js"),
  clockModule: fileURLToPath(new URL("clock.mjs", import.meta.url)),
  withBug: build
})
