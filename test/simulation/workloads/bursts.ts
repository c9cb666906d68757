import * as Effect from "effect/Effect"
import { remember } from "../../../src/operations/memories/remember.js"
import { POISON } from "../SimNetwork.js"
import type { Begin } from "./Workload.js"

/** Many writes at one node in one moment: they share commits and pushes, and one of them may be spoilt on its way. */
export const bursts: Begin = (scene) => {
  const client = scene.client("burst")
  const { chance } = client
  const burst = (number: number) =>
    Effect.gen(function*() {
      yield* client.pause(scene.world.options.thinkMillis * 8)
      const node = client.node()
      const size = chance.int(3, 12)
      const bad = chance.chance(0.5) ? chance.int(0, size - 1) : -1
      yield* Effect.forEach(Array.from({ length: size }, (_, index) => index), (index) => {
        const title = `burst ${number} ${index}`
        const content = `${index === bad ? POISON : "good:"} ${title}`
        return client.once(node, {
          operation: "remember",
          token: content,
          effect: (caller) => remember({ title, content, namespace: "bursts" }, caller)
        })
      }, { concurrency: "unbounded", discard: true })
    })
  return {
    clients: [Effect.iterate(0, { while: () => scene.isOn(), body: (number) => Effect.as(burst(number), number + 1) })],
    wrong: Effect.succeed([])
  }
}
