import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { remember } from "../../src/operations/memories/remember.js"
import { Network, type Node, startNodes } from "./inProcess.js"
import { Recorder } from "./recorder.js"

const [A, B] = ["http://a", "http://b"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

describe("x", () => {
  let nodes: ReadonlyArray<Node> = []
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))
  it("y", async () => {
    const network = new Network()
    const recorder = new Recorder()
    network.cut.add(B)
    nodes = startNodes(network, [A, B], {
      w: 2,
      tracer: recorder.tracerOf,
      logger: Logger.make(({ message, cause }) => console.log(String(message), String(cause)))
    })
    const [one] = nodes
    assert.isDefined(one)
    await new Promise((r) => setTimeout(r, 1000))
    await one.runPromise(Effect.void)
    await new Promise((r) => setTimeout(r, 1000))
    const r = await one.runPromise(remember({ title: "t", content: "c" }, nobody).pipe(Effect.either))
    console.log(r)
  })
})
