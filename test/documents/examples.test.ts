import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as Toml from "smol-toml"
import ts from "typescript"
import { knobs } from "../../src/config/knobs.js"
import * as Cluster from "../mesh/Cluster.js"
import * as documents from "./documents.js"
import * as Shell from "./shell.js"
import * as shown from "./shown.js"

/** As the manual has it. */
const APPROVALS_SECRET = "correct-horse-battery"

/** What is done with the blocks of a language; every language has its way of being tried out. */
const LANGUAGES = ["sh", "json", "ts", "toml", "text"]

describe("the examples of the README and the manual", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-documents-"))
  const shell = Shell.make(folder)
  let one: Awaited<ReturnType<typeof Cluster.make>>
  let three: Awaited<ReturnType<typeof Cluster.make>>

  beforeAll(async () => {
    one = await Cluster.make({ size: 1, environment: { QUORATE_APPROVALS_SECRET: APPROVALS_SECRET } })
    three = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2"] })
    await Promise.all([...one.members, ...three.members].map((member) => member.start()))
    await Cluster.inTouch(three.members)
    symlinkSync(memberOf(one).db, join(shell.folder, "quorate.db"))
  }, 60_000)
  afterAll(async () => {
    await Promise.all([one.close(), three.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  const nodesOf = (block: string) => block.includes(":9078") ? three : one

  /** Runs a document from its beginning to its end, as a reader would, and holds the answers to what it shows. */
  const follow = async (document: documents.Document): Promise<ReadonlyArray<Shell.Answer>> => {
    const all: Array<Shell.Answer> = []
    for (const { language, text } of documents.blocks(document)) {
      if (language === "json") {
        const differences = shown.differences(shown.parse(text), all.at(-1)?.body)
        assert.deepStrictEqual(differences, [], `${text}\n${JSON.stringify(all.at(-1)?.body, null, 2)}`)
      }
      if (language !== "sh" || !isRun(text)) continue
      const expected = Array.from(text.matchAll(/^# ([0-9]{3})$/gm), ([, status]) => Number(status))
      const sent = text.match(/\bcurl -/g)?.length ?? 0
      assert.strictEqual(expected.length, sent, `each request has its status above it\n${text}`)
      const answers = await shell.run(text, nodesOf(text).members)
      assert.deepStrictEqual(answers.map(({ status }) => status), expected, JSON.stringify(answers, null, 2))
      all.push(...answers)
    }
    return all
  }

  it("are of languages that are tried out, and answers follow requests", () => {
    for (const document of documents.guides) {
      const languages = documents.blocks(document).map(({ language }) => language)
      for (const language of languages) assert.include(LANGUAGES, language, document.path)
      languages.forEach((language, index) => {
        if (language === "json") assert.strictEqual(languages[index - 1], "sh", document.path)
      })
      const told = documents.blocks(document).filter(({ language, text }) => language === "sh" && !isRun(text))
      for (const { text } of told) {
        assert.match(
          text,
          /^(npm|npx quorate (?:serve|install|store|recall)|node dist\/main\.js (serve|move|doctor|keys|identity|ca|audit|rules|provenance|quarantine|release|revert|mcp|install|store|recall|search|list|forget|namespaces|stats|import|export|man|--completions)\b|echo )/,
          document.path
        )
      }
    }
  })

  for (const document of documents.guides.filter((each) => documents.blocks(each).some(({ text }) => isRun(text)))) {
    it(`are answered as it says: ${document.path}`, async () => {
      const answers = await follow(document)
      if (document === documents.readme) storedAndRecalled(answers)
      if (document.path.endsWith("operating.md")) assert.strictEqual(integrityOf(join(shell.folder, "backup.db")), "ok")
      await Promise.all([one, three].map((cluster) => empty(memberOf(cluster).url)))
    }, 60_000)
  }

  it("have commands that work one after the other", async () => {
    const work = mkdtempSync(join(folder, "keys-"))
    symlinkSync(memberOf(one).db, join(work, "quorate.db"))
    const blocks = documents.guides.flatMap(documents.blocks).filter(({ language }) => language === "sh")
    const commands = blocks.flatMap(({ text }) =>
      Array.from(
        text.matchAll(
          /^node dist\/main\.js ((?:keys|identity|ca|audit|rules|mcp|install) .+|man|--completions \w+)(?: > \S+)?$/gm
        ),
        ([, args = ""]) => args.split(" ")
      )
    )
    assert.isAtLeast(commands.length, 5)
    for (const args of commands) {
      const { code, stderr } = await Shell.run(process.execPath, [resolve("dist/main.js"), ...args], {
        folder: work,
        environment: { HOME: work, XDG_CONFIG_HOME: join(work, ".config") }
      })
      assert.strictEqual(code, 0, `${args.join(" ")}\n${stderr}`)
    }
  }, 120_000)

  it("have commands that take back what somebody wrote", async () => {
    const { url } = memberOf(one)
    const blocks = documents.guides.flatMap(documents.blocks).filter(({ language }) => language === "sh")
    const commands = blocks.flatMap(({ text }) =>
      Array.from(text.matchAll(/^node dist\/main\.js (?:provenance|quarantine|release|revert) .+$/gm), ([line]) => line)
    )
    assert.isAtLeast(commands.length, 6)
    for (const command of commands) {
      const body = { agent: "nobody", reason: "test" }
      const { id } = command.includes(" ID")
        ? (await Cluster.call(url, "POST", "/api/v1/quarantines", { body })).body
        : {}
      const line = `${command.replace(" ID", ` ${String(id)}`)} --url ${url}`
      const { code, stderr } = await Shell.run("sh", ["-eu", "-c", line])
      assert.strictEqual(code, 0, `${line}\n${stderr}`)
    }
    const standing = await Cluster.call(url, "GET", "/api/v1/quarantines")
    for (const each of Array.isArray(standing.body["quarantines"]) ? standing.body["quarantines"] : []) {
      if (Cluster.isRecord(each)) await Cluster.call(url, "POST", `/api/v1/quarantines/${String(each["id"])}/release`)
    }
  }, 60_000)

  it("have commands for people", async () => {
    const { url } = memberOf(one)
    const blocks = documents.guides.flatMap(documents.blocks).filter(({ language }) => language === "sh")
    const commands = blocks.flatMap(({ text }) =>
      Array.from(
        text.matchAll(
          /^(?:echo .* \| )?node dist\/main\.js (?:store|recall|search|list|forget|namespaces|stats)\b.*$/gm
        ),
        ([line]) => line
      )
    )
    assert.isAtLeast(commands.length, 8)
    for (const command of commands) {
      const { code, stderr } = await Shell.run("sh", ["-eu", "-c", command], { environment: { QUORATE_URL: url } })
      assert.strictEqual(code, 0, `${command}\n${stderr}`)
    }
    await empty(url)
  }, 60_000)

  it("have a file of settings with keys that are there", () => {
    const files = documents.guides.flatMap(documents.blocks).filter(({ language }) => language === "toml")
    assert.isNotEmpty(files)
    const names = knobs.flatMap(({ name, table }) =>
      table === undefined ? [name] : [name, `${table}.${name.replaceAll("-", "_")}`]
    )
    const keysOf = ([key, value]: [string, unknown]) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.keys(value).map((inner) => `${key}.${inner}`)
        : [key]
    for (const { text } of files) assert.includeMembers(names, Object.entries(Toml.parse(text)).flatMap(keysOf))
  })

  it("have programs that compile, run and print what they say", async () => {
    const app = join(folder, "app")
    mkdirSync(join(app, "node_modules"), { recursive: true })
    for (const name of ["effect", "@effect", "@types"]) {
      symlinkSync(resolve("node_modules", name), join(app, "node_modules", name))
    }
    symlinkSync(resolve("."), join(app, "node_modules", "quorate"))
    writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }))
    const programs = documents.guides.flatMap(documents.blocks).filter(({ language }) => language === "ts")
    assert.isAtLeast(programs.length, 3)
    const files = programs.map(({ text }, index) => {
      const file = join(app, `program${index + 1}.ts`)
      writeFileSync(file, text.replaceAll("http://127.0.0.1:9077", memberOf(one).url))
      return file
    })
    const built = await Shell.run(process.execPath, ["packaging/build.mjs", "types"])
    assert.strictEqual(built.code, 0, built.stderr)
    compile(files)
    const outputs = await Promise.all(files.map((file) => Shell.run(process.execPath, [file.replace(/ts$/, "js")])))
    outputs.forEach(({ code, stderr, stdout }, index) => {
      const text = programs[index]?.text ?? ""
      assert.strictEqual(code, 0, `${text}\n${stderr}`)
      const printed = Array.from(text.matchAll(/Console\.log\(.*\/\/ (.+)$/gm), ([, line]) => line)
      assert.isNotEmpty(printed, text)
      assert.deepStrictEqual(stdout.trimEnd().split("\n"), printed)
    })
  }, 120_000)
})

/** The other ones start things: another test looks whether what they name is there, and takes the options that it is given. */
const isRun = (block: string) => /\bcurl -|better-sqlite3/.test(block)

const memberOf = ({ members: [first] }: Awaited<ReturnType<typeof Cluster.make>>) => {
  assert.isDefined(first)
  return first
}

/** What was written is what was found: on one node, and on another one of three. */
const storedAndRecalled = (answers: ReadonlyArray<Shell.Answer>) => {
  const written = answers.flatMap(({ body, status }) => status === 201 ? [body["id"]] : [])
  const recalled = answers.flatMap(({ body: { memories } }) => Array.isArray(memories) ? memories : [])
  assert.strictEqual(written.length, 2)
  assert.deepStrictEqual(recalled.map((memory) => memory["id"]), written)
}

const integrityOf = (file: string): unknown => {
  const database = new Database(file, { readonly: true, fileMustExist: true })
  try {
    return database.prepare("SELECT count(*) FROM oplog").pluck().get() === 0
      ? "empty"
      : database.pragma("integrity_check", { simple: true })
  } finally {
    database.close()
  }
}

/** Each document begins with a node that knows nothing of the others. */
const empty = async (url: string) => {
  const { body } = await Cluster.call(url, "GET", "/api/v1/memories?limit=1000")
  const memories = Array.isArray(body["memories"]) ? body["memories"] : []
  for (const memory of memories) await Cluster.call(url, "DELETE", `/api/v1/memories/${memory["id"]}`)
}

const compile = (files: ReadonlyArray<string>) => {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    types: []
  })
  const problems = ts.getPreEmitDiagnostics(program)
  assert.strictEqual(ts.formatDiagnostics(problems, formatHost), "")
  program.emit()
}

const formatHost: ts.FormatDiagnosticsHost = {
  getCurrentDirectory: () => process.cwd(),
  getCanonicalFileName: (file) => file,
  getNewLine: () => "\n"
}
