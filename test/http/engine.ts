import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { createHash, randomUUID } from "node:crypto"
import type { Settings } from "../../src/config/NodeConfig.js"
import * as storeAddress from "../../src/config/storeAddress.js"
import * as Pglite from "../postgres/pglite.js"

/** The engine that has the memories of the nodes of these tests: `sqlite`, or another one that the project of the run names. */
export const engine = process.env["QUORATE_TEST_ENGINE"] ?? "sqlite"

let server: ReturnType<typeof Pglite.start> | undefined

/** Where a node has its memory: no other node has the same, but one that is started again on the same file. */
export const storeOf = async (db = ":memory:"): Promise<Pick<Settings, "store">> => {
  if (engine === "sqlite") return { store: Option.none() }
  const name = db === ":memory:" ? randomUUID() : db
  const schema = `node_${createHash("sha256").update(name).digest("hex").slice(0, 32)}`
  return { store: Option.some(Either.getOrThrow(storeAddress.parse(await urlOf(schema)))) }
}

/** One server for all files of a worker, which ends with it. */
const urlOf = async (schema: string): Promise<string> => {
  server ??= Pglite.start()
  return (await server).url(schema)
}
