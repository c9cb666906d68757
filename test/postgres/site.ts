import { assert } from "@effect/vitest"
import { spawn } from "node:child_process"
import { copyFileSync, existsSync, rmSync } from "node:fs"
import { Client } from "pg"
import { daemon } from "../daemon.js"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as prng from "../simulation/prng.js"

export type Site = Awaited<ReturnType<typeof make>>

/** Daemons on one database, in a folder of their own. None of them is started. */
export const make = async (size: number, store: string, flags: ReadonlyArray<string> = []) => {
  const cluster = await Cluster.make({ size, flags: ["--store", store, ...flags], peers: () => [] })
  return {
    ...cluster,
    daemon: (index: number) => {
      const found = cluster.members[index]
      assert.isDefined(found)
      return found
    }
  }
}

/** Rows of the database itself. */
export const select = async (url: string, sql: string, values: ReadonlyArray<unknown> = []) => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  client.on("error", () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query(sql, [...values])
    return rows.filter(Cluster.isRecord)
  } finally {
    await client.end()
  }
}

/** How many operations are in the log whose body has the text, by whomever they were brought. */
export const logged = async (url: string, text: string): Promise<number> => {
  const sql = "SELECT DISTINCT origin, oseq FROM quorate_entries WHERE position($1 in body) > 0"
  return (await select(url, sql, [text])).length
}

/** What a daemon answers when it has heard of all that others were answered: not what it holds while the store is silent. */
export const read = async (
  url: string,
  path: string,
  headers: Record<string, string> = {}
): Promise<Cluster.Answer> => {
  const end = performance.now() + 10_000
  for (;;) {
    const answer = await Cluster.call(url, "GET", `/api/v1${path}`, { headers })
    if (answer.headers.get("x-store") === null && answer.status !== 503) return answer
    assert.isBelow(performance.now(), end, `${url} does not hear the store`)
  }
}

/** What a node holds, in one text that is that of all others that hold the same. */
export const standing = async (url: string): Promise<string> => {
  await read(url, "/memories?limit=1")
  const { digest, vector } = await api.ask(url, "GET /sync/hello")
  assert.isNumber(digest)
  return JSON.stringify([digest, Object.entries(api.record(vector)).sort(([a], [b]) => a < b ? -1 : 1)])
}

/** Waits until all hold the same. */
export const agreed = (
  members: ReadonlyArray<Cluster.Member>,
  withinMillis = 15_000,
  standingOf: (member: Cluster.Member) => Promise<string> = ({ url }) => standing(url)
) =>
  Cluster.until("all hold the same", async () => {
    const [first, ...others] = await Promise.all(members.map(standingOf))
    return others.every((other) => other === first)
  }, withinMillis)

/** What a node shows, in every list that it has, without what belongs to that node alone. */
export const shown = async (url: string): Promise<api.Json> => {
  const { links, ...exported } = await api.ask(url, "GET /export")
  const { archived } = await api.ask(url, "GET /archive?limit=1000")
  const { pending } = await api.ask(url, "GET /pending?limit=1000")
  const { namespaces } = await api.ask(url, "GET /namespaces")
  const { agents } = await api.ask(url, "GET /agents")
  const { conflicts } = await api.ask(url, "GET /conflicts?limit=1000")
  const memories = api.rows(exported, "memories")
    .map(({ access_count: _count, last_accessed_at: _at, ...rest }) => rest)
  return { memories, links, archived, pending, namespaces, agents, conflicts }
}

/** One write, whatever it is answered; null where the connection did not last. */
export const write = (url: string, body: api.Json, headers: Record<string, string> = {}, timeoutMillis = 20_000) =>
  Cluster.call(url, "POST", "/api/v1/memories", { body: { content: "some content", ...body }, headers, timeoutMillis })
    .catch(() => null)

/** Which of the memories a daemon does not show. */
export const missing = async (url: string, ids: Iterable<string>): Promise<ReadonlyArray<string>> => {
  const { body } = await read(url, "/export")
  const shown = new Set(api.rows(body, "memories").map(({ id }) => String(id)))
  return [...ids].filter((id) => !shown.has(id))
}

const SUFFIXES = ["", "-wal", "-shm"]

/** Puts a file of a database in the place of another, with what belongs to it. */
export const copyFile = (from: string, to: string): void => {
  removeFile(to)
  for (const suffix of SUFFIXES) if (existsSync(`${from}${suffix}`)) copyFileSync(`${from}${suffix}`, `${to}${suffix}`)
}

export const removeFile = (file: string): void => {
  for (const suffix of SUFFIXES) rmSync(`${file}${suffix}`, { force: true })
}

/** Runs `serve`, which must refuse to; what it says. */
export const refused = (args: ReadonlyArray<string>, withinMillis = 20_000): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [daemon, "serve", "--port", "0", ...args], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let said = ""
    const hear = (chunk: unknown) => {
      said += String(chunk)
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    const timer = setTimeout(() => child.kill("SIGKILL"), withinMillis)
    child.once("error", reject)
    child.once("close", (code) => {
      clearTimeout(timer)
      if (code === null || code === 0) reject(new Error(`it was not refused: ${code} ${said.slice(-1000)}`))
      else resolve(said)
    })
  })

/** Chance of a run, by a seed that is printed; another run has it by the variable. */
export const chanceOf = (name: string) => {
  const seed = process.env["QUORATE_SITE_SEED"] ?? String(Date.now())
  console.info(`${name}: QUORATE_SITE_SEED=${seed}`)
  return prng.make(`${seed}/${name}`)
}
