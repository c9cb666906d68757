import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Option from "effect/Option"
import * as net from "node:net"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { HttpListener } from "../../src/http/server/Server.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import * as Contracted from "./contracted.js"
import { storeOf } from "./engine.js"

/** A whole node with its listener on a free port of loopback. */
export interface Node {
  readonly url: string
  readonly port: number
  /** Where other nodes reach it, if that is another place. */
  readonly peerUrl: Option.Option<string>
  /** What the tables hold: rows of every kind, so that a write that should not be shows. */
  readonly contents: () => Promise<unknown>
  readonly stop: () => Promise<void>
}

export const start = async (
  settings: Partial<NodeConfig.Settings> = {},
  beneath: Layer.Layer<never> = Layer.empty
): Promise<Node> => {
  const runtime = ManagedRuntime.make(
    MemoryNode.layerDaemon.pipe(
      Layer.provide(NodeConfig.layerWith({ port: 0, db: ":memory:", ...await storeOf(settings.db), ...settings })),
      Layer.provide(Logger.remove(Logger.defaultLogger)),
      Layer.provide(beneath)
    )
  )
  const { peerUrl, port, url } = await runtime.runPromise(HttpListener)
  const contents = Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return yield* sql`SELECT
      (SELECT count(*) FROM memories) AS memories, (SELECT count(*) FROM oplog) AS operations,
      (SELECT count(*) FROM conflicts) AS conflicts, (SELECT count(*) FROM covered) AS covered,
      (SELECT count(*) FROM aliases) AS aliases, (SELECT count(*) FROM dead_letter) AS dead,
      (SELECT count(*) FROM objects) AS objects, (SELECT max(updated_at) FROM memories) AS latest`
  })
  return { port, url, peerUrl, contents: () => runtime.runPromise(contents), stop: () => runtime.dispose() }
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The text as JSON, or undefined. */
  readonly json: unknown
}

const LONGEST_ANSWER_MILLIS = 5_000

/**
 * Sends bytes as they are, on a connection of their own, and reads one answer. `parts` are sent one after the other. Fails
 * when there is no whole answer in time, and when a success is not what the contract says.
 */
export const exchange = async (port: number, ...parts: ReadonlyArray<string | Buffer>): Promise<Answer> => {
  const answer = await converse(port, parts)
  Contracted.check(targetOf(parts[0]), { ...answer, contentType: answer.headers["content-type"] })
  return answer
}

const converse = (port: number, parts: ReadonlyArray<string | Buffer>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" })
    const received: Array<Buffer> = []
    const timer = setTimeout(() => finish(() => reject(new Error("no whole answer in time"))), LONGEST_ANSWER_MILLIS)
    const finish = (how: () => void) => {
      clearTimeout(timer)
      socket.destroy()
      how()
    }
    const look = () => {
      const answer = parse(Buffer.concat(received))
      if (answer !== undefined) finish(() => resolve(answer))
    }
    socket.on("data", (chunk) => {
      received.push(chunk)
      look()
    })
    socket.on("end", () => finish(() => reject(new Error(`cut off: ${Buffer.concat(received).toString()}`))))
    socket.on("error", (error) => finish(() => reject(error)))
    for (const part of parts) socket.write(part)
  })

/** Method and path of a request in bytes. */
const targetOf = (request: string | Buffer = "") => {
  const [method = "", path = ""] = request.toString("latin1").split(" ", 2)
  return { method, path }
}

/** The answer that begins with these bytes, once all of it is there. */
export const parse = (bytes: Buffer): Answer | undefined => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end === -1) return undefined
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  const rest = bytes.subarray(end + 4)
  const body = headers["transfer-encoding"] === "chunked" ? joined(rest) : rest
  if (body === undefined || body.length < Number(headers["content-length"] ?? 0)) return undefined
  const text = body.toString("utf8")
  return { status: Number(statusLine.split(" ")[1]), headers, text, json: jsonOf(text) }
}

/** What comes in chunks, once the last one is there. */
const joined = (bytes: Buffer): Buffer | undefined => {
  const chunks: Array<Buffer> = []
  for (let at = 0;;) {
    const end = bytes.indexOf("\r\n", at)
    const size = Number.parseInt(bytes.subarray(at, end).toString("latin1"), 16)
    if (end === -1 || bytes.length < end + size + 4) return undefined
    if (size === 0) return Buffer.concat(chunks)
    chunks.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + size + 4
  }
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A request as text: its content length is set, unless it is given. */
export const request = (options: {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}): Buffer => {
  const body = Buffer.from(options.body ?? "")
  const headers = {
    host: "127.0.0.1",
    ...(options.body === undefined
      ? {}
      : { "content-type": "application/json", "content-length": String(body.length) }),
    ...options.headers
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("")
  return Buffer.concat([
    Buffer.from(`${options.method ?? "GET"} ${options.path} HTTP/1.1\r\n${head}\r\n`, "latin1"),
    body
  ])
}
