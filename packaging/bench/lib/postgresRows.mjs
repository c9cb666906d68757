// The measuring rod of a site: plain Node that inserts the rows of a site's log by multi-row statements, over one connection, and
// does nothing else. No HTTP, no state, no words, no vectors. A process of its own.
// Message in: { url, rows, seconds }. Message out: { perSecond, p50, p99 }, times of a statement, or { failure }.
import pg from "pg"
import { quantile } from "./statistics.mjs"

const TABLE = `CREATE TABLE IF NOT EXISTS plain_entries (
  writer text NOT NULL, place bigint NOT NULL, origin text NOT NULL, oseq bigint NOT NULL, op_id text NOT NULL,
  hlc text NOT NULL, hash text NOT NULL, format integer, kind text, entity text, body text, base_hlc text, covers text,
  key_hash text, request_hash text, key_turn integer, agent text, seal text, detail text, ends text,
  PRIMARY KEY (writer, place))`
const WRITER = "01a22290-2cbd-73cd-8bec-000000000000/1"
const STAMP = "2026-11-28T14:30:03.715000000+00:00"
const CONTENT = "word ".repeat(80)

const rowAt = (place) => {
  const id = `01a22290-2cbd-73cd-8bec-${String(place).padStart(12, "0")}`
  const body = JSON.stringify({
    id,
    title: `memory ${place}`,
    content: CONTENT,
    namespace: "bench",
    tags: [],
    tier: "mid",
    priority: 5,
    confidence: 1,
    source: "api",
    metadata: { agent_id: "bench" },
    created_at: STAMP,
    updated_at: STAMP
  })
  return [
    WRITER,
    place,
    WRITER,
    place,
    id,
    `${STAMP}/${place}`,
    "f".repeat(64),
    2,
    "store",
    id,
    body,
    null,
    "[]",
    null,
    null,
    0,
    "bench",
    null,
    null,
    null
  ]
}

const values = (rows, columns) =>
  Array.from(
    { length: rows },
    (_, row) => `(${Array.from({ length: columns }, (_, column) => `$${row * columns + column + 1}`).join(",")})`
  ).join(",")

const run = async ({ rows, seconds, url }) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(TABLE)
  const { rows: [{ last }] } = await client.query("SELECT coalesce(max(place), 0)::int AS last FROM plain_entries")
  const text = `INSERT INTO plain_entries VALUES ${values(rows, rowAt(1).length)}`
  const times = []
  const begin = performance.now()
  for (let at = last; performance.now() - begin < seconds * 1000; at += rows) {
    const sent = performance.now()
    await client.query({
      name: "insert",
      text,
      values: Array.from({ length: rows }, (_, row) => rowAt(at + row + 1)).flat()
    })
    times.push(performance.now() - sent)
  }
  const took = (performance.now() - begin) / 1000
  await client.end()
  times.sort((a, b) => a - b)
  return { perSecond: (times.length * rows) / took, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

process.on("message", (message) => {
  run(message).catch((error) => ({ failure: error.message })).then((result) => process.send(result))
})
