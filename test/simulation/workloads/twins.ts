import * as Effect from "effect/Effect"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

/** The same write under the same key at two nodes at once: it must come to one memory, whatever is retried where. */
export const twins: Begin = (scene) => {
  const written = new Set<string>()
  return {
    clients: [twin(scene, scene.client("twin"), written)],
    wrong: Effect.map(
      listMemories({ namespace: "twins", limit: 1000 }),
      (memories) =>
        Array.from(written).flatMap((title) => {
          const found = memories.filter((memory) => memory.title === title).length
          return found === 1 ? [] : [`${title} was written under one key and is there ${found} times`]
        })
    )
  }
}

const twin = (scene: Scene, client: Client, written: Set<string>) =>
  Effect.gen(function*() {
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis * 2)
      const title = `twin ${number}`
      const ask = {
        operation: "remember",
        token: `content of ${title}`,
        effect: (caller: Parameters<typeof remember>[1]) =>
          remember({ title, content: `content of ${title}`, namespace: "twins" }, caller)
      }
      const key = client.newKey()
      const answers = yield* Effect.all([
        client.once(client.node(), ask, key),
        client.once(client.node(), ask, key),
        Effect.zipRight(client.pause(300), client.once(client.node(), ask, key))
      ], { concurrency: "unbounded" })
      if (answers.some(({ certainty }) => certainty === "ok")) written.add(title)
    }
  })
