import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Cluster from "../mesh/Cluster.js"
import * as Fixture from "./fixture.js"

/* The suite of the protocol itself, with all that a revision required of servers when it came out. */

const folder = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/package.json"))
const REVISIONS = ["2025-11-25", "2026-07-28"] as const

/** How many scenarios are required of a server. */
const REQUIRED = { "2025-11-25": 30, "2026-07-28": 37 }

/** The scenarios that need no tools of their own: those a node passes as it is. */
const OF_A_NODE = {
  "2025-11-25": [
    "server-initialize",
    "ping",
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection"
  ],
  "2026-07-28": [
    "tools-list",
    "server-sse-multiple-streams",
    "resources-list",
    "sep-2164-resource-not-found",
    "prompts-list",
    "dns-rebinding-protection",
    "caching",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-ignore-extra-params",
    "input-required-result-validate-input",
    "http-header-validation"
  ]
}

/** By scenario, whether it passed, as the suite says in its summary. */
const scenarios = async (url: string, revision: string): Promise<ReadonlyMap<string, boolean>> => {
  const output = mkdtempSync(join(tmpdir(), "quorate-conformance-"))
  try {
    const loader = fileURLToPath(new URL("./suite/onNode20.mjs", import.meta.url))
    const child = spawn(process.execPath, [
      ...["--import", loader, join(folder, "dist/index.js")],
      ...["server", "--url", url, "--requirements", revision, "-o", output]
    ], { cwd: output, env: { PATH: process.env["PATH"] } })
    let text = ""
    const take = (part: Buffer) => {
      text += part.toString("utf8")
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    await new Promise((resolve) => child.once("close", resolve))
    const [, summary = text.slice(-2000)] = text.split("=== SUMMARY ===")
    const found = [...summary.matchAll(/^([✓✗]) ([a-z0-9-]+): \d+ passed, \d+ failed/gm)]
    if (found.length === 0) throw new Error(`the suite said nothing: ${text.slice(-2000)}`)
    return new Map(found.map(([, mark, name = ""]) => [name, mark === "✓"]))
  } finally {
    rmSync(output, { recursive: true })
  }
}

/** The scenarios of a revision that count. */
const requiredBy = (revision: string): ReadonlyArray<string> => {
  const text = readFileSync(join(folder, `requirements/${revision}.yaml`), "utf8")
  const [, list = ""] = /^server:\n((?: +- \S+\n)+)/m.exec(text) ?? []
  return [...list.matchAll(/- (\S+)/g)].map(([, name = ""]) => name)
}

describe.each(REVISIONS)("the protocol of %s", (revision) => {
  it("is kept by the handler, in every scenario that is required of a server", { timeout: 120_000 }, async () => {
    const required = requiredBy(revision)
    assert.lengthOf(required, REQUIRED[revision])
    const fixture = await Fixture.start()
    try {
      const found = await scenarios(fixture.url, revision)
      assert.deepStrictEqual(required.filter((name) => found.get(name) !== true), [])
    } finally {
      fixture.stop()
    }
  })

  it("is kept by a node, in every scenario that needs no tool of its own", { timeout: 120_000 }, async () => {
    const cluster = await Cluster.make({ size: 1 })
    try {
      await cluster.members[0]?.start()
      const found = await scenarios(`${cluster.members[0]?.url}/mcp`, revision)
      assert.deepStrictEqual(OF_A_NODE[revision].filter((name) => found.get(name) !== true), [])
    } finally {
      await cluster.close()
    }
  })
})
