import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import * as Embedder from "../embedding/server.js"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/*
 * Three daemons of one model, which is behind HTTP, where it is counted what it is asked. They talk over real connections, with a
 * key.
 */

const KEY = "a-key-of-the-mesh"
const AS_NODE = { headers: { "x-api-key": KEY } }
const OF_SMALL = { flags: ["--embedder-model", "small"] }
const NAMESPACE = "sea"
const WORDS = [
  "harbour",
  "lighthouse",
  "anchor",
  "sail",
  "rudder",
  "mast",
  "keel",
  "deck",
  "rope",
  "tide",
  "reef",
  "buoy"
]

let server: Embedder.Server
let cluster: Awaited<ReturnType<typeof Cluster.make>>
const url = (at: number) => cluster.members[at]?.url ?? ""
const ask = (at: number, request: string, body?: unknown, status = 200) =>
  api.ask(url(at), request, { ...(body === undefined ? {} : { body }), ...AS_NODE, status })

/** How many such texts a model was asked about, that begin with this title. */
const timesOf = (title: string, model = "small") =>
  server.asked.filter(({ body }) => body.model === model).flatMap(({ body }) => body.input).filter((text) =>
    text.startsWith(`${title}\n`)
  ).length

const covered = (at: number, memories: number, within = 20_000) =>
  Cluster.until(`node ${at + 1} has vectors of all ${memories}`, async () => {
    const { embeddings } = await ask(at, "GET /capabilities")
    return Object(embeddings).memories === memories && Object(embeddings).embedded === memories
  }, within)

const create = async (at: number, title: string, content = `The ${title} in the morning.`) =>
  String((await ask(at, "POST /memories", { namespace: NAMESPACE, title, content }, 201))["id"])

beforeAll(async () => {
  server = await Embedder.make(Embedder.well)
  cluster = await Cluster.make({
    size: 3,
    environment: { QUORATE_API_KEY: KEY },
    flags: [
      ...["--quorum-writes", "2", "--catchup-interval-secs", "1", "--embedder", "openai", "--embedder-url", server.url]
    ]
  })
  await Promise.all(cluster.members.map((member) => member.start(OF_SMALL)))
  await Cluster.inTouch(cluster.members)
}, 60_000)
afterAll(async () => {
  await cluster.close()
  await server.stop()
})

describe("vectors of three nodes", () => {
  let count = 0
  const titles: Array<string> = []
  const note = (...more: ReadonlyArray<string>) => {
    titles.push(...more)
    count += more.length
  }

  it("are made once for each text, written alone, edited, in a bulk, or brought in, on any of them", async () => {
    for (const [at, word] of ["harbour", "lighthouse", "anchor"].entries()) {
      const id = await create(at, word)
      note(word)
      await covered(2 - at, count)
      await ask((at + 1) % 3, `PUT /memories/${id}`, { title: `${word} edited` })
      titles.push(`${word} edited`)
    }
    for (const at of [0, 1, 2]) {
      const rows = WORDS.map((word) => ({
        namespace: NAMESPACE,
        title: `${word} ${at}`,
        content: `A ${word} of node ${at}.`
      }))
      await ask(at, "POST /memories/bulk", rows)
      note(...rows.map(({ title }) => title))
      const now = new Date().toISOString()
      const memories = WORDS.map((word) => ({
        ...{
          id: randomUUID(),
          tier: "long",
          namespace: NAMESPACE,
          title: `old ${word} ${at}`,
          content: `An old ${word}.`
        },
        ...{
          tags: [],
          priority: 5,
          confidence: 1,
          source: "import",
          access_count: 0,
          created_at: now,
          updated_at: now
        },
        metadata: {}
      }))
      await ask(at, "POST /import", { memories, links: [] })
      note(...memories.map(({ title }) => title))
    }
    for (const at of [0, 1, 2]) await covered(at, count)
    for (const title of titles) assert.strictEqual(timesOf(title), 1, title)
  })

  it("are the same on all of them, and so is what a question finds", async () => {
    for (const context of ["which lighthouse", "anchor and rope", "an old mast at the tide"]) {
      const found = []
      for (const at of [0, 1, 2]) {
        const { memories, mode } = await ask(at, "POST /recall", { context, limit: 10 })
        assert.strictEqual(mode, "hybrid")
        found.push(api.rows({ memories }, "memories").map(({ id, score }) => [id, score]))
      }
      assert.lengthOf(found[0] ?? [], 10)
      assert.deepStrictEqual(found[1], found[0], context)
      assert.deepStrictEqual(found[2], found[0], context)
    }
  })

  it("come to a node that was away, which embeds nothing of what it missed", async () => {
    await cluster.members[2]?.stop()
    const missed = Array.from({ length: 400 }, (_, at) => ({
      namespace: NAMESPACE,
      title: `missed ${at}`,
      content: `The wreck of ${WORDS[at % WORDS.length]}.`
    }))
    await ask(0, "POST /memories/bulk", missed)
    note(...missed.map(({ title }) => title))
    await covered(0, count)
    await covered(1, count)
    await cluster.members[2]?.start(OF_SMALL)
    await covered(2, count)
    for (const { title } of missed) assert.strictEqual(timesOf(title), 1, title)
  }, 60_000)

  it("are its own of a node of another model, and shared by the others", async () => {
    await cluster.members[2]?.stop()
    await cluster.members[2]?.start({ flags: ["--embedder-model", "large"] })
    await Cluster.inTouch(cluster.members)
    for (const [at, word] of ["schooner", "frigate", "barge"].entries()) await create(at, word)
    note("schooner", "frigate", "barge")
    for (const at of [0, 1, 2]) await covered(at, count)
    for (const title of ["schooner", "frigate", "barge"]) {
      assert.deepStrictEqual([timesOf(title), timesOf(title, "large")], [1, 1], title)
    }
    assert.strictEqual(timesOf("missed 7", "large"), 1)
    for (const at of [0, 1, 2]) {
      // A question whose vector is not there in time is answered by its words.
      await Cluster.until(`node ${at + 1} answers by vectors`, async () => {
        const { memories, mode } = await ask(at, "POST /recall", { context: "the frigate", limit: 3 })
        assert.strictEqual(api.rows({ memories }, "memories")[0]?.["title"], "frigate")
        return mode === "hybrid"
      })
    }
  }, 60_000)
})
