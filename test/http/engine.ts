import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { createHash, randomUUID } from "node:crypto"
import { Client } from "pg"
import type { Settings } from "../../src/config/NodeConfig.js"
import * as storeAddress from "../../src/config/storeAddress.js"
import * as Pglite from "../postgres/pglite.js"

/** What has the memories of the nodes of these tests, as the project of the run names it. */
export const engine = process.env["QUORATE_TEST_ENGINE"] ?? "sqlite"

/** A server of PostgreSQL that there is; otherwise one is made that is no more than a package of npm. */
const given = process.env["QUORATE_TEST_STORE"]

let server: ReturnType<typeof Pglite.start> | undefined

/** Where a node has its memory: no other node has the same, but one that is started again on the same file. */
export const storeOf = async (db = ":memory:"): Promise<Partial<Settings>> => {
  if (engine === "sqlite") return {}
  const name = db === ":memory:" ? randomUUID() : db
  const schema = `node_${createHash("sha256").update(name).digest("hex").slice(0, 32)}`
  const store = Option.some(Either.getOrThrow(storeAddress.parse(await urlOf(schema))))
  // What is a server beside others on this machine may be slow, and is no fault.
  return { store, quorumTimeout: Duration.seconds(20) }
}

const urlOf = async (schema: string): Promise<string> => {
  if (given !== undefined) return within(given, schema)
  // One for all files of a worker, which ends with it.
  server ??= Pglite.start()
  return (await server).url(schema)
}

const within = async (url: string, schema: string): Promise<string> => {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  await client.end()
  return `${url}?options=${encodeURIComponent(`-c search_path=${schema}`)}`
}
