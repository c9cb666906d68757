import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { remember } from "../../../src/operations/memories/remember.js"
import { update } from "../../../src/operations/memories/update.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const TITLES = ["north", "east", "south", "west"]

/** Memories that go from title to title, at all nodes, into places that others leave or want. */
export const renames: Begin = (scene) => {
  const known: Array<string> = []
  return {
    clients: ["a", "b"].map((name) => renaming(scene, scene.client(`rename-${name}`), known)),
    wrong: Effect.succeed([])
  }
}

const renaming = (scene: Scene, client: Client, known: Array<string>) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const title = chance.pick(TITLES)
      const content = `${client.name} ${number}`
      if (known.length < 3) {
        const answer = yield* client.once(client.node(), {
          operation: "remember",
          token: content,
          effect: (caller) => remember({ title, content, namespace: "renames" }, caller)
        })
        if (answer.certainty === "ok") known.push(answer.value.memory.id)
        continue
      }
      scene.world.coverage.add("renames")
      const id = chance.pick(known)
      yield* client.once(client.node(), {
        operation: "rename",
        effect: (caller) => update(id, { title }, { caller, ifMatch: Option.none() })
      }, client.newKey())
    }
  })
