import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import ts from "typescript"
import { knobs, variableOf } from "../src/config/knobs.js"
import * as NodeConfig from "../src/config/NodeConfig.js"
import * as Cluster from "./mesh/Cluster.js"

const readme = readFileSync("README.md", "utf8")

/** The fenced blocks of one language, in order. */
const blocks = (language: string): ReadonlyArray<string> =>
  Array.from(readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms")), (match) => match[1] ?? "")

/** Cells of the table rows whose first cell begins as given. */
const rows = (begin: string): ReadonlyArray<ReadonlyArray<string>> =>
  readme.split("\n").filter((line) => line.startsWith(`| ${begin}`)).map((line) =>
    line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())
  )

const recordOf = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  return Cluster.isRecord(value) ? value : {}
}

interface Finished {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

const run = (
  command: string,
  args: ReadonlyArray<string>,
  environment: Record<string, string> = {}
): Promise<Finished> =>
  new Promise((done) => {
    const child = execFile(command, args, { env: { ...process.env, ...environment } }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : error.code ?? error.message, stdout, stderr }))
    child.stdin?.end()
  })

/**
 * Stands in for curl, which not every machine has: the options that the README uses, with curl's defaults. It sends the
 * ports of the README to the nodes of the test and notes each answer.
 */
const CURL = `#!${process.execPath}
const fs = require("node:fs")
const [given, headers] = [process.argv.slice(2), {}]
let [method, body, url] = []
const fail = (why) => { process.stderr.write("curl: " + why + "\\n"); process.exit(2) }
while (given.length > 0) {
  const each = given.shift()
  if (each === "-s") continue
  else if (each === "-X") method = given.shift()
  else if (each === "-d") body = given.shift()
  else if (each === "-H") {
    const [name, ...rest] = given.shift().split(":")
    headers[name.toLowerCase()] = rest.join(":").trim()
  } else if (each.startsWith("-") || url !== undefined) fail("unexpected " + each)
  else url = new URL(each)
}
const node = JSON.parse(process.env.README_NODES)[url.host]
if (node === undefined) fail("no node at " + url.host)
if (body !== undefined) headers["content-type"] ??= "application/x-www-form-urlencoded"
fetch(node + url.pathname + url.search, { method: method ?? (body === undefined ? "GET" : "POST"), headers, body })
  .then(async (response) => {
    const text = await response.text()
    fs.appendFileSync(process.env.README_RECORD, response.status + " " + text + "\\n")
    process.stdout.write(text)
  })
  .catch((cause) => fail(String(cause)))
`

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

describe("README", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-readme-"))
  let one: Awaited<ReturnType<typeof Cluster.make>>
  let three: Awaited<ReturnType<typeof Cluster.make>>
  const urlOf = (cluster: typeof one, index: number) => {
    const member = cluster.members[index]
    assert.isDefined(member)
    return member.url
  }

  beforeAll(async () => {
    one = await Cluster.make({ size: 1 })
    three = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2"] })
    await Promise.all([...one.members, ...three.members].map((member) => member.start()))
    await Cluster.inTouch(three.members)
    mkdirSync(join(folder, "bin"))
    writeFileSync(join(folder, "bin", "curl"), CURL, { mode: 0o755 })
  }, 60_000)
  afterAll(async () => {
    await Promise.all([one.close(), three.close()])
    rmSync(folder, { recursive: true, force: true })
  })

  /** Runs a block as it stands, and answers what its requests were answered. */
  const runBlock = async (block: string): Promise<ReadonlyArray<Answer>> => {
    const record = join(folder, "answers")
    writeFileSync(record, "")
    const cluster = block.includes(":9078") ? three : one
    const nodes = cluster.members.map((member, index) => [`127.0.0.1:${9077 + index}`, member.url])
    const { code, stderr } = await run("sh", ["-eu", "-c", block], {
      PATH: [join(folder, "bin"), dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
      README_NODES: JSON.stringify(Object.fromEntries(nodes)),
      README_RECORD: record
    })
    assert.strictEqual(code, 0, `${block}\n${stderr}`)
    return readFileSync(record, "utf8").split("\n").filter((line) => line !== "").map((line): Answer => ({
      status: Number(line.slice(0, 3)),
      body: recordOf(line.slice(4))
    }))
  }

  const requests = blocks("sh").filter((block) => block.includes("curl "))

  it("shows how to store, read, recall and delete, on one node and on three", () => {
    assert.isTrue(requests.some((block) => block.includes(":9078")))
    assert.isTrue(requests.some((block) => block.includes("/recall") && block.includes("DELETE")))
  })

  for (const [index, block] of requests.entries()) {
    it(`has requests that are answered as it says: block ${index + 1}`, async () => {
      const expected = Array.from(block.matchAll(/^# ([0-9]{3})$/gm), ([, status]) => Number(status))
      const sent = block.match(/\bcurl /g)?.length
      assert.strictEqual(expected.length, sent, "each request has its status above it")
      const answers = await runBlock(block)
      assert.deepStrictEqual(answers.map(({ status }) => status), expected, JSON.stringify(answers, null, 2))
      const written = answers[0]?.body["id"] ?? answers[0]?.body["standard_id"]
      assert.isString(written)
      const recalled = answers.find(({ body }) => "memories" in body)?.body["memories"]
      assert.strictEqual(Array.isArray(recalled), block.includes("/recall"))
      if (Array.isArray(recalled)) assert.deepStrictEqual(recalled.map((memory) => memory["id"]), [written])
      if (block.includes(":9078")) assert.strictEqual(answers[1]?.body["id"], written)
    })
  }

  it("has no command that is not there", async () => {
    const { scripts } = recordOf(readFileSync("package.json", "utf8"))
    const commands = blocks("sh").flatMap((block) => block.match(/\bnpm (run )?[a-z]+/g) ?? [])
    for (const script of ["npm ci", "npm start", "npm test", "npm run mesh", "npm run bench"]) {
      assert.include(commands, script)
    }
    for (const command of commands) {
      const name = command.split(" ").at(-1) ?? ""
      assert.isTrue(name === "ci" || (Cluster.isRecord(scripts) && name in scripts), command)
    }
  })

  it("names every flag of serve, its variable and its default", async () => {
    const help = await run(process.execPath, ["dist/main.js", "serve", "--help"])
    assert.strictEqual(help.code, 0, help.stderr)
    const flags = new Set(help.stdout.match(/--[a-z][a-z-]+/g))
    assert.isAtLeast(flags.size, knobs.length)
    const table = rows("`--").filter(([, variable]) => variable?.startsWith("`QUORATE_"))
    const named = new Map(table.map(([flag, ...rest]) => [flag?.replaceAll("`", "").slice(2), rest]))
    for (const flag of flags) assert.include(readme, `\`${flag}`, "the README names the flag")
    const used = blocks("sh").filter((block) => block.includes("main.js serve")).flatMap((block) =>
      block.match(/--[a-z][a-z-]+/g) ?? []
    )
    for (const flag of used) assert.isTrue(flags.has(flag), `serve has ${flag}`)
    for (const { name, show } of knobs) {
      const [variable, usual] = named.get(name) ?? []
      assert.isTrue(flags.has(`--${name}`), `serve has --${name}`)
      assert.strictEqual(variable, `\`${variableOf(name)}\``, `--${name}`)
      const text = show(NodeConfig.defaults)
      if (text !== null && name !== "log-format") assert.strictEqual(usual, `\`${text}\``, `the default of --${name}`)
    }
    assert.deepStrictEqual([...named.keys()].sort(), [...knobs.map(({ name }) => name), "config"].sort())
  })

  it("names no variable that is not there", () => {
    const known = new Set([
      ...knobs.map(({ name }) => variableOf(name)),
      "QUORATE_API_KEY",
      "QUORATE_APPROVALS_SECRET",
      "QUORATE_CONFIG"
    ])
    const named = new Set(readme.match(/QUORATE_[A-Z][A-Z_]*/g))
    assert.deepStrictEqual([...named].sort(), [...known].sort())
  })

  it("names every metric, and no other", async () => {
    const { body } = await Cluster.call(urlOf(three, 0), "GET", "/metrics")
    const served = Array.from(
      String(body["text"]).matchAll(/^# TYPE (\S+) (\S+)$/gm),
      ([, name, type]) => `${name} ${type}`
    )
    const named = rows("`").filter(([, type]) => /^(counter|gauge|histogram)$/.test(type ?? "")).map(([name, type]) =>
      `${name?.replaceAll("`", "")} ${type}`
    )
    // Those of Effect's runtime come and go with what has happened so far.
    const ours = served.filter((metric) => !metric.startsWith("effect_fiber_"))
    assert.deepStrictEqual(named.toSorted(), ours.toSorted())
  })

  it("names every route of the contract, and no other", async () => {
    const { body } = await Cluster.call(urlOf(one, 0), "GET", "/openapi.json")
    const paths = Cluster.isRecord(body["paths"]) ? Object.entries(body["paths"]) : []
    const served = paths.flatMap(([path, methods]) =>
      Object.keys(methods ?? {}).map((method) => `${method.toUpperCase()} ${path}`)
    )
    const table = rows("`").map(([first]) => first ?? "")
    const named = table.flatMap((cell) => cell.match(/(?:GET|PUT|POST|DELETE) \/[^`]+/g) ?? [])
    assert.deepStrictEqual(named.toSorted(), served.toSorted())
  })

  it("has programs that compile and run", async () => {
    const app = join(folder, "app")
    mkdirSync(join(app, "node_modules"), { recursive: true })
    for (const name of ["effect", "@effect", "@types"]) {
      symlinkSync(resolve("node_modules", name), join(app, "node_modules", name))
    }
    symlinkSync(resolve("."), join(app, "node_modules", "quorate"))
    writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }))
    const programs = blocks("ts").map((block, index) => {
      const file = join(app, `program${index + 1}.ts`)
      writeFileSync(file, block.replaceAll("http://127.0.0.1:9077", urlOf(one, 0)))
      return file
    })
    assert.strictEqual(programs.length, 2)
    const program = ts.createProgram(programs, {
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
    const outputs = await Promise.all(programs.map((file) => run(process.execPath, [file.replace(/ts$/, "js")])))
    for (const { code, stderr } of outputs) assert.strictEqual(code, 0, stderr)
    assert.include(outputs[0]?.stdout, "1 [ 'embedded' ]")
    assert.include(outputs[1]?.stdout, "1 Typed")
  }, 120_000)
})

const formatHost: ts.FormatDiagnosticsHost = {
  getCurrentDirectory: () => process.cwd(),
  getCanonicalFileName: (file) => file,
  getNewLine: () => "\n"
}
