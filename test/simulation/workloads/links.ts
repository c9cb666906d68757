import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { link } from "../../../src/operations/graph/link.js"
import { unlink } from "../../../src/operations/graph/unlink.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { remove } from "../../../src/operations/memories/remove.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const MAX_ENDS = 4

/** Links between memories that not every node has yet, made and removed at all nodes. */
export const links: Begin = (scene) => {
  const known: Array<string> = []
  return {
    clients: ["a", "b"].map((name) => linking(scene, scene.client(`link-${name}`), known)),
    wrong: Effect.succeed([])
  }
}

const linking = (scene: Scene, client: Client, known: Array<string>) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      if (known.length < MAX_ENDS) {
        const title = `${client.name} ${number}`
        const answer = yield* client.once(client.node(), {
          operation: "remember",
          token: title,
          effect: (caller) => remember({ title, content: title, namespace: "links" }, caller)
        })
        if (answer.certainty === "ok") known.push(answer.value.memory.id)
        continue
      }
      const [source_id, target_id] = [chance.pick(known), chance.pick(known)]
      if (chance.chance(0.1)) {
        yield* client.once(client.node(), {
          operation: "remove",
          effect: (caller) => remove(source_id, { caller, ifMatch: Option.none() })
        }, client.newKey())
      } else if (chance.chance(0.6)) {
        scene.world.coverage.add("links")
        yield* client.once(client.node(), {
          operation: "link",
          effect: (caller) => link({ source_id, target_id }, caller)
        }, client.newKey())
      } else {
        yield* client.once(client.node(), {
          operation: "unlink",
          effect: (caller) => unlink({ source_id, target_id }, caller)
        }, client.newKey())
      }
    }
  })
