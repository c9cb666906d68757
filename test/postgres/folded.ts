import { assert } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Payload from "../../src/replication/Payload.js"
import type { Entry } from "../../src/store/MemoryStore.js"
import * as rows from "../../src/store/postgres/rows.js"
import * as api from "../mesh/api.js"
import type * as Cluster from "../mesh/Cluster.js"
import * as model from "../store/model.js"
import * as Node from "../store/node.js"
import * as Site from "./site.js"

/* What a site comes to, by its log alone, and what its daemons have made of it. */

/** All operations in the log of a site, each once: a daemon whose file was put back may have brought one again. */
const logOf = async (store: string): Promise<ReadonlyArray<Entry>> => {
  const found = (await Site.select(store, "SELECT * FROM quorate_entries")).map(rows.fromRow)
  const entries = new Map<string, Entry>()
  for (const { item } of found) {
    if (!("operation" in item)) throw new Error(`an operation is there by its name alone: ${JSON.stringify(item)}`)
    const { operation } = item
    entries.set(`${operation.origin} ${operation.oseq}`, { operation, payload: Payload.ofLog(operation) })
  }
  return Array.from(entries.values())
}

/** SQLite writes a whole number of a column of fractions as 1.0. */
const plain = (row: string): string => JSON.stringify(JSON.parse(row))

const stateOf = async ({ db, url }: Cluster.Member): Promise<model.State> => {
  await Site.read(url, "/memories?limit=1")
  const file = new Database(db, { readonly: true })
  try {
    const { memories, ...others } = Node.rowsOf(file)()
    return {
      ...others,
      memories: memories.map(plain).sort(),
      digest: Number((await api.ask(url, "GET /sync/hello"))["digest"])
    }
  } finally {
    file.close()
  }
}

/**
 * Each daemon has, row by row, what the model makes of the log. Answers of how many operations that was. The model knows nothing
 * of what follows from rows: words, vectors, who may see what, how a list is ordered.
 */
export const agrees = async (store: string, members: ReadonlyArray<Cluster.Member>): Promise<number> => {
  const entries = await logOf(store)
  const expected = model.model(entries)
  for (const member of members) assert.deepStrictEqual(await stateOf(member), expected, member.url)
  return entries.length
}
