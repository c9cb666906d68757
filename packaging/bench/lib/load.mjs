// The load: a process of its own that keeps C requests in flight (closed loop) and answers one message per measurement.
// Message in: { port, isTls, clients, seconds, requests? }: whole requests to send in turn; without them, memories to store.
// Message out: what `measure` returns, or { failure }.
import { BODY_BYTES, makeBodies, writeNumbered } from "./bodies.mjs"
import * as Connection from "./connection.mjs"
import { quantile } from "./statistics.mjs"

const LAST_ANSWER_WITHIN_MS = 15_000
const PAUSE_AFTER_ERROR_MS = 100
const ERROR_SAMPLES = 3

const bodies = makeBodies(512)
let nextNumber = 1

const requestHead = (port) =>
  Buffer.from(
    `POST /api/v1/memories HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\n` +
      `content-length: ${BODY_BYTES}\r\n\r\n`,
    "latin1"
  )

/** Milliseconds since the epoch with a fraction, comparable between processes. */
const epochMillis = () => performance.timeOrigin + performance.now()

/** Each client owns the buffer of its one request in flight: it is rewritten only after the answer to it has come. */
const storing = (port) => {
  const head = requestHead(port)
  const clientsNext = () => {
    const request = Buffer.alloc(head.length + BODY_BYTES)
    head.copy(request)
    return () => {
      const number = nextNumber++
      writeNumbered(bodies[number % bodies.length], number, request, head.length)
      return request
    }
  }
  return { status: 201, clientsNext }
}

const asking = (requests) => {
  const buffers = requests.map((request) => Buffer.from(request))
  let sent = 0
  return { status: 200, clientsNext: () => () => buffers[sent++ % buffers.length] }
}

const makeClient = (next) => ({ next, connection: undefined, sentAt: 0, waiting: false })

const sendNext = (client) => {
  const request = client.next()
  client.waiting = true
  client.sentAt = performance.now()
  client.connection.send(request)
}

const makeTally = () => ({ accepted: 0, errors: 0, samples: [], latencies: [] })

const countError = (tally, text) => {
  tally.errors++
  if (tally.samples.length < ERROR_SAMPLES) tally.samples.push(text)
}

/** Opens every connection first, so that the window holds requests only. */
const connectAll = (clients, where, onAnswer, onClosed) =>
  Promise.all(
    clients.map(async (client) => {
      const answered = (status, bytes) => onAnswer(client, status, bytes)
      client.connection = await Connection.open(where, answered, (reason) => onClosed(client, reason))
    })
  )

const deferred = () => {
  let resolve
  const promise = new Promise((settle) => (resolve = settle))
  return { promise, resolve }
}

const drive = async ({ clients: count, isTls, port, requests, seconds }, tally) => {
  const work = requests === undefined ? storing(port) : asking(requests)
  const clients = Array.from({ length: count }, () => makeClient(work.clientsNext()))
  const done = deferred()
  let deadline = Infinity
  let running = count
  let ended = false

  const finish = (client) => {
    client.connection?.close()
    if (--running === 0) done.resolve()
  }
  const onAnswer = (client, status, bytes) => {
    const now = performance.now()
    client.waiting = false
    if (status === work.status) {
      tally.accepted++
      if (now <= deadline) tally.latencies.push(now - client.sentAt)
    } else {
      countError(tally, `status ${status}: ${Connection.bodyOf(bytes).slice(0, 300)}`)
    }
    if (now >= deadline || ended) finish(client)
    else if (status === work.status) sendNext(client)
    else setTimeout(() => (ended ? finish(client) : sendNext(client)), PAUSE_AFTER_ERROR_MS)
  }
  const onClosed = (client, reason) => {
    if (!client.waiting || ended) return
    client.waiting = false
    countError(tally, `connection lost: ${reason}`)
    finish(client)
  }

  await connectAll(clients, { isTls, port }, onAnswer, onClosed)
  const startedAt = epochMillis()
  const cpuBefore = process.cpuUsage()
  deadline = performance.now() + seconds * 1000
  for (const client of clients) sendNext(client)
  const giveUp = setTimeout(() => done.resolve(), seconds * 1000 + LAST_ANSWER_WITHIN_MS)
  await done.promise
  clearTimeout(giveUp)
  ended = true
  const cpu = process.cpuUsage(cpuBefore)
  const endedAt = epochMillis()
  for (const client of clients) {
    if (client.waiting) countError(tally, "no answer in time")
    client.connection.close()
  }
  return { startedAt, endedAt, cpuMicros: cpu.user + cpu.system }
}

/**
 * One cell. `accepted`: all 201s (200s of requests that were given), those after the window included (they are rows on
 * the nodes). `perSecond`, `p50` and `p99` (ms): those inside the window. Times are epoch milliseconds.
 */
const measure = async (request) => {
  const tally = makeTally()
  const { cpuMicros, endedAt, startedAt } = await drive(request, tally)
  const sorted = Float64Array.from(tally.latencies).sort()
  return {
    accepted: tally.accepted,
    errors: tally.errors,
    samples: tally.samples,
    startedAt,
    endedAt,
    perSecond: sorted.length / request.seconds,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    loadMicrosPerRequest: cpuMicros / Math.max(1, tally.accepted + tally.errors)
  }
}

process.on("message", (request) =>
  measure(request).then(
    (result) => process.send(result),
    (error) => process.send({ failure: error.message })
  ))
process.on("disconnect", () => process.exit(0))
