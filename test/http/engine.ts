import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { createHash, randomUUID } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { Client } from "pg"
import type { Settings } from "../../src/config/NodeConfig.js"
import * as storeAddress from "../../src/config/storeAddress.js"
import * as Pglite from "../postgres/pglite.js"

/** What has the memories of the nodes of these tests, as the project of the run names it. */
export const engine = process.env["QUORATE_TEST_ENGINE"] ?? "sqlite"

/** A server of PostgreSQL that there is; otherwise one is made that is no more than a package of npm. */
const given = process.env["QUORATE_TEST_STORE"]

/** Its name, as counts are told by. */
export const engineName = engine === "sqlite" || given !== undefined ? engine : "pglite"

let server: ReturnType<typeof Pglite.start> | undefined

/** One for all files of a run, where that has one; else for those of a worker, which ends with it. */
export const serverUrl = async (): Promise<string> =>
  given ?? process.env["QUORATE_TEST_PGLITE"] ?? (await (server ??= Pglite.start())).server

/** Where a node has its memory: no other node has the same, but one that is started again on the same file. */
export const storeOf = async (db = ":memory:"): Promise<Partial<Settings>> => {
  if (engine === "sqlite") return {}
  const store = Option.some(Either.getOrThrow(storeAddress.parse(await urlOf(db))))
  // What is a server beside others on this machine may be slow, and is no fault.
  return { store, quorumTimeout: Duration.seconds(20) }
}

/** How a program is told where it has the memory of its file. */
export const environmentOf = async (db: string): Promise<Readonly<Record<string, string>>> =>
  engine === "sqlite" ? {} : { QUORATE_STORE: await urlOf(db) }

/** Beside a file, and moved with it: the schema of its store. `test/postgres/onStore.mjs` reads it, too. */
const schemaOf = (db: string): string => {
  const name = db === ":memory:" ? randomUUID() : resolve(db)
  const schema = `node_${createHash("sha256").update(name).digest("hex").slice(0, 32)}`
  const mark = `${db}.store`
  if (db === ":memory:" || !existsSync(dirname(db))) return schema
  if (!existsSync(mark)) writeFileSync(mark, schema, { mode: 0o600 })
  return readFileSync(mark, "utf8")
}

/** The address of the store of a file, whose schema is there by then. */
const urlOf = async (db: string): Promise<string> => {
  const schema = schemaOf(db)
  const url = await serverUrl()
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  await client.end()
  return `${url}?options=${encodeURIComponent(`-c search_path=${schema}`)}`
}
