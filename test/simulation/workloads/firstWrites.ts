import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { SimNode } from "../SimNode.js"
import type { Begin, Scene } from "./Workload.js"

/** As soon as a node listens it is written to, before it can have heard of any other. */
export const firstWrites: Begin = (scene) => {
  const acknowledged = new Map<string, string>()
  return {
    clients: ["a", "b"].map((name) => writing(scene, scene.client(`first-${name}`), acknowledged)),
    wrong: Effect.map(listMemories({ namespace: "first", limit: 1000 }), (memories) => {
      const contents = new Map(memories.map(({ content, title }) => [title, content]))
      return Array.from(acknowledged).flatMap(([title, content]) =>
        contents.get(title) === content
          ? []
          : [`${title} was acknowledged and is ${contents.get(title) ?? "not there"}`]
      )
    })
  }
}

/** Nobody starts any more once the faults have ended. */
const PATIENCE_MILLIS = 500

/** The next node that begins to listen. */
const nextStart = ({ world }: Scene): Effect.Effect<Option.Option<SimNode>> =>
  Effect.timeoutOption(
    Effect.async<SimNode>((resume) => {
      const tell = (node: SimNode) => {
        world.onListening.delete(tell)
        resume(Effect.succeed(node))
      }
      world.onListening.add(tell)
      return Effect.sync(() => world.onListening.delete(tell))
    }),
    PATIENCE_MILLIS
  )

const writing = (scene: Scene, client: Client, acknowledged: Map<string, string>) =>
  Effect.gen(function*() {
    for (let number = 0; scene.isOn();) {
      const started = yield* nextStart(scene)
      if (Option.isNone(started)) continue
      const some = Array.from({ length: client.chance.int(1, 4) }, () => number++)
      yield* Effect.forEach(some, (each) => {
        scene.world.coverage.add("writes at once after a start")
        const title = `${client.name} ${each}`
        const content = `content of ${title}`
        return Effect.map(
          client.insist({
            operation: "remember",
            token: content,
            effect: (caller) => remember({ title, content, namespace: "first" }, caller)
          }, () => started.value),
          ({ certainty }) => {
            if (certainty === "ok") acknowledged.set(title, content)
          }
        )
      }, { concurrency: client.chance.chance(0.5) ? 1 : 4, discard: true })
    }
  })
