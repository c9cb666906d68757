import * as Effect from "effect/Effect"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Begin } from "./Workload.js"

const MAX_ROWS = 3

/** A few memories near the largest size there is. */
export const largeRows: Begin = (scene) => {
  const client = scene.client("large")
  const acknowledged = new Map<string, number>()
  const add = (number: number) =>
    Effect.gen(function*() {
      yield* client.pause(scene.world.options.thinkMillis * 6)
      scene.world.coverage.add("large rows")
      const title = `large ${number}`
      const size = client.chance.int(60_000, 65_000)
      const content = `${title} `.repeat(10_000).slice(0, size)
      const answer = yield* client.insist({
        operation: "remember large",
        effect: (caller) => remember({ title, content, namespace: "large" }, caller)
      })
      if (answer.certainty === "ok") acknowledged.set(title, size)
    })
  return {
    clients: [
      Effect.iterate(0, {
        while: (number) => scene.isOn() && number < MAX_ROWS,
        body: (number) => Effect.as(add(number), number + 1)
      })
    ],
    wrong: Effect.map(
      listMemories({ namespace: "large", limit: 1000 }),
      (memories) =>
        Array.from(acknowledged).flatMap(([title, size]) => {
          const found = memories.find((memory) => memory.title === title)?.content.length
          return found === size ? [] : [`${title} has ${found} characters and not ${size}`]
        })
    )
  }
}
