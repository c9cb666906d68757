import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { getMemory, MemoryNode, NodeConfig, recall, remember, remove } from "../src/index.js"

describe("a node inside another program", () => {
  it.live("stores, recalls and deletes without opening a port", () =>
    Effect.gen(function*() {
      const listening = () => process.getActiveResourcesInfo().filter((resource) => resource === "TCPServerWrap").length
      const before = listening()
      const written = yield* remember({ title: "embedded", content: "a node is a layer" })
      assert.strictEqual(written.acks, 1)
      assert.deepStrictEqual((yield* getMemory(written.memory.id)).title, "embedded")
      const found = yield* recall({ context: "which layer is a node" })
      assert.deepStrictEqual(found.memories.map(({ id }) => id), [written.memory.id])
      yield* remove(written.memory.id)
      const gone = yield* Effect.flip(getMemory(written.memory.id))
      assert.strictEqual(gone._tag, "NotFound")
      assert.strictEqual(listening(), before)
    }).pipe(Effect.provide(MemoryNode.layer.pipe(Layer.provide(NodeConfig.layerWith({ db: ":memory:" }))))))
})
