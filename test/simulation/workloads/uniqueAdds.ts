import * as Effect from "effect/Effect"
import { getMemory } from "../../../src/operations/memories/getMemory.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

/** Clients at all nodes store memories that nobody else touches: whatever was acknowledged must be everywhere. */
export const uniqueAdds: Begin = (scene) => {
  const acknowledged = new Map<string, string>()
  return {
    clients: ["a", "b"].map((name) => adding(scene, scene.client(`unique-${name}`), acknowledged)),
    wrong: Effect.map(
      listMemories({ namespace: "unique", limit: 1000 }),
      (memories) => {
        const contents = new Map(memories.map(({ content, title }) => [title, content]))
        return Array.from(acknowledged).flatMap(([title, content]) =>
          contents.get(title) === content
            ? []
            : [`${title} was acknowledged and is ${contents.get(title) ?? "not there"}`]
        )
      }
    )
  }
}

const adding = (scene: Scene, client: Client, acknowledged: Map<string, string>) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const title = `${client.name} ${number}`
      const content = `content of ${title}`
      const ask = {
        operation: "remember",
        token: content,
        effect: (caller: Parameters<typeof remember>[1]) => remember({ title, content, namespace: "unique" }, caller)
      }
      const answer = yield* chance.chance(0.7) ? client.insist(ask) : client.once(client.node(), ask)
      if (answer.certainty !== "ok") continue
      acknowledged.set(title, content)
      const { id } = answer.value.memory
      if (chance.chance(0.3)) {
        scene.world.coverage.add("reads")
        yield* client.once(client.node(), { operation: "getMemory", effect: () => getMemory(id) })
      }
    }
  })
