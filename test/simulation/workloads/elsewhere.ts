import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { getMemory } from "../../../src/operations/memories/getMemory.js"
import { listConflicts } from "../../../src/operations/memories/listConflicts.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { remove } from "../../../src/operations/memories/remove.js"
import { update } from "../../../src/operations/memories/update.js"
import type { Caller } from "../../../src/operations/writing/Written.js"
import type { Client } from "../Client.js"
import type { SimNode } from "../SimNode.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "elsewhere"

/**
 * Whatever is not answered, or not with success, is repeated at another node under its key; and what was written is changed
 * and deleted like that, too. Each is one write, wherever it was made how often: what was deleted is gone for good, and nobody
 * but the client itself wrote, so that there is no conflict.
 */
export const elsewhere: Begin = (scene) => {
  const left = new Map<string, string | null>()
  return {
    clients: ["a", "b"].map((name) => wandering(scene, scene.client(`elsewhere-${name}`), left)),
    wrong: Effect.gen(function*() {
      const memories = yield* listMemories({ namespace: NAMESPACE, limit: 1000 })
      const conflicts = yield* listConflicts({ namespace: NAMESPACE, limit: 1000 })
      const wrong = conflicts.map(({ memory: { content, title } }) => `${title} is in conflict with itself: ${content}`)
      for (const [title, content] of left) {
        const found = memories.filter((memory) => memory.title === title).map((memory) => memory.content)
        if (found.join() !== (content ?? "")) wrong.push(`${title} is [${found.join()}], its client left ${content}`)
      }
      return wrong
    })
  }
}

const wandering = (scene: Scene, client: Client, left: Map<string, string | null>) =>
  Effect.gen(function*() {
    const { world } = scene
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(world.options.thinkMillis)
      const title = `${client.name} ${number}`
      const written = yield* client.insist({
        operation: "remember",
        token: `${title} as it was`,
        effect: (caller) => remember({ title, content: `${title} as it was`, namespace: NAMESPACE }, caller)
      }, otherEachTime(scene, client))
      if (written.certainty !== "ok") continue
      const { id } = written.value.memory
      left.set(title, `${title} as it was`)
      if (client.chance.chance(0.5)) {
        const content = `${title} as it is`
        yield* client.insist({
          operation: "update",
          token: content,
          passing: ["NotFound"],
          effect: (caller) => update(id, { content }, { caller, ifMatch: Option.none() })
        }, otherEachTime(scene, client))
        left.set(title, content)
      }
      if (client.chance.chance(0.6)) {
        world.coverage.add("deletes elsewhere")
        yield* client.insist({
          operation: "remove",
          passing: ["NotFound", "VersionMismatch"],
          effect: (caller) => removeSeen(id, left.get(title) ?? "", caller)
        }, otherEachTime(scene, client))
        left.set(title, null)
      }
    }
  })

/** What a node has not seen it does not end: there the client deletes nothing but what it deleted before under the same key. */
const removeSeen = (id: string, content: string, caller: Caller) =>
  Effect.flatMap(
    Effect.catchTag(getMemory(id), "NotFound", () => Effect.succeed(null)),
    (memory) => remove(id, { caller, ifMatch: Option.some(memory?.content === content ? memory.updated_at : "none") })
  )

/** Never the same node twice in a row. */
const otherEachTime = ({ world }: Scene, { chance }: Client): () => SimNode => {
  let last: SimNode | null = null
  return () => {
    last = chance.pick(world.nodes.filter((node) => node !== last))
    return last
  }
}
