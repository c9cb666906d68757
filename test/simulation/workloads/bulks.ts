import * as Effect from "effect/Effect"
import { bulk } from "../../../src/operations/memories/bulk.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "bulks"

/** Rows that want the same title, as others of their call or as what is there: each text is there once, under some title. */
export const bulks: Begin = (scene) => {
  const stored = new Set<string>()
  const surprises: Array<string> = []
  return {
    clients: ["a", "b"].map((name) => storing(scene, scene.client(`bulk-${name}`), stored, surprises)),
    wrong: Effect.map(listMemories({ namespace: NAMESPACE, limit: 1000 }), (memories) => [
      ...surprises,
      ...Array.from(stored).flatMap((text) => {
        const found = memories.filter(({ content }) => content === text).length
        return found === 1 ? [] : [`"${text}" was stored and is there ${found} times`]
      })
    ])
  }
}

const storing = (scene: Scene, client: Client, stored: Set<string>, surprises: Array<string>) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis * 2)
      // Of several operations another node may know some: it would take those for all that were written under the key.
      const node = client.node()
      const title = `${client.name} ${number}`
      const row = (word: string, at = title) => ({ title: at, content: `${title} ${word}`, namespace: NAMESPACE })
      const held = `${title} held`
      if (chance.chance(0.4)) {
        yield* client.insist(
          { operation: "remember", effect: (caller) => remember(row("before", held), caller) },
          () => node
        )
      }
      const rows = [row("one"), row("one"), row("two"), row("new", held), row("two"), row("three")]
      const answer = yield* client.insist({ operation: "bulk", effect: (caller) => bulk(rows, caller) }, () => node)
      if (answer.certainty !== "ok") continue
      const refused = answer.value.errors.filter(({ id }) => id === undefined)
      // Who lost its disk may hear of some of what it had written under the key, and never of the rest.
      if (refused.length > 0 && scene.world.options.lostDisk === null) {
        surprises.push(`a row of ${title} was refused: ${JSON.stringify(refused)}`)
      }
      // What is not on enough nodes may still be lost with this one.
      if (answer.value.errors.length > 0) continue
      scene.world.coverage.add("bulks of one title")
      for (const word of ["one", "two", "three", "new"]) stored.add(`${title} ${word}`)
    }
  })
