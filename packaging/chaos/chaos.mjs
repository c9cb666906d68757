// npm run chaos: meshes of real daemons, clients on all nodes, and faults from one seed; what it takes and what it finds is in
// packaging/manual/chaos.md. `npm run chaos -- --help` lists the options.
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { bundled } from "../bundled.mjs"
import { root } from "../tools.mjs"
import { build } from "./buggy.mjs"

const { main } = await bundled("chaos", "packaging/chaos/main.ts", { sourcemap: "inline" })
process.exitCode = await main(process.argv.slice(2), {
  main: join(root, "dist/main.js"),
  clockModule: fileURLToPath(new URL("clock.mjs", import.meta.url)),
  withBug: build
})
