import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { remove } from "../../../src/operations/memories/remove.js"
import { update } from "../../../src/operations/memories/update.js"
import type { Client } from "../Client.js"
import type { SimNode } from "../SimNode.js"
import type { Begin, Scene } from "./Workload.js"

/** What a client knows to be in its slot. */
interface Owned {
  readonly id: string
  readonly content: string
  readonly priority: number
}

/**
 * Each client alone writes one slot, at one node, one write after the other: it creates, changes, deletes and recreates.
 * So there is exactly one state that the slot can be in at the end.
 */
export const ownSlot: Begin = (scene) => {
  const slots = new Map<string, Owned | null>()
  const surprises: Array<string> = []
  const clients = ["a", "b"].map((name) => {
    const client = scene.client(`own-${name}`)
    return owning({ scene, client, home: client.chance.pick(scene.world.nodes), slots, surprises })
  })
  return {
    clients,
    wrong: Effect.map(listMemories({ namespace: "own", limit: 1000 }), (memories) => {
      const found = new Map(
        memories.map(({ content, id, priority, title }) => [title, JSON.stringify({ id, content, priority })])
      )
      return Array.from(slots).flatMap(([title, owned]) => {
        const expected = owned === null ? "nothing" : JSON.stringify(owned)
        const actual = found.get(title) ?? "nothing"
        return actual === expected ? [] : [`${title} holds ${actual}, its only writer left ${expected}`]
      }).concat(surprises)
    })
  }
}

const owning = ({ client, home, scene, slots, surprises }: {
  readonly scene: Scene
  readonly client: Client
  readonly home: SimNode
  readonly slots: Map<string, Owned | null>
  readonly surprises: Array<string>
}) =>
  Effect.gen(function*() {
    const title = client.name
    const { chance } = client
    const surprised = (what: string) => surprises.push(`${title}: ${what}`)
    const open = () => home
    // A node that lost its disk has to hear first of what it held.
    const passing = scene.world.options.lostDisk === null ? [] : ["NotFound", "SlotTaken"]
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const content = `${title} holds ${number}`
      const priority = chance.int(1, 10)
      const held = slots.get(title) ?? null
      if (held === null) {
        const answer = yield* client.insist({
          operation: "remember",
          token: content,
          passing,
          effect: (caller) => remember({ title, content, priority, namespace: "own" }, caller)
        }, open)
        if (answer.certainty === "ok") slots.set(title, { id: answer.value.memory.id, content, priority })
        else surprised(`a free slot could not be written: ${JSON.stringify(answer)}`)
      } else if (chance.chance(0.5)) {
        const answer = yield* client.insist({
          operation: "update",
          token: content,
          passing,
          effect: (caller) => update(held.id, { content, priority }, { caller, ifMatch: Option.none() })
        }, open)
        if (answer.certainty === "ok") slots.set(title, { ...held, content, priority })
        else surprised(`an own memory could not be changed: ${JSON.stringify(answer)}`)
      } else {
        scene.world.coverage.add("deletes")
        const answer = yield* client.insist({
          operation: "remove",
          passing,
          effect: (caller) => remove(held.id, { caller, ifMatch: Option.none() })
        }, open)
        if (answer.certainty === "ok") slots.set(title, null)
        else surprised(`an own memory could not be deleted: ${JSON.stringify(answer)}`)
      }
    }
  })
