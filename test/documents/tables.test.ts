import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { knobs, variableOf } from "../../src/config/knobs.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { document as contract } from "../../src/http/contract/Api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as documents from "./documents.js"
import * as Shell from "./shell.js"

const settings = documents.page("settings")
const unquoted = (cell: string | undefined) => (cell ?? "").replaceAll("`", "")

/** What npm can do by itself. */
const NPM = ["ci", "install", "pack", "update"]

const withoutLinks = (text: string) => text.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1")

describe("the tables of the manual", () => {
  it("have every setting, with its flag, its variable and its default", async () => {
    const help = await Shell.run(process.execPath, ["dist/main.js", "serve", "--help"])
    assert.strictEqual(help.code, 0, help.stderr)
    const flags = new Set(help.stdout.match(/--[a-z][a-z-]+/g))
    assert.isAtLeast(flags.size, knobs.length)
    const table = documents.rows(settings, "`--").filter(([, variable]) => variable?.startsWith("`QUORATE_"))
    const named = new Map(table.map(([flag, ...rest]) => [unquoted(flag).slice(2), rest]))
    for (const flag of flags) assert.include(settings.text, `\`${flag}`, "the manual names the flag")
    for (const { name, show } of knobs) {
      const [variable, usual] = named.get(name) ?? []
      assert.isTrue(flags.has(`--${name}`), `serve has --${name}`)
      assert.strictEqual(variable, `\`${variableOf(name)}\``, `--${name}`)
      const text = show(NodeConfig.defaults)
      if (text !== null && name !== "log-format") assert.strictEqual(usual, `\`${text}\``, `the default of --${name}`)
    }
    assert.deepStrictEqual([...named.keys()].sort(), [...knobs.map(({ name }) => name), "config"].sort())
  })

  it("have every route of the contract, and no other", () => {
    const served = Object.entries(contract().paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
    )
    const table = documents.rows(documents.page("routes"), "`").map(([first]) => first ?? "")
    const named = table.flatMap((cell) => cell.match(/(?:GET|PUT|POST|DELETE) \/[^`]+/g) ?? [])
    assert.deepStrictEqual(named.toSorted(), served.toSorted())
  })

  it("have the pages of every route that has any", () => {
    const paged = Object.entries(contract().paths).flatMap(([path, { get }]) =>
      (get?.parameters ?? []).flatMap(({ name, schema }) => {
        const { default: usual, description }: { readonly default?: unknown; readonly description?: string } = schema
        const most = /more than (\d+)/.exec(description ?? "")?.[1]
        return name === "limit" && most !== undefined ? [`GET ${path}: ${usual}, ${most} at most`] : []
      })
    )
    const named = documents.rows(documents.page("limits"), "`GET ").map(([route, usual, most]) =>
      `${unquoted(route)}: ${usual}, ${most} at most`
    )
    assert.isNotEmpty(paged)
    assert.deepStrictEqual(named.toSorted(), paged.toSorted())
  })

  it("have every variable of OpenTelemetry that is read, and no other", () => {
    const read = readFileSync("src/telemetry/Otlp.ts", "utf8")
    const signals = ["TRACES", "METRICS", "LOGS"].map((signal) => `OTEL_${signal}_EXPORTER`)
    const known = new Set([...read.match(/(?<=")OTEL_[A-Z_]+(?=")/g) ?? [], ...signals])
    const table = documents.rows(documents.page("operating"), "`OTEL_").flatMap(([first]) =>
      first?.match(/OTEL_[A-Z_]+/g) ?? []
    )
    assert.deepStrictEqual(table.toSorted(), [...known].toSorted())
  })

  it("say of a write what the README says, in the same words", () => {
    const whole = documents.rows(documents.page("writes"), "").map((row) => withoutLinks(row.join(" | ")))
    const promised = documents.rows(documents.readme, "").filter(([first]) =>
      /^(20|503 `[a-z_]+`(, `got: 0`)?$)/.test(first ?? "")
    )
    assert.isAtLeast(promised.length, 4)
    for (const [answer = "", meaning = ""] of promised) {
      const row = whole.find((line) => line.startsWith(`${answer} | `))
      assert.isDefined(row, answer)
      for (const sentence of meaning.split(/(?<=\.) /)) assert.include(row, sentence, answer)
    }
  })
})

describe("the documents", () => {
  it("name no variable that is not there", () => {
    const known = new Set([
      ...knobs.map(({ name }) => variableOf(name)),
      "QUORATE_API_KEY",
      "QUORATE_API_KEYS",
      "QUORATE_APPROVALS_SECRET",
      "QUORATE_CONFIG",
      "QUORATE_EMBEDDER_KEY",
      "QUORATE_OPERATOR_PUBKEY",
      "QUORATE_PEER_API_KEY",
      "QUORATE_URL"
    ])
    const named = new Set(documents.guides.flatMap(({ text }) => text.match(/QUORATE_[A-Z][A-Z_]*/g) ?? []))
    assert.deepStrictEqual([...named].sort(), [...known].sort())
  })

  it("name no command that is not there", () => {
    const { scripts } = Shell.recordOf(readFileSync("package.json", "utf8"))
    const known = Cluster.isRecord(scripts) ? scripts : {}
    const commands = documents.all.flatMap(({ text }) => text.match(/(?<=^ *|`|&& )npm (?:run )?[a-z:]+/gm) ?? [])
    for (const script of ["npm ci", "npm start", "npm test", "npm run mesh", "npm run bench"]) {
      assert.include(commands, script)
    }
    for (const command of commands) {
      const name = command.replace(/^npm (run )?/, "")
      assert.isTrue(name in known || (NPM.includes(name) && !command.startsWith("npm run ")), command)
    }
  })

  it("give serve no flag that it does not have", () => {
    const flags = new Set([...knobs.map(({ name }) => `--${name}`), "--config"])
    const serving = documents.guides.flatMap(documents.blocks).filter(({ language, text }) =>
      language === "sh" && text.includes("main.js serve")
    )
    assert.isNotEmpty(serving)
    for (const { text } of serving) {
      for (const flag of text.match(/--[a-z][a-z-]+/g) ?? []) assert.isTrue(flags.has(flag), flag)
    }
  })

  it("give serve no value that it does not take", async () => {
    const lines = documents.guides.flatMap(documents.blocks).filter(({ language }) => language === "sh")
      .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, "").split("\n"))
      .filter((line) => line.startsWith("node dist/main.js serve --") && !line.includes("-file "))
    assert.isAtLeast(lines.length, 4)
    for (const line of lines) {
      const flags = line.trim().split(/\s+/).slice(3).filter((word) => word !== "&")
      const shown = await Shell.run(process.execPath, ["dist/main.js", "config", "show", ...flags])
      assert.strictEqual(shown.code, 0, `${line}\n${shown.stderr}`)
    }
  })
})

/** What a node has that listens by TLS. */
const OF_TLS = ["tls_certificate_expiry_seconds gauge"]

describe("the table of metrics", () => {
  let mesh: Awaited<ReturnType<typeof Cluster.make>>
  beforeAll(async () => {
    mesh = await Cluster.make({ size: 2 })
    await Promise.all(mesh.members.map((member) => member.start()))
    await Cluster.inTouch(mesh.members)
  }, 60_000)
  afterAll(() => mesh.close())

  it("has every metric that is served, and no other", async () => {
    const { body } = await Cluster.call(mesh.members[0]?.url ?? "", "GET", "/metrics")
    const served = Array.from(
      String(body["text"]).matchAll(/^# TYPE (\S+) (\S+)$/gm),
      ([, name, type]) => `${name} ${type}`
    )
    const named = documents.rows(documents.page("metrics"), "`")
      .filter(([, type]) => /^(counter|gauge|histogram)$/.test(type ?? ""))
      .map(([name, type]) => `${unquoted(name)} ${type}`)
    // Those of Effect's runtime come and go with what has happened so far.
    const ours = served.filter((metric) => !metric.startsWith("effect_fiber_"))
    assert.deepStrictEqual(named.toSorted(), [...ours, ...OF_TLS].toSorted())
  })
})
