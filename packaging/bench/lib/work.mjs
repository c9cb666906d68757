// What the clients of the load send, and by which status they know that it was done.
import { BODY_BYTES, makeBodies, writeNumbered } from "./bodies.mjs"

const bodies = makeBodies(512)
let nextNumber = 1

const headOf = (port, path, length) =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${length}\r\n\r\n`,
    "latin1"
  )

const numberedAt = (target, offset) => {
  const number = nextNumber++
  writeNumbered(bodies[number % bodies.length], number, target, offset)
  return number
}

/** Each client owns the buffer of its one request in flight: it is rewritten only after the answer to it has come. */
const storing = (port) => {
  const head = headOf(port, "/api/v1/memories", BODY_BYTES)
  const request = Buffer.alloc(head.length + BODY_BYTES)
  head.copy(request)
  return () => {
    numberedAt(request, head.length)
    return request
  }
}

/** `rows` memories in one request. */
const storingInBulk = (rows) => (port) => {
  const length = 1 + rows * (BODY_BYTES + 1)
  const head = headOf(port, "/api/v1/memories/bulk", length)
  const request = Buffer.alloc(head.length + length, ",", "latin1")
  head.copy(request)
  request.write("[", head.length, "latin1")
  request.write("]", request.length - 1, "latin1")
  return () => {
    for (let row = 0; row < rows; row++) numberedAt(request, head.length + 1 + row * (BODY_BYTES + 1))
    return request
  }
}

/** The same memories as values of a store of keys and values, which takes both in base64. */
const putting = (port) => {
  const value = Buffer.alloc(BODY_BYTES)
  const bodyOf = () => {
    const key = Buffer.from(`bench/${String(numberedAt(value, 0)).padStart(10, "0")}`)
    return `{"key":"${key.toString("base64")}","value":"${value.toString("base64")}"}`
  }
  return () => {
    const body = bodyOf()
    return Buffer.concat([headOf(port, "/v3/kv/put", body.length), Buffer.from(body, "latin1")])
  }
}

/** All clients together send the requests in turn. */
const asking = (requests) => {
  const buffers = requests.map((request) => Buffer.from(request))
  let sent = 0
  return () => () => buffers[sent++ % buffers.length]
}

/** Of a bulk some rows can be refused, and the others be stored. */
const isWhole = (bytes) => bytes.includes("\"errors\":[]")

/**
 * `{ status, isDone(bytes), rows, nextOf(port) }` of a message to the load: the status of an answer that counts, what else has to be so in it, how many memories a request
 * stores, and what a client of that port sends next. `from`: the lowest number of a memory that is not stored yet.
 */
export const workOf = ({ from = 1, kind = "memory", requests, rows = 1, status }) => {
  nextNumber = Math.max(nextNumber, from)
  const isDone = () => true
  if (requests !== undefined) return { status: status ?? 200, isDone, rows: 0, nextOf: asking(requests) }
  if (kind === "put") return { status: status ?? 200, isDone, rows, nextOf: putting }
  if (rows > 1) return { status: status ?? 200, isDone: isWhole, rows, nextOf: storingInBulk(rows) }
  return { status: status ?? 201, isDone, rows, nextOf: storing }
}

/** The number of the next memory. */
export const next = () => nextNumber
