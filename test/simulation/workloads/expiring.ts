import * as Effect from "effect/Effect"
import { collectExpired } from "../../../src/operations/memories/collectExpired.js"
import { listConflicts } from "../../../src/operations/memories/listConflicts.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { promote } from "../../../src/operations/memories/promote.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "expiring"

/**
 * Memories that live for a few seconds, collected everywhere, and promoted when they are about to go: what was promoted stays,
 * whoever collects without knowing it.
 */
export const expiring: Begin = (scene) => {
  const promoted = new Set<string>()
  return {
    clients: [
      ...["a", "b"].map((name) => saving(scene, scene.client(`saviour-${name}`), promoted)),
      ...["x", "y"].map((name) => collecting(scene, scene.client(`collector-${name}`)))
    ],
    wrong: Effect.gen(function*() {
      const memories = yield* listMemories({ namespace: NAMESPACE, limit: 1000 })
      const conflicts = yield* listConflicts({ namespace: NAMESPACE, limit: 1000 })
      const tiers = new Map(memories.map(({ tier, title }) => [title, tier]))
      return [
        ...conflicts.map(({ archived, memory: { title } }) =>
          `${title} is in conflict${archived ? ", archived" : ""}: time writes nothing that could be`
        ),
        ...Array.from(promoted).flatMap((title) =>
          tiers.get(title) === "long" ? [] : [`${title} was promoted and is ${tiers.get(title) ?? "not there"}`]
        )
      ]
    })
  }
}

const saving = (scene: Scene, client: Client, promoted: Set<string>) =>
  Effect.gen(function*() {
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis / 2)
      const title = `${client.name} ${number}`
      const request = { title, content: title, namespace: NAMESPACE, ttl_secs: client.chance.int(1, 3) }
      const written = yield* client.insist({
        operation: "remember",
        effect: (caller) => remember(request, caller)
      })
      if (written.certainty !== "ok" || client.chance.chance(0.3)) continue
      yield* Effect.sleep(client.chance.between(0, 3_500))
      const { id } = written.value.memory
      const answer = yield* client.insist({
        operation: "promote",
        effect: (caller) => promote(id, caller)
      })
      if (answer.certainty !== "ok") continue
      scene.world.coverage.add("saved from expiry")
      promoted.add(title)
    }
  })

const collecting = (scene: Scene, client: Client) =>
  Effect.gen(function*() {
    while (scene.isOn()) {
      yield* client.pause(scene.world.options.thinkMillis / 3)
      const answer = yield* client.once(client.node(), {
        operation: "collectExpired",
        effect: (caller) => collectExpired(caller)
      })
      if (answer.certainty === "ok") scene.world.coverage.add("collected", answer.value.count)
    }
  })
