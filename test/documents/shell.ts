import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { delimiter, dirname, join, resolve } from "node:path"
import * as Cluster from "../mesh/Cluster.js"

export interface Finished {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** What a request was answered. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly environment?: Readonly<Record<string, string>>; readonly folder?: string } = {}
): Promise<Finished> =>
  new Promise((done) => {
    const how = { env: { ...process.env, ...options.environment }, cwd: options.folder }
    const child = execFile(command, args, how, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : error.code ?? error.message, stdout, stderr }))
    child.stdin?.end()
  })

/** Runs blocks of shell lines as they stand. */
export interface Shell {
  /** Answers what the requests of a block were answered, in order; `nodes` are those at the ports from 9077 on. */
  readonly run: (block: string, nodes: ReadonlyArray<Cluster.Member>) => Promise<ReadonlyArray<Answer>>
  /** Where the blocks run: a folder that has the packages, and the database of the first node under its usual name. */
  readonly folder: string
}

/** `folder` is empty, and somebody else's to remove. */
export const make = (folder: string): Shell => {
  const bin = join(folder, "bin")
  const work = join(folder, "work")
  const record = join(folder, "answers")
  mkdirSync(bin)
  mkdirSync(work)
  symlinkSync(resolve("node_modules"), join(work, "node_modules"))
  writeFileSync(join(bin, "curl"), CURL, { mode: 0o755 })
  return {
    folder: work,
    run: async (block, nodes) => {
      writeFileSync(record, "")
      const urls = nodes.map(({ url }, index) => [`127.0.0.1:${9077 + index}`, url])
      const { code, stderr } = await run("sh", ["-eu", "-c", block], {
        folder: work,
        environment: {
          PATH: [bin, dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
          SHELL_NODES: JSON.stringify(Object.fromEntries(urls)),
          SHELL_RECORD: record
        }
      })
      if (code !== 0) throw new Error(`${block}\n${stderr}`)
      return readFileSync(record, "utf8").split("\n").filter((line) => line !== "").map((line): Answer => ({
        status: Number(line.slice(0, 3)),
        body: recordOf(line.slice(4))
      }))
    }
  }
}

export const recordOf = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  return Cluster.isRecord(value) ? value : {}
}

/**
 * Stands in for curl, which not every machine has: the options that the documents use, with curl's defaults. It sends their
 * ports to the nodes of the test and notes each answer.
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
const node = JSON.parse(process.env.SHELL_NODES)[url.host]
if (node === undefined) fail("no node at " + url.host)
if (body !== undefined) headers["content-type"] ??= "application/x-www-form-urlencoded"
fetch(node + url.pathname + url.search, { method: method ?? (body === undefined ? "GET" : "POST"), headers, body })
  .then(async (response) => {
    const text = await response.text()
    fs.appendFileSync(process.env.SHELL_RECORD, response.status + " " + text + "\\n")
    process.stdout.write(text)
  })
  .catch((cause) => fail(String(cause)))
`
