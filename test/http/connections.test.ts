import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import * as tls from "node:tls"
import * as Connections from "../../src/http/server/Connections.js"
import { Patience } from "../../src/http/server/Patience.js"
import * as SlowReaders from "../../src/http/server/SlowReaders.js"
import * as Turns from "../../src/http/server/Turns.js"
import * as Certificates from "../certificates.js"
import { until } from "../mesh/Cluster.js"
import * as Node from "./node.js"

const MEMORIES = "/api/v1/memories"

/** A connection that the other side may leave half open, and what came over it. */
const open = async (port: number) => {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  const seen = watch(socket)
  await once(socket, "connect")
  return seen
}

const watch = (socket: net.Socket) => {
  let text = ""
  let closed = false
  let ended = false
  socket.on("data", (chunk) => {
    text += chunk.toString()
  })
  socket.on("end", () => {
    ended = true
  })
  socket.on("error", () => {})
  socket.on("close", () => {
    closed = true
  })
  return { socket, text: () => text, isEnded: () => ended, isClosed: () => closed }
}

type Opened = Awaited<ReturnType<typeof open>>

const create = (title: string) =>
  Node.request({ method: "POST", path: MEMORIES, body: JSON.stringify({ title, content: "c" }) }).toString()

const statuses = (text: string) => Array.from(text.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => status)

describe("what a client sends without waiting for answers", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start()
  })
  afterAll(() => node.stop())

  it("has its effects and its answers in the order in which it came", async () => {
    const { socket, text } = await open(node.port)
    const list = Node.request({ path: `${MEMORIES}?namespace=global` }).toString()
    socket.write(list + create("in turn 1") + list + create("in turn 2") + list)
    await until("five answers", () => Promise.resolve(statuses(text()).length === 5 && text().endsWith("}")))
    assert.deepStrictEqual(statuses(text()), ["200", "201", "200", "201", "200"])
    const seen = text().split("HTTP/1.1 ").map((answer) =>
      ["in turn 1", "in turn 2"].filter((title) => answer.startsWith("200") && answer.includes(title)).length
    )
    assert.deepStrictEqual(seen, [0, 0, 0, 1, 0, 2])
    socket.destroy()
  })

  it("is answered as what it came to, and what follows that is no HTTP as that", async () => {
    const { isClosed, isEnded, socket, text } = await open(node.port)
    socket.write(`${create("followed by garbage")}\u0000\u0001garbage\r\n\r\n`)
    await until("the end", () => Promise.resolve(isEnded()))
    assert.deepStrictEqual(statuses(text()), ["201", "400"])
    assert.match(text(), /"title":"followed by garbage"|"id":/)
    socket.end()
    await until("closed", () => Promise.resolve(isClosed()))
  })

  it("is no more than a bound: the connection is cut, and nothing is kept of it", async () => {
    const { isEnded, isClosed, socket } = await open(node.port)
    socket.write(Node.request({ path: "/health/live" }).toString().repeat(Turns.MAX_PIPELINED * 4))
    await until("the connection is cut", () => Promise.resolve(isEnded() || isClosed()))
    assert.strictEqual((await Node.exchange(node.port, Node.request({ path: "/health/live" }))).status, 200)
  })
})

describe("a connection that is over", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start()
  })
  afterAll(() => node.stop())

  it.each([
    ["garbage", "\u0000\u0001\r\n\r\n", 400],
    [
      "a chunk without a size",
      `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n` +
      "transfer-encoding: chunked\r\n\r\nzz\r\n",
      400
    ],
    [
      "an unknown transfer coding",
      `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n`,
      501
    ]
  ])("is gone soon after its answer, whatever its client does: %s", async (_, bytes, status) => {
    const { isClosed, socket, text } = await open(node.port)
    socket.write(bytes)
    await until("the answer", () => Promise.resolve(text().includes("}")))
    assert.deepStrictEqual(statuses(text()), [String(status)])
    // The client keeps its half open and goes on sending.
    const sending = setInterval(() => socket.write("more"), 100)
    const millis = await until("it is gone", () => Promise.resolve(isClosed()))
    clearInterval(sending)
    assert.isBelow(millis, 4_000)
  })
})

describe("a connection on which nothing comes of what it was made for", () => {
  const patience = {
    keepAlive: Duration.millis(400),
    headers: Duration.millis(400),
    lastHeaders: Duration.seconds(3),
    handshake: Duration.millis(400),
    request: Duration.seconds(20),
    look: Duration.millis(100),
    stalled: Duration.seconds(30),
    bytesPerSecond: 32 * 1024
  }
  const impatient = Layer.succeed(Patience, patience)
  const get = Node.request({ path: "/health/live" }).toString()
  const body = `POST ${MEMORIES} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`

  /** The client keeps its half open, and finds out only by sending that the other one is gone. */
  const isCut = async ({ isClosed, isEnded, socket }: Pick<Opened, "socket" | "isClosed" | "isEnded">) => {
    await until("the other side ends", () => Promise.resolve(isEnded() || isClosed()))
    const sending = setInterval(() => socket.write("more"), 50)
    await until("it is gone", () => Promise.resolve(isClosed()))
    clearInterval(sending)
  }

  it.each([
    ["nothing at all", "", []],
    ["a part of the headers", "GET /health/live HTTP/1.1\r\nhost: loc", ["408"]],
    ["headers without an end", "GET /health/live HTTP/1.1\r\nhost: localhost\r\n", ["408"]],
    ["a part of its body", `${body}content-length: 100\r\n\r\n{"title`, ["408"]],
    ["chunks without an end", `${body}transfer-encoding: chunked\r\n\r\n2\r\n{"\r\n`, ["408"]],
    ["one request, and nothing after it", get, ["200"]],
    ["one request, and a part of another", `${get}GET /hea`, ["200", "408"]]
  ])("is cut after a time: %s", async (_, bytes, expected) => {
    const request = bytes.startsWith("POST") ? Duration.millis(800) : patience.request
    const node = await Node.start({}, Layer.succeed(Patience, { ...patience, request }))
    const opened = await open(node.port)
    if (bytes !== "") opened.socket.write(bytes)
    await isCut(opened)
    const told = statuses(opened.text())
    assert.deepStrictEqual(bytes === "" ? told.filter((status) => status !== "408") : told, expected)
    await node.stop()
  })

  describe("over TLS", () => {
    let certificates: Awaited<ReturnType<typeof Certificates.make<"server">>>
    let node: Node.Node
    beforeAll(async () => {
      certificates = await Certificates.make(["server"])
      const { cert, key } = certificates.of("server")
      node = await Node.start({ tlsCert: Option.some(cert), tlsKey: Option.some(key) }, impatient)
    })
    afterAll(async () => {
      await node.stop()
      certificates.remove()
    })

    it.each([
      ["nothing at all", ""],
      ["garbage", "\u0000\u0001garbage"],
      ["plain HTTP", get],
      ["a part of a handshake", "\u0016\u0003\u0001\u0002\u0000\u0001"]
    ])("is cut after a time: %s", async (_, bytes) => {
      const opened = await open(node.port)
      if (bytes !== "") opened.socket.write(Buffer.from(bytes, "latin1"))
      await isCut(opened)
      assert.notInclude(opened.text(), "HTTP/1.1 200")
    })

    it.each([
      ["nothing after the handshake", "", []],
      ["garbage after the handshake", "\u0000\u0001\r\n\r\n", ["400"]],
      ["a part of a request after the handshake", "GET /hea", ["408"]],
      ["one request, and nothing after it", get, ["200"]]
    ])("is cut after a time: %s", async (_, bytes, expected) => {
      const options = { port: node.port, host: "127.0.0.1", rejectUnauthorized: false, allowHalfOpen: true }
      const socket = tls.connect(options)
      const opened = watch(socket)
      await once(socket, "secureConnect")
      if (bytes !== "") socket.write(Buffer.from(bytes, "latin1"))
      await isCut(opened)
      const told = statuses(opened.text())
      assert.deepStrictEqual(bytes === "" ? told.filter((status) => status !== "408") : told, expected)
    })

    it("is not waited for by a node that stops, and a request is", async () => {
      const { cert, key } = certificates.of("server")
      const stopped = await Node.start(
        { tlsCert: Option.some(cert), tlsKey: Option.some(key), shutdownGrace: Duration.seconds(60) },
        Layer.succeed(Patience, { ...patience, headers: patience.request, lastHeaders: Duration.millis(100) })
      )
      const options = { port: stopped.port, host: "127.0.0.1", rejectUnauthorized: false }
      const [shaken, half, asking] = [tls.connect(options), tls.connect(options), tls.connect(options)]
      const unshaken = net.connect({ port: stopped.port, host: "127.0.0.1" })
      const idle = [shaken, half, unshaken].map((socket) => once(socket.on("error", () => {}).resume(), "close"))
      await Promise.all([
        ...[shaken, half, asking].map((socket) => once(socket, "secureConnect")),
        once(unshaken, "connect")
      ])
      half.write("GET /health/live HTTP/1.1\r\n")
      const { text } = watch(asking)
      const memory = JSON.stringify({ title: "written while the node stops", content: "c" })
      asking.write(`${body}expect: 100-continue\r\ncontent-length: ${memory.length}\r\n\r\n`)
      await until("the request has begun", () => Promise.resolve(statuses(text()).length === 1))
      const stopping = stopped.stop()
      await Promise.all(idle)
      const over = once(asking, "close")
      asking.write(memory)
      // What the node has sent before it was gone may not be read yet.
      await Promise.all([stopping, over])
      assert.deepStrictEqual(statuses(text()), ["100", "201"])
    })

    it("is none of those that others have", async () => {
      const agent = new https.Agent({ rejectUnauthorized: false })
      const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
        https.get(`${node.url}/health/live`, { agent }, resolve).on("error", reject)
      )
      assert.strictEqual(response.statusCode, 200)
      response.resume()
      agent.destroy()
    })
  })
})

describe("an answer that nobody reads", () => {
  const STALLED_MILLIS = 30_000
  const patient = { stalled: Duration.millis(STALLED_MILLIS), bytesPerSecond: 32 * 1024 }

  const answering = (bytes: number, waiting: () => number) => {
    const drains: Array<() => void> = []
    let destroyed = false
    const answer = {
      get writableLength() {
        return waiting()
      },
      destroy: () => {
        destroyed = true
      },
      on: (_: string, listener: () => void) => {
        drains.push(listener)
      }
    }
    return {
      bytes,
      // Of a response no more is used than this.
      answer: answer as unknown as http.ServerResponse,
      drain: () => drains.forEach((listener) => listener()),
      isCut: () => destroyed
    }
  }

  it("is cut once it was not read for so long, and one that is read piece by piece is not", () => {
    const readers = SlowReaders.make(patient)
    const stalled = answering(1000, () => 1000)
    const idle = answering(0, () => 0)
    const steady = answering(1000, () => 1000)
    const large = answering(64 * 1024 * 1024, () => 64 * 1024 * 1024)
    for (const { answer } of [stalled, idle, steady, large]) readers.add(answer)
    let cut = 0
    for (let now = 0; now <= STALLED_MILLIS + 3_000; now += 1_000) {
      cut += readers.look(now)
      if (now % 10_000 === 0) steady.drain()
    }
    assert.strictEqual(cut, 1)
    assert.deepStrictEqual([stalled, idle, steady, large].map(({ isCut }) => isCut()), [true, false, false, false])
    assert.strictEqual(readers.look(STALLED_MILLIS + 2_100_000), 2)
    assert.isTrue(large.isCut())
  })

  it("is found on a real connection, with the event stream among them", async () => {
    const readers = SlowReaders.make(patient)
    const server = http.createServer((_, response) => {
      readers.add(response)
      response.write("x".repeat(8 * 1024 * 1024))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const socket = net.connect({ port: typeof address === "object" ? address?.port ?? 0 : 0, host: "127.0.0.1" })
    socket.on("error", () => {})
    socket.pause()
    socket.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await until("the answer waits", () => Promise.resolve(readers.look(0) === 0 && server.connections !== 0))
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.strictEqual(readers.look(0), 0)
    assert.strictEqual(readers.look(STALLED_MILLIS + 300_000), 1)
    socket.resume()
    await once(socket, "close")
    server.close()
  })
})

describe("the files that a process may have open", () => {
  it("leave room for connections, and never for none", () => {
    assert.strictEqual(
      Connections.openFilesLimit("Limit  Soft  Hard\nMax open files            256        4096   files\n"),
      256
    )
    assert.strictEqual(Connections.openFilesLimit("Max open files            unlimited  unlimited   files\n"), null)
    assert.strictEqual(Connections.mostConnections(256, 2), 176)
    assert.strictEqual(Connections.mostConnections(64, 2), 16)
    assert.strictEqual(Connections.mostConnections(1_000_000, 2), 4096)
    assert.strictEqual(Connections.mostConnections(null, 2), 4096)
  })

  it("are told of when connections are refused, once for many, and each is counted", async () => {
    const server = net.createServer(() => {})
    let refused = 0
    let lines = 0
    Connections.bound(server, {
      most: 2,
      refused: () => {
        refused++
      },
      log: (line) => {
        lines++
        Effect.runSync(Effect.ignore(line))
      }
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" ? address?.port ?? 0 : 0
    const sockets = Array.from({ length: 6 }, () => net.connect({ port, host: "127.0.0.1" }).on("error", () => {}))
    await until("four were refused", () => Promise.resolve(refused === 4))
    assert.strictEqual(lines, 1)
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  it("do not run out: a daemon with few of them goes on answering who is in, and says whom it refused", async () => {
    const port = await new Promise<number>((resolve) => {
      const probe = net.createServer().listen(0, "127.0.0.1", () => {
        const address = probe.address()
        probe.close(() => resolve(typeof address === "object" ? address?.port ?? 0 : 0))
      })
    })
    const limited =
      `ulimit -n 128 && exec "${process.execPath}" dist/main.js serve --db :memory: --port ${port} --log-format json`
    const daemon = spawn("/bin/sh", ["-c", limited], { stdio: ["ignore", "ignore", "pipe"] })
    let log = ""
    daemon.stderr.on("data", (chunk) => {
      log += String(chunk)
    })
    try {
      await until("it listens", () => Promise.resolve(log.includes("quorate listening")))
      const held = await Promise.all(Array.from({ length: 200 }, () => open(port)))
      await until("refusals are in the log", () => Promise.resolve(log.includes("connection(s) were refused")))
      held.slice(0, 190).forEach(({ socket }) => socket.destroy())
      const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
      await until("others are answered again", () => metrics().then(() => true, () => false))
      const refused = /^http_connections_refused_total (\d+)$/m.exec(await metrics())?.[1]
      assert.isAtLeast(Number(refused), 1)
      const created = await fetch(`http://127.0.0.1:${port}${MEMORIES}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title: "t", content: "c" })
      })
      assert.strictEqual(created.status, 201)
      held.forEach(({ socket }) => socket.destroy())
    } finally {
      daemon.kill("SIGKILL")
    }
  })
})
