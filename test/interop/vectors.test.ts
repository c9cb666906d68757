import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import * as EmbedderServer from "../embedding/server.js"
import { create } from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Original from "./Original.js"
import * as embeddings from "./original/embeddings.js"

/*
 * A daemon of ours and a node with the semantics of the original, both of all-MiniLM-L6-v2, as far as they say: what a memory is
 * sent with, each way. The model of ours is behind HTTP, where it is counted what it is asked.
 */

const DIMENSIONS = 384
const axis = (at: number) => Array.from({ length: DIMENSIONS }, (_, other) => other === at ? 1 : 0)

let server: EmbedderServer.Server
let original: Original.Original
let cluster: Awaited<ReturnType<typeof Cluster.make>>
let ours: string

beforeAll(async () => {
  server = await EmbedderServer.make(({ body }, response) =>
    EmbedderServer.send(response, 200, { data: body.input.map((_, index) => ({ index, embedding: axis(1) })) })
  )
  const [port = 0] = await Cluster.freePorts(1)
  cluster = await Cluster.make({
    size: 1,
    peers: () => [`http://127.0.0.1:${port}`],
    flags: [
      ...["--quorum-writes", "1", "--catchup-interval-secs", "1", "--embedder", "openai", "--embedder-url", server.url],
      ...["--embedder-model", "all-MiniLM-L6-v2", "--embedder-dimensions", String(DIMENSIONS)]
    ]
  })
  ours = cluster.members[0]?.url ?? ""
  original = await Original.start({ name: "original", port, peers: [ours], quorumWrites: 2, embed: () => axis(2) })
  await cluster.members[0]?.start()
}, 60_000)
afterAll(async () => {
  await cluster.close()
  await original.stop()
  await server.stop()
})

/** How many such texts the model was asked about. */
const askedOf = (text: string) =>
  server.asked.flatMap(({ body }) => body.input).filter((each) => each.includes(text)).length
describe("vectors between a node of ours and an original", () => {
  const titles = Array.from({ length: 5 }, (_, index) => `tidewater ${index}`)
  const embedded = async (): Promise<unknown> => {
    const { body } = await Cluster.call(ours, "GET", "/api/v1/capabilities")
    return Object(body["embeddings"]).embedded
  }

  it("come there with what is written here while it was away, and a text is embedded once", async () => {
    await original.stop()
    const ids = await Promise.all(titles.map((title) => create(ours, { namespace: "here", title })))
    await Cluster.until("all are embedded", async () => (await embedded()) === titles.length)
    await original.restart()
    for (const id of ids) {
      await Cluster.until("it is there", async () => original.vectorOf(id) !== undefined, 60_000)
      assert.deepStrictEqual(original.vectorOf(id), axis(1))
    }
    // What embeds in the background may have come upon one of them in between.
    assert.isAtMost(askedOf("tidewater"), titles.length + 1)
  }, 90_000)

  it("come here with what is written there, and its text is not embedded here", async () => {
    for (const title of titles) await create(original.url, { namespace: "there", title, content: "saltmarsh" })
    await Cluster.until("all are embedded", async () => (await embedded()) === 2 * titles.length)
    assert.isAtMost(askedOf("saltmarsh"), 1)
  })
})

describe("the stand-in", () => {
  it("keeps vectors as the original does", () => {
    const golden = JSON.parse(readFileSync(new URL("../fixtures/embedding.json", import.meta.url), "utf8"))
    for (const { in: given, out } of golden.sanitize) {
      assert.deepStrictEqual(embeddings.sanitize(given.map(Number)), out)
    }
    assert.strictEqual(embeddings.blobOf([0.6, 0.8]).toString("hex"), golden.blob_0_6_0_8_hex)
    assert.strictEqual(embeddings.blobOf([]).toString("hex"), golden.blob_empty_hex)
    const numbers = [0.6, 0.8].map(Math.fround)
    assert.deepStrictEqual(embeddings.ofBlob(embeddings.blobOf(numbers)), numbers)
    assert.deepStrictEqual(embeddings.ofBlob(embeddings.blobOf(numbers).subarray(1)), numbers)
    assert.throws(() => embeddings.ofBlob(Buffer.from("02", "hex")))
  })
})
