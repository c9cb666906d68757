import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import * as net from "node:net"
import { Patience } from "../../src/http/server/Patience.js"
import { until } from "../mesh/Cluster.js"
import * as Node from "./node.js"

/*
 * What clients can make a node hold is bounded in bytes, for all of them together.
 */

const ROWS = 240
const MEMORIES = "/api/v1/memories"
const SINCE = "/api/v1/sync/since?limit=10000"

describe("what clients make a node hold", () => {
  let node: Node.Node
  const sockets: Array<net.Socket> = []
  beforeAll(async () => {
    const patience = {
      keepAlive: Duration.seconds(75),
      headers: Duration.seconds(20),
      lastHeaders: Duration.seconds(3),
      handshake: Duration.seconds(20),
      request: Duration.seconds(60),
      look: Duration.seconds(5),
      // Longer than a busy machine takes to begin all of them, or what the first held is there again for the last.
      stalled: Duration.seconds(10),
      bytesPerSecond: 64 * 1024 * 1024
    }
    // What is left open by these clients is cut soon after the end.
    node = await Node.start({ shutdownGrace: Duration.seconds(5) }, Layer.succeed(Patience, patience))
    for (let from = 0; from < ROWS; from += 30) {
      const rows = Array.from({ length: 30 }, (_, at) => ({ title: `row ${from + at}`, content: "x".repeat(60_000) }))
      const response = await fetch(`${node.url}${MEMORIES}/bulk`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(rows)
      })
      assert.strictEqual(response.status, 200)
    }
  }, 60_000)
  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    await node.stop()
  })

  /** A client that sends this, and takes as little as it likes of what it is answered. */
  const client = async (bytes: string | Buffer, waitMillis = 2_000) => {
    const socket = net.connect({ port: node.port, host: "127.0.0.1" })
    sockets.push(socket)
    let closed = false
    socket.on("error", () => {})
    socket.on("close", () => {
      closed = true
    })
    await once(socket, "connect")
    socket.write(bytes)
    const head = await new Promise<string>((resolve) => {
      socket.once("data", (chunk: Buffer) => {
        socket.pause()
        resolve(chunk.subarray(0, 12).toString("latin1"))
      })
      setTimeout(() => resolve("waits"), waitMillis)
    })
    return { socket, head, isClosed: () => closed }
  }
  const metric = async (name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, "m").exec(await (await fetch(`${node.url}/metrics`)).text())?.[1])

  it("all rows since a moment come as they are read", async () => {
    const response = await fetch(`${node.url}${SINCE}`)
    assert.isNull(response.headers.get("content-length"))
    const { count, earliest_updated_at, latest_updated_at, limit, memories } = Object(await response.json())
    assert.strictEqual(count, ROWS)
    assert.strictEqual(limit, 10_000)
    assert.lengthOf(memories, ROWS)
    assert.strictEqual(earliest_updated_at, memories[0].updated_at)
    assert.strictEqual(latest_updated_at, memories.at(-1).updated_at)
  })

  it("is bounded for answers that nobody takes, whose connections are cut in the end", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => client(Node.request({ path: SINCE }), 30_000)))
    const heads = all.map(({ head }) => head)
    assert.strictEqual(heads.filter((head) => head.endsWith("200")).length, 16)
    assert.strictEqual(heads.filter((head) => head.endsWith("503")).length, 4)
    const kept = all.filter(({ head }) => head.endsWith("200"))
    await until("they are cut", () => metric("http_connections_cut_total").then((cut) => cut === kept.length))
    for (const { socket } of kept) socket.resume()
    await until("they are gone", () => Promise.resolve(kept.every(({ isClosed }) => isClosed())))
    assert.strictEqual((await fetch(`${node.url}${SINCE}`)).status, 200)
  }, 90_000)

  it("is bounded for what they send", async () => {
    const announced = `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      `content-length: ${2 * 1024 * 1024}\r\n\r\n`
    // Those that have no answer are looked at once all that are refused can have been, however busy the machine.
    const refused: Array<string> = []
    const all = await Promise.all(Array.from({ length: 132 }, async () => {
      const asked = await client(announced, 0)
      if (asked.head !== "waits") refused.push(asked.head)
      asked.socket.on("data", (chunk: Buffer) => refused.push(chunk.subarray(0, 12).toString("latin1")))
      return asked
    }))
    await until("what is too much is refused", () => Promise.resolve(refused.length >= 4))
    await fetch(`${node.url}/health/live`)
    assert.deepStrictEqual(refused, Array.from({ length: 4 }, () => "HTTP/1.1 503"))
    for (const { socket } of all) socket.destroy()
    await until("there is room again", async () => {
      const { head, socket } = await client(announced)
      socket.destroy()
      return head === "waits"
    })
  }, 30_000)
})
