// How fast a client hears that its write can not reach a quorum: the first after both peers were killed, and those that are
// sent when the links know it.
import { ask, getOk } from "./http.mjs"
import { withMesh } from "./mesh.mjs"
import { sumOf } from "./metricsText.mjs"
import { poll } from "./poll.mjs"

const KNOWN_WITHIN_MS = 60_000
const WARM_UP_CLIENTS = 64

const write = async (shape, port, text) => {
  const { body, path } = shape.first(text)
  const before = performance.now()
  const { status } = await ask(shape.isTls, port, path, { body })
  if (status !== 503) throw new Error(`a write without a quorum was answered ${status}`)
  return performance.now() - before
}

const untilKnown = (shape, port) => {
  let attempts = 0
  return poll("the links do not know that their peers are gone", KNOWN_WITHIN_MS, async () => {
    await write(shape, port, `to nobody ${++attempts}`)
    return sumOf(await getOk(shape.isTls, port, "/metrics"), "federation_breaker_open") >= 2 ? true : undefined
  })
}

export const measure = (shape, options) =>
  withMesh(shape, options.dir, async (warmUp, running) => {
    await warmUp(WARM_UP_CLIENTS, options.warmUp)
    const [port] = running.ports
    await Promise.all([running.stop(1), running.stop(2)])
    const firstMs = await write(shape, port, "to nobody")
    await untilKnown(shape, port)
    const { errors, p50, p99 } = await running.load(1, options.seconds, { status: 503 })
    return [{ firstMs, p50, p99, errors }]
  })
