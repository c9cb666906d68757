import * as Effect from "effect/Effect"
import { clearStandard, setStandard } from "../../../src/operations/governance/setStandard.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACES = ["house", "house-garden"]

/** Standards of namespaces are set and cleared at all nodes. */
export const standards: Begin = (scene) => ({
  clients: ["a", "b"].map((name) => ruling(scene, scene.client(`ruler-${name}`))),
  wrong: Effect.succeed([])
})

const ruling = (scene: Scene, client: Client) =>
  Effect.gen(function*() {
    const { chance } = client
    while (scene.isOn()) {
      yield* client.pause(scene.world.options.thinkMillis)
      const namespace = chance.pick(NAMESPACES)
      scene.world.coverage.add("standards")
      if (chance.chance(0.6)) {
        // It writes two operations: repeated at a node that knows only one of them it would be answered by that one.
        const node = client.node()
        yield* client.insist({
          operation: "setStandard",
          effect: (caller) => setStandard({ namespace }, caller)
        }, () => node)
      } else {
        yield* client.once(client.node(), {
          operation: "clearStandard",
          effect: (caller) => clearStandard(namespace, caller)
        }, client.newKey())
      }
    }
  })
