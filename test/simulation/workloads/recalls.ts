import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { MemoryId } from "../../../src/domain/ids.js"
import { listConflicts } from "../../../src/operations/memories/listConflicts.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { update } from "../../../src/operations/memories/update.js"
import { recall } from "../../../src/operations/recall/recall.js"
import type { Client } from "../Client.js"
import type { Failure } from "../World.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "recalls"
const WORD = "heron"

interface Note {
  readonly id: MemoryId
  readonly content: string
}

/**
 * Some read and read, at all nodes, until what they read is promoted and counts for more; others change what is read, each its
 * own memory at one node. Reading undoes no edit, and is in conflict with nothing.
 */
export const recalls: Begin = (scene) => {
  const notes = new Map<string, Note>()
  const surprises: Array<string> = []
  const editors = ["a", "b"].map((name) => editing(scene, scene.client(`editor-${name}`), notes, surprises))
  const readers = ["x", "y", "z"].map((name) => reading(scene, scene.client(`reader-${name}`)))
  return {
    clients: [...editors, ...readers],
    wrong: Effect.gen(function*() {
      const memories = yield* listMemories({ namespace: NAMESPACE, limit: 1000 })
      const conflicts = yield* listConflicts({ namespace: NAMESPACE, limit: 1000 })
      scene.world.coverage.add("promotions", memories.filter(({ tier }) => tier === "long").length)
      const found = new Map(memories.map(({ content, title }) => [title, content]))
      return [
        ...surprises,
        ...conflicts.map(({ memory: { content, title } }) => `${title} is in conflict: ${content}`),
        ...Array.from(notes).flatMap(([title, { content }]) =>
          found.get(title) === content
            ? []
            : [`${title} reads "${found.get(title)}", its only writer left "${content}"`]
        )
      ]
    })
  }
}

/** One of its memories is written once and left alone, the other is changed again and again. */
const editing = (scene: Scene, client: Client, notes: Map<string, Note>, surprises: Array<string>) =>
  Effect.gen(function*() {
    const home = client.node()
    // A node that lost its disk does not have everything at once.
    const passing = scene.world.options.lostDisk === null ? [] : ["NotFound"]
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const title = `${client.name} ${number === 0 ? "still" : "busy"}`
      const content = `${WORD} ${number} of ${title}`
      const note = notes.get(title)
      const answer = yield* client.insist<{ readonly memory: { readonly id: MemoryId } }, Failure>({
        operation: note === undefined ? "remember" : "update",
        token: content,
        passing,
        effect: (caller) =>
          note === undefined
            ? remember({ title, content, namespace: NAMESPACE, tier: "mid" }, caller)
            : update(note.id, { content }, { caller, ifMatch: Option.none() })
      }, () => home)
      if (answer.certainty === "ok") notes.set(title, { id: answer.value.memory.id, content })
      else surprises.push(`${title} could not be written: ${JSON.stringify(answer)}`)
    }
  })

const reading = (scene: Scene, client: Client) =>
  Effect.gen(function*() {
    const node = client.node()
    while (scene.isOn()) {
      yield* client.pause(scene.world.options.thinkMillis / 6)
      scene.world.coverage.add("recalls")
      const at = client.chance.chance(0.7) ? node : client.node()
      yield* client.once(at, {
        operation: "recall",
        effect: () => recall({ context: WORD, namespace: NAMESPACE })
      })
    }
  })
