// The same mesh with telemetry off, and with all of it sent to a receiver: a tenth of the traces, metrics and logs.
import { fileURLToPath } from "node:url"
import { withMesh } from "./mesh.mjs"
import { poll } from "./poll.mjs"
import * as Processes from "./processes.mjs"
import { named } from "./step.mjs"

export const CLIENTS = 64
const ARRIVED_WITHIN_MS = 15_000

const told = (child) => new Promise((resolve) => child.once("message", resolve))

const environment = (port) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
  OTEL_TRACES_SAMPLER_ARG: "0.1"
})

const cell = (shape, options, telemetry, env, after = async () => {}) =>
  withMesh(shape, options.dir, async (measure) => {
    await measure(CLIENTS, options.warmUp)
    const measured = await measure(CLIENTS, options.seconds)
    await after()
    return [{ telemetry, ...measured }]
  }, { env })

const withReceiver = async (use) => {
  const receiver = Processes.forkModule(fileURLToPath(new URL("./receiver.mjs", import.meta.url)))
  try {
    const { port } = await told(receiver)
    const counted = () => {
      const answer = told(receiver)
      receiver.send("count")
      return answer
    }
    return await use(port, counted)
  } finally {
    await Processes.kill(receiver)
  }
}

const on = (shape, options) =>
  withReceiver((port, counted) => {
    const arrived = () =>
      poll("no trace has come", ARRIVED_WITHIN_MS, async () => (await counted()).traces > 0 ? true : undefined)
    return cell(shape, options, "on", environment(port), arrived)
  })

const off = (shape, options) => cell(shape, options, "off", {})

/** Both, every second repetition the other first. */
export const steps = (shape, options) =>
  (options.rep % 2 === 1 ? [off, on] : [on, off]).map((step) =>
    named(`telemetry ${step === on ? "on" : "off"}`, () => step(shape, options))
  )
