import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { archive } from "../../../src/operations/archive/archive.js"
import { restore } from "../../../src/operations/archive/restore.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { update } from "../../../src/operations/memories/update.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const TITLES = ["upper shelf", "lower shelf"]

/** Memories go into the archive and come back, while others take their places. */
export const archives: Begin = (scene) => {
  const known: Array<string> = []
  return {
    clients: ["a", "b"].map((name) => shelving(scene, scene.client(`shelf-${name}`), known)),
    wrong: Effect.succeed([])
  }
}

const shelving = (scene: Scene, client: Client, known: Array<string>) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const content = `${client.name} ${number}`
      if (known.length === 0 || chance.chance(0.25)) {
        const answer = yield* client.once(client.node(), {
          operation: "remember",
          token: content,
          effect: (caller) => remember({ title: chance.pick(TITLES), content, namespace: "shelves" }, caller)
        })
        if (answer.certainty === "ok") known.push(answer.value.memory.id)
        continue
      }
      const id = chance.pick(known)
      const does = chance.pick(["archive", "archive", "restore", "update"] as const)
      scene.world.coverage.add("archive moves")
      if (does === "archive") {
        const ids = Array.from(new Set([id, chance.pick(known)]))
        // Of two operations another node may know one: it would take that for all that was written under the key.
        const node = client.node()
        yield* client.insist({ operation: does, effect: (caller) => archive({ ids }, caller) }, () => node)
      } else if (does === "restore") {
        yield* client.insist({ operation: does, effect: (caller) => restore(id, caller) })
      } else {
        yield* client.once(client.node(), {
          operation: does,
          token: content,
          effect: (caller) => update(id, { content }, { caller, ifMatch: Option.none() })
        })
      }
    }
  })
