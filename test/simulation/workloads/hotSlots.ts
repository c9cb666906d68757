import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { remember } from "../../../src/operations/memories/remember.js"
import { remove } from "../../../src/operations/memories/remove.js"
import { update } from "../../../src/operations/memories/update.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const TITLES = ["first", "second", "third"]

/** Many clients want the same few titles, at all nodes, on both sides of a partition: rules of merging decide. */
export const hotSlots: Begin = (scene) => {
  const known: Array<string> = []
  return {
    clients: ["a", "b", "c"].map((name) => contending(scene, scene.client(`hot-${name}`), known)),
    wrong: Effect.succeed([])
  }
}

const contending = (scene: Scene, client: Client, known: Array<string>) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const content = `${client.name} wrote this ${number}`
      const key = chance.chance(0.3) ? client.newKey() : null
      const id = known.length > 0 && chance.chance(0.6) ? chance.pick(known) : null
      if (id === null) {
        const on_conflict = chance.pick(["error", "merge", "version"] as const)
        const answer = yield* client.once(client.node(), {
          operation: `remember ${on_conflict}`,
          token: content,
          effect: (caller) => remember({ title: chance.pick(TITLES), content, namespace: "hot", on_conflict }, caller)
        }, key)
        if (answer.certainty === "ok") known.push(answer.value.memory.id)
      } else if (chance.chance(0.6)) {
        const priority = chance.int(1, 10)
        yield* client.once(client.node(), {
          operation: "update",
          token: content,
          effect: (caller) => update(id, { content, priority }, { caller, ifMatch: Option.none() })
        }, key)
      } else {
        scene.world.coverage.add("deletes")
        yield* client.once(client.node(), {
          operation: "remove",
          effect: (caller) => remove(id, { caller, ifMatch: Option.none() })
        }, client.newKey())
      }
    }
  })
