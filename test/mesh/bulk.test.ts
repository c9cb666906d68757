import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/** Bytes of a request that every node takes at most. */
const MAX_BODY_BYTES = 2 * 1024 * 1024
const WITHIN_MILLIS = 10_000
const STOPPED_MILLIS = 3_000

/** Rows whose JSON fills a request of this many bytes almost: none is far from its share. */
const bulk = (namespace: string, count: number, bytes: number) => {
  const bare = Array.from({ length: count }, (_, index) => ({ namespace, title: `row ${index}`, content: "" }))
  const room = Math.floor((bytes - JSON.stringify(bare).length) / count)
  return bare.map((row, index) => ({ ...row, content: `${index} `.padEnd(room, "memory ").trimEnd() }))
}

describe("bulk creation on three real nodes, of rows near 2 KiB", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>

  beforeAll(async () => {
    cluster = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "15000"] })
    await Promise.all(cluster.members.map((member) => member.start()))
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterAll(() => cluster.close())

  const send = async (rows: ReadonlyArray<api.Json>) => {
    assert.isAtMost(Buffer.byteLength(JSON.stringify(rows)), MAX_BODY_BYTES)
    const answer = await api.ask(cluster.members[0]?.url ?? "", "POST /memories/bulk", { body: rows })
    const { created, errors } = answer
    assert.deepStrictEqual({ created, errors: Array.isArray(errors) ? errors.slice(0, 3) : errors }, {
      created: rows.length,
      errors: []
    })
  }

  /** All of them and no more, the same on every node, within the time since `begin`. */
  const shown = async (namespace: string, rows: ReadonlyArray<api.Json>, begin: number) => {
    const left = () => WITHIN_MILLIS - (performance.now() - begin)
    await api.everywhere(
      cluster.members,
      `${rows.length} rows`,
      async (url) => (await api.titles(url, namespace)).length === rows.length,
      left()
    )
    assert.isAbove(left(), 0)
    const expected = rows.map(({ title }) => String(title)).sort()
    for (const { url } of cluster.members) assert.deepStrictEqual(await api.titles(url, namespace), expected)
    const [first, ...others] = await Promise.all(
      cluster.members.map((member) => Cluster.contents(member, namespace))
    )
    for (const other of others) assert.deepStrictEqual(other, first)
  }

  it.each([
    { count: 500, bytes: 1024 * 1024 },
    { count: 1000, bytes: MAX_BODY_BYTES }
  ])("$count rows are on every node, exactly", async ({ bytes, count }) => {
    const namespace = `bulk-${count}`
    const rows = bulk(namespace, count, bytes)
    const begin = performance.now()
    await send(rows)
    await shown(namespace, rows, begin)
  })

  it("so are 1000 when a peer stops for 3 s in the middle", async () => {
    const namespace = "bulk-stopped"
    const rows = bulk(namespace, 1000, MAX_BODY_BYTES)
    const begin = performance.now()
    await send(rows.slice(0, 500))
    cluster.members[2]?.signal("SIGSTOP")
    const stopped = new Promise((resolve) => setTimeout(resolve, STOPPED_MILLIS))
    try {
      await send(rows.slice(500))
      await stopped
    } finally {
      cluster.members[2]?.signal("SIGCONT")
    }
    await shown(namespace, rows, begin)
  })
})
