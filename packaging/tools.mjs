// What the scripts of this folder share.
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("..", import.meta.url))
/** What checkouts may share that share their packages. */
export const shared = join(root, "node_modules/.cache/quorate")
/** What is remembered of this one from one run to the next; without it everything is made anew. */
export const cache = join(shared, createHash("sha256").update(root).digest("hex").slice(0, 12))

/** Runs a Node program of a package to its end, and fails with its output where that is not to be seen anyway. */
export const run = (program, args, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "node_modules", program), ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      ...options
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output += text
      })
    }
    child.on("error", reject)
    child.on("close", (code, signal) => {
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
      if (code === 0) resolve(output)
      else reject(new Error(`${program} ${how}\n${output}`))
    })
  })

/** The compiler, which also tells what is wrong in the use of Effect. It remembers what it found under `name`. */
export const typescript = async (name, args) => {
  const remembered = join(cache, `${name}.tsbuildinfo`)
  const said = await run("@effect/language-service/cli.js", ["patch", "--module", "tsc"])
  // What it remembers was judged without.
  if (!said.includes("skipped")) rmSync(remembered, { force: true })
  return run("typescript/bin/tsc", ["--incremental", "--tsBuildInfoFile", remembered, ...args])
}
