// How long after its 201 a write is on the last node, while clients write at half of what the mesh can take.
import http from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { withMesh } from "./mesh.mjs"
import { quantile } from "./statistics.mjs"

const CLIENTS = 64
/** One write in this time is followed to all nodes. */
const SAMPLE_EVERY_MS = 20
const FOLLOWED_PER_SECOND = 1000 / SAMPLE_EVERY_MS
const ARRIVED_WITHIN_MS = 10_000

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })

const ask = (port, path, body) =>
  new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST"
    const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": body.length }
    const request = http.request({ agent, host: "127.0.0.1", port, path, method, headers }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part) => (text += part)).on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode, text }))
    })
    request.on("error", reject)
    request.end(body)
  })

const untilThere = async (port, id) => {
  for (const start = performance.now(); performance.now() - start < ARRIVED_WITHIN_MS; await sleep(1)) {
    if ((await ask(port, `/api/v1/memories/${id}`)).status === 200) return
  }
  throw new Error(`a write was not on all nodes within ${ARRIVED_WITHIN_MS / 1000} s of its 201`)
}

/** Milliseconds from the 201 of one write until the last peer shows it. */
const follow = async (shape, [entry, ...peers], text) => {
  const { body, path } = shape.first(text)
  const { status, text: answer } = await ask(entry, path, body)
  if (status !== 201) throw new Error(`a write was answered ${status}`)
  const storedAt = performance.now()
  const { id } = JSON.parse(answer)
  await Promise.all(peers.map((port) => untilThere(port, id)))
  return performance.now() - storedAt
}

const followSome = async (shape, ports, seconds) => {
  const followed = []
  for (let at = 0; at < seconds * 1000; at += SAMPLE_EVERY_MS) {
    followed.push(follow(shape, ports, `followed, ${at} ms`))
    await sleep(SAMPLE_EVERY_MS)
  }
  return Float64Array.from(await Promise.all(followed)).sort()
}

export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (measure, running) => {
    await measure(CLIENTS, options.warmUp)
    const full = await measure(CLIENTS, options.seconds)
    const rate = Math.max(1, full.writesPerSecond / 2 - FOLLOWED_PER_SECOND)
    const [load, millis] = await Promise.all([
      running.load(CLIENTS, options.seconds, { rate }),
      followSome(shape, running.ports, options.seconds)
    ])
    const writesPerSecond = load.perSecond + millis.length / options.seconds
    return [{
      writesPerSecond,
      ofFull: writesPerSecond / full.writesPerSecond,
      lagP50: quantile(millis, 0.5),
      lagP99: quantile(millis, 0.99),
      followed: millis.length,
      errors: load.errors
    }]
  })
