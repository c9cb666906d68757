import { afterAll } from "@effect/vitest"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { engine, serverUrl } from "../http/engine.js"

/** Where the project of the run names another engine, the daemons that its tests start as processes are on it, too. */
const standIn = async () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-on-store-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const urls = {
    main: new URL("../../dist/main.js", import.meta.url).href,
    url: await serverUrl()
  }
  const program = join(folder, "main.mjs")
  // Tests start it with surroundings of their own: what it is to know stands in it.
  writeFileSync(
    program,
    `import { run } from ${JSON.stringify(new URL("onStore.mjs", import.meta.url).href)}\nawait run(${
      JSON.stringify(urls)
    })\n`
  )
  return program
}

// Each file has a process of its own, and so one of these.
if (engine !== "sqlite") process.env["QUORATE_DAEMON"] ??= await standIn()
