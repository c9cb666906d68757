import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as TOML from "smol-toml"
import { clients, type Machine } from "../../src/cli/install/clients.js"
import { edit } from "../../src/cli/install/edits.js"
import { quorate } from "../cli/program.js"
import { daemon } from "../daemon.js"

const withHome = async (run: (home: string) => Promise<void>) => {
  const home = mkdtempSync(join(tmpdir(), "quorate-home-"))
  try {
    await run(home)
  } finally {
    rmSync(home, { recursive: true })
  }
}

const FILES = {
  "claude-code": ".claude.json",
  "claude-desktop": ".config/Claude/claude_desktop_config.json",
  cursor: ".cursor/mcp.json",
  vscode: ".config/Code/User/mcp.json",
  codex: ".codex/config.toml",
  gemini: ".gemini/settings.json"
}
const NAMES = clients.map(({ name }) => name)

const put = (home: string, file: string, text: string): string => {
  const place = join(home, file)
  mkdirSync(dirname(place), { recursive: true })
  writeFileSync(place, text)
  return place
}

/** Every file below a folder. */
const filesIn = (home: string): ReadonlyArray<string> =>
  readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name)).sort()

const install = (home: string, ...args: ReadonlyArray<string>) => quorate(["install", ...args, "--home", home])

describe("quorate install", () => {
  it.each(Object.entries(FILES))(
    "writes the file of %s, changes it, and takes it out",
    (name, file) =>
      withHome(async (home) => {
        const place = join(home, file)
        const { code, stderr, stdout } = await install(home, name)
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.include(stdout, place)
        assert.deepStrictEqual(filesIn(home), [place])
        const read = (): unknown => {
          const text = readFileSync(place, "utf8")
          return file.endsWith(".toml") ? TOML.parse(text) : JSON.parse(text)
        }
        const entry = { command: process.execPath, args: [daemon, "mcp"] }
        const typed = { type: "stdio", ...entry }
        const list = name === "vscode" ? "servers" : name === "codex" ? "mcp_servers" : "mcpServers"
        assert.deepEqual(read(), { [list]: { quorate: name === "vscode" || name === "claude-code" ? typed : entry } })
        assert.include((await install(home, name)).stdout, "nothing to do")
        await install(home, name, "--ensure", "--db", "m.db", "--url", "http://127.0.0.1:9078", "--mcp-profile", "full")
        assert.match(
          JSON.stringify(read()),
          /"mcp","--url","http:\/\/127.0.0.1:9078","--mcp-profile","full","--ensure","--db","\/.*\/m.db"/
        )
        assert.include((await install(home, name, "--remove")).stdout, "taken out")
        assert.notInclude(readFileSync(place, "utf8"), "quorate")
        assert.include((await install(home, name, "--remove")).stdout, "nothing to do")
      })
  )

  it("shows what it would write, and writes nothing", () =>
    withHome(async (home) => {
      for (const name of NAMES) {
        const { code, stdout } = await install(home, name, "--dry-run")
        assert.strictEqual(code, 0)
        assert.include(stdout, daemon)
        const { stdout: json } = await install(home, name, "--dry-run", "--json")
        assert.deepInclude(JSON.parse(json), { client: name, changed: true, dry_run: true })
      }
      assert.deepStrictEqual(filesIn(home), [])
    }))

  it("refuses a broken file, and leaves it and its folder as they are", () =>
    withHome(async (home) => {
      for (const [name, file] of Object.entries(FILES)) {
        const text = "{\"servers\": { // mine\n"
        const place = put(home, file, text)
        const { code, stderr } = await install(home, name)
        assert.strictEqual(code, 1, name)
        assert.include(stderr, "nothing was changed")
        assert.strictEqual(readFileSync(place, "utf8"), text)
      }
      const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d])
      writeFileSync(join(home, FILES.cursor), bytes)
      assert.strictEqual((await install(home, "cursor")).code, 1)
      assert.deepStrictEqual(readFileSync(join(home, FILES.cursor)), bytes)
      assert.lengthOf(filesIn(home), 6)
    }))

  it("follows a link, and keeps the mode of the file; a new one is for its owner alone", () =>
    withHome(async (home) => {
      const real = put(home, "dotfiles/mcp.json", "{}\n")
      chmodSync(real, 0o644)
      mkdirSync(join(home, ".cursor"))
      symlinkSync(real, join(home, FILES.cursor))
      await install(home, "cursor")
      assert.isTrue(lstatSync(join(home, FILES.cursor)).isSymbolicLink())
      assert.strictEqual(statSync(real).mode & 0o777, 0o644)
      assert.include(readFileSync(real, "utf8"), "quorate")
      await install(home, "codex")
      assert.strictEqual(statSync(join(home, FILES.codex)).mode & 0o777, 0o600)
    }))

  it("is told of a wrong client, a client without projects, and a home that is none", () =>
    withHome(async (home) => {
      assert.deepInclude(await install(home, "emacs"), { code: 2 })
      assert.match((await install(home, "emacs")).stderr, /claude-code, claude-desktop, cursor, vscode, codex, gemini/)
      assert.strictEqual((await quorate(["install", "codex", "--project"])).code, 2)
      assert.strictEqual((await install(join(home, "none"), "codex")).code, 2)
      assert.deepStrictEqual(filesIn(home), [])
      assert.isFalse(existsSync(join(home, "none")))
    }))
})

const entry = { command: "node", args: ["main.js", "mcp"] }
const formOf = (name: string) => {
  const found = clients.find((client) => client.name === name)
  if (found === undefined) throw new Error(name)
  return found.form
}
const edited = (name: string, text: string, what = entry) => Either.getOrThrow(edit(formOf(name), text, what))
const taken = (name: string, text: string) => Either.getOrThrow(edit(formOf(name), text, undefined))

describe("a file that is there", () => {
  it("keeps its comments, its order, its indentation and the ends of its lines", () => {
    const text =
      "{\r\n\t// mine\r\n\t\"servers\": {\r\n\t\t\"other\": { \"command\": \"x\" }, // keep\r\n\t},\r\n\t\"inputs\": []\r\n}\r\n"
    const after = edited("vscode", text)
    for (const kept of ["// mine", "\"other\": { \"command\": \"x\" }", "// keep", "\"inputs\": []"]) {
      assert.include(after, kept)
    }
    assert.match(after, /\r\n\t\t"quorate": \{\r\n\t\t\t"type"/)
    assert.notMatch(after, /[^\r]\n/)
    assert.strictEqual(taken("vscode", after), text)
  })

  it("keeps all else that strict JSON holds, the mark at its beginning included", () => {
    const rest = {
      numStartups: 12,
      projects: { "/a": { history: ["ä", "\u2028"] } },
      mcpServers: { other: { command: "y" } }
    }
    const text = `\ufeff${JSON.stringify(rest, null, 4)}`
    const after = edited("claude-code", text)
    assert.isTrue(after.startsWith("\ufeff{"))
    const { mcpServers, ...others } = JSON.parse(after.slice(1))
    assert.deepStrictEqual(others, { numStartups: 12, projects: rest.projects })
    assert.deepStrictEqual(mcpServers, { other: { command: "y" }, quorate: { type: "stdio", ...entry } })
    assert.strictEqual(taken("claude-code", after), text)
    for (
      const [before, without] of [["{\"a\":1}", "{\n  \"mcpServers\": {},\"a\":1}"], [
        "",
        "{\n  \"mcpServers\": {}\n}\n"
      ]] as const
    ) {
      assert.deepStrictEqual(JSON.parse(taken("cursor", edited("cursor", before))), JSON.parse(without))
    }
    // Where somebody has moved it to the end.
    const last = "{ \"mcpServers\": { \"other\": {}, \"quorate\": {} } }"
    assert.deepStrictEqual(JSON.parse(taken("cursor", last)), { mcpServers: { other: {} } })
    const said = "{\n  \"mcpServers\": {\n    \"quorate\": {}, // ours\n    // of the other\n    \"other\": {}\n  }\n}"
    for (const kept of ["// ours", "// of the other"]) assert.include(taken("gemini", said), kept)
    assert.isTrue(Either.isLeft(edit(formOf("claude-code"), "{ // no\n}", entry)))
  })

  it("is the same TOML, to the byte, after what was put in is taken out", () => {
    for (
      const text of [
        "",
        "# mine\nmodel = \"x\" # keep\n\n[mcp_servers.other]\ncommand = 'y'\n",
        "a = 1",
        "a = 1\r\n[b]\r\nc = 2\r\n"
      ]
    ) {
      const after = edited("codex", text)
      assert.isTrue(after.startsWith(text))
      assert.deepNestedInclude(TOML.parse(after), { "mcp_servers.quorate": entry })
      const again = edited("codex", after, { ...entry, args: ["other.js", "a \"quoted\" \\ text"] })
      assert.deepNestedInclude(TOML.parse(again), { "mcp_servers.quorate.args": ["other.js", "a \"quoted\" \\ text"] })
      const back = taken("codex", again)
      assert.strictEqual(back.trimEnd(), text.trimEnd())
    }
    const own = "[mcp_servers.quorate]\ncommand = 'mine'\n"
    assert.isTrue(Either.isLeft(edit(formOf("codex"), own, entry)))
    assert.isTrue(Either.isLeft(edit(formOf("codex"), own, undefined)))
    assert.isTrue(Either.isLeft(edit(formOf("codex"), "mcp_servers = { a = { command = \"x\" } }\n", entry)))
  })

  it("is refused when it is broken, or has something else where the entries should be", () => {
    const broken = [
      "{\"mcpServers\": {",
      "[1, 2",
      "[]",
      "5",
      "\u0000\u0001",
      "{\"servers\": 5, \"mcpServers\": []}",
      "mcp_servers = 1\nx"
    ]
    for (const { form, name } of clients) {
      for (const text of broken) assert.isTrue(Either.isLeft(edit(form, text, entry)), `${name} ${text}`)
    }
  })

  it("stands where the client of each system looks for it", () => {
    const at = (name: string, machine: Partial<Machine>) =>
      clients.find((client) => client.name === name)?.file({
        home: "/home/u",
        platform: "linux",
        environment: {},
        ...machine
      })
    assert.strictEqual(
      at("claude-desktop", { platform: "darwin" }),
      "/home/u/Library/Application Support/Claude/claude_desktop_config.json"
    )
    assert.strictEqual(at("vscode", { environment: { XDG_CONFIG_HOME: "/x" } }), "/x/Code/User/mcp.json")
    assert.strictEqual(at("vscode", { platform: "win32", environment: { APPDATA: "/app" } }), "/app/Code/User/mcp.json")
    assert.strictEqual(at("codex", { environment: { CODEX_HOME: "/c" } }), "/c/config.toml")
    assert.strictEqual(at("claude-code", { environment: { CLAUDE_CONFIG_DIR: "/d" } }), "/d/.claude.json")
  })
})
