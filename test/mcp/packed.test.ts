import { assert, describe, it } from "@effect/vitest"
import { execFile, spawn } from "node:child_process"
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { promisify } from "node:util"
import { engine, environmentOf } from "../http/engine.js"
import { freePorts, isRecord, until } from "../mesh/Cluster.js"
import { call, type Era, ERAS, overHttp, overProgram, rows } from "./clients.js"

/*
 * A newcomer with the package, an empty folder and a client. The package is laid out of the files that npm packs, beside the packages
 * that are here; `npm run consume` has it installed from the registry, and names the folder.
 */

const INSTALLED = process.env["QUORATE_TEST_INSTALLED"]

const run = (command: string, args: ReadonlyArray<string>, cwd: string) => promisify(execFile)(command, args, { cwd })

const manifest: { readonly name: string; readonly bin: { readonly quorate: string } } = JSON.parse(
  readFileSync("package.json", "utf8")
)

/** What npm would pack, where it would install it. */
const layOut = async (folder: string) => {
  const modules = join(folder, "node_modules")
  const place = join(modules, manifest.name)
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], resolve("."))
  const packed: unknown = JSON.parse(stdout)
  const [first] = Array.isArray(packed) ? packed : []
  for (const { path } of first.files) {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    cpSync(path, join(place, path))
  }
  for (const { name } of [...await dependencies(), ...drivers]) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(resolve("node_modules", name), join(modules, name))
  }
  // As npm does it with what is a command.
  chmodSync(join(place, manifest.bin.quorate), 0o755)
  mkdirSync(join(modules, ".bin"))
  symlinkSync(join("..", manifest.name, manifest.bin.quorate), join(modules, ".bin", "quorate"))
}

/** What is installed beside the package for another engine, as its manual has it. */
const drivers = engine === "sqlite" ? [] : [{ name: "@effect/sql-pg" }, { name: "pg" }]

/** What an installation brings: all that the lock file has, but for what is for development. */
const dependencies = async (): Promise<ReadonlyArray<{ readonly name: string }>> => {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"))
  return Object.entries<{ dev?: boolean }>(packages).flatMap(([place, { dev }]) => {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(place)?.[1]
    return name === undefined || dev === true ? [] : [{ name }]
  })
}

/** A daemon by the command of the package, until the body has ended. */
const served = async (folder: string, port: number, body: (url: string) => Promise<void>) => {
  // A group of its own: npx starts a shell, and that the program.
  const child = spawn("npx", ["--no-install", "quorate", "serve", "--port", String(port)], {
    cwd: folder,
    env: { ...process.env, ...await environmentOf(folder) },
    detached: true,
    stdio: ["ignore", "ignore", "pipe"]
  })
  const ended = new Promise((done) => child.once("exit", done))
  let said = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text
  })
  try {
    const url = `http://127.0.0.1:${port}`
    await until("a daemon answers", async () => {
      assert.isNull(child.exitCode, said)
      const answer = await fetch(`${url}/health/ready`).catch(() => undefined)
      return answer?.ok === true
    })
    await body(url)
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGTERM")
    await ended
  }
}

/** What the README has somebody new type, but for the installation. */
const firstMinute = (): ReadonlyArray<string> =>
  Array.from(readFileSync("README.md", "utf8").matchAll(/^npx quorate .+$/gm), ([line]) => line)

const sh = (line: string, cwd: string, url: string) =>
  promisify(execFile)("sh", ["-eu", "-c", line], { cwd, env: { ...process.env, QUORATE_URL: url } })

const storesAndRecalls = async (era: Era, transport: string, client: Awaited<ReturnType<typeof overHttp>>) => {
  const title = `By ${transport} of ${era}`
  const stored = await call(client, "memory_store", {
    title,
    content: `The ${transport} heron stands in the ${era} reeds.`
  })
  assert.isFalse(stored.isError, stored.text)
  const recalled = await call(client, "memory_recall", {
    context: `Where is the ${transport} heron of ${era} standing?`
  })
  assert.include(rows(recalled, "memories").map(({ id }) => id), stored.fields["id"])
  await client.close()
}

/** What a person opens, with what it loads. */
const showsItsPages = async (url: string) => {
  for (const page of ["/", "/console"]) {
    const answer = await fetch(`${url}${page}`, { headers: { accept: "text/html" } })
    assert.strictEqual(answer.status, 200, page)
    for (const [, path = ""] of (await answer.text()).matchAll(/<(?:script|link)\b[^>]*?\b(?:src|href)="([^"]+)"/g)) {
      assert.strictEqual((await fetch(`${url}${path}`)).status, 200, path)
    }
  }
}

describe("the package in an empty folder", () => {
  it("serves, tells an agent of it, and the agent stores and recalls", { timeout: 120_000 }, async () => {
    const scratch = realpathSync(mkdtempSync(join(tmpdir(), "quorate-packed-")))
    const folder = INSTALLED ?? scratch
    const home = join(scratch, "home")
    mkdirSync(home)
    try {
      if (INSTALLED === undefined) await layOut(folder)
      const [port = 0] = await freePorts(1)
      await served(folder, port, async (url) => {
        const [serve, install = "", ...others] = firstMinute()
        assert.strictEqual(serve, "npx quorate serve")
        await sh(`${install} --home ${home} --url ${url}`, folder, url)
        for (const line of others) await sh(line, folder, url)
        assert.include((await sh(others.at(-1) ?? "", folder, url)).stdout, "on Tuesdays after 10:00 UTC")
        const { mcpServers: { quorate: entry } } = JSON.parse(readFileSync(join(home, ".claude.json"), "utf8"))
        assert.isTrue(isRecord(entry) && entry["type"] === "stdio")
        for (const era of ERAS) {
          await storesAndRecalls(era, "http", await overHttp(url, { era }))
          await storesAndRecalls(era, "stdio", (await overProgram(entry, { era })).client)
        }
        await showsItsPages(url)
      })
    } finally {
      rmSync(scratch, { recursive: true })
    }
  })
})
