// The load: a process of its own that keeps C requests in flight (closed loop) and answers one message per measurement.
// Message in: { ports | port, isTls, clients, seconds, rate?, ...what `workOf` takes }. Clients take the ports in turn; with a
// rate (requests/s, all clients together) each waits for its turn, as long as the node keeps up with it.
// Message out: what `measure` returns, or { failure }.
import * as Connection from "./connection.mjs"
import { quantile } from "./statistics.mjs"
import * as Work from "./work.mjs"

const LAST_ANSWER_WITHIN_MS = 15_000
const PAUSE_AFTER_ERROR_MS = 100
const ERROR_SAMPLES = 3

/** Milliseconds since the epoch with a fraction, comparable between processes. */
const epochMillis = () => performance.timeOrigin + performance.now()

const makeClient = (port, next) => ({ port, next, connection: undefined, sentAt: 0, waiting: false })

const sendNext = (client) => {
  const request = client.next()
  client.waiting = true
  client.sentAt = performance.now()
  client.connection.send(request)
}

const makeTally = () => ({ accepted: 0, errors: 0, samples: [], latencies: [] })

const SHORT = 200

const shortened = (text) => text.length > 2 * SHORT ? `${text.slice(0, SHORT)} … ${text.slice(-SHORT)}` : text

const countError = (tally, text) => {
  tally.errors++
  if (tally.samples.length < ERROR_SAMPLES) tally.samples.push(text)
}

/** Opens every connection first, so that the window holds requests only. */
const connectAll = (clients, isTls, onAnswer, onClosed) =>
  Promise.all(
    clients.map(async (client) => {
      const answered = (status, bytes) => onAnswer(client, status, bytes)
      const where = { isTls, port: client.port }
      client.connection = await Connection.open(where, answered, (reason) => onClosed(client, reason))
    })
  )

/** The turns of clients under a rate: `wait()` is how many milliseconds the next request is early. */
const makeTurns = (rate) => {
  let due = performance.now()
  return {
    wait: () => {
      if (rate === undefined) return 0
      due += 1000 / rate
      return due - performance.now()
    }
  }
}

const deferred = () => {
  let resolve
  const promise = new Promise((settle) => (resolve = settle))
  return { promise, resolve }
}

const drive = async ({ clients: count, isTls, ports, rate, seconds }, work, tally) => {
  const clients = Array.from({ length: count }, (_, index) => {
    const port = ports[index % ports.length]
    return makeClient(port, work.nextOf(port))
  })
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
    const isDone = status === work.status && work.isDone(bytes)
    client.waiting = false
    if (isDone) {
      tally.accepted++
      if (now <= deadline) tally.latencies.push(now - client.sentAt)
    } else {
      countError(tally, `status ${status}: ${shortened(Connection.bodyOf(bytes))}`)
    }
    if (now >= deadline || ended) return finish(client)
    const wait = isDone ? turns.wait() : PAUSE_AFTER_ERROR_MS
    if (wait < 1) sendNext(client)
    else setTimeout(() => (ended || performance.now() >= deadline ? finish(client) : sendNext(client)), wait)
  }
  const onClosed = (client, reason) => {
    if (!client.waiting || ended) return
    client.waiting = false
    countError(tally, `connection lost: ${reason}`)
    finish(client)
  }

  await connectAll(clients, isTls, onAnswer, onClosed)
  const startedAt = epochMillis()
  const cpuBefore = process.cpuUsage()
  deadline = performance.now() + seconds * 1000
  const turns = makeTurns(rate)
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
 * One cell. `accepted`: all answers with the status that counts, those after the window included, and `rows`: the memories
 * that they stored on the nodes. `perSecond`, `p50` and `p99` (ms): the answers inside the window. Times are epoch
 * milliseconds. `next`: the number of the next memory.
 */
const measure = async ({ port, ports = [port], ...request }) => {
  const tally = makeTally()
  const work = Work.workOf(request)
  const { cpuMicros, endedAt, startedAt } = await drive({ ...request, ports }, work, tally)
  const sorted = Float64Array.from(tally.latencies).sort()
  return {
    accepted: tally.accepted,
    rows: tally.accepted * work.rows,
    next: Work.next(),
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
