import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { MAX_COVERS_FORMAT_1 } from "../../src/domain/limits.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { promote } from "../../src/operations/memories/promote.js"
import { remove } from "../../src/operations/memories/remove.js"
import { update } from "../../src/operations/memories/update.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { storedElsewhere } from "../store/elsewhere.js"
import { memory } from "../store/memories.js"
import * as Node from "./node.js"

const onNode = <A, E, R>(test: Effect.Effect<A, E, R>) => test.pipe(Effect.provide(Node.layer()))

/** So many versions of one memory, from as many nodes that had not heard of each other. */
const pile = (count: number) =>
  Effect.gen(function*() {
    const node = yield* MemoryStore
    for (let index = 0; index < count; index++) {
      const stamp = Stamp.fromMillis(1_700_000_000_000 + index)
      const version = { ...memory("piled", "t", stamp), tier: "mid" as const, content: `version ${index}` }
      yield* node.receive([storedElsewhere(version, { node: `node-${index}` })])
    }
  })

const live = Effect.flatMap(MemoryStore, (store) =>
  Effect.flatMap(
    store.commitAll((batch) => {
      const held = batch.now().byId("piled")
      return Either.right(held === null ? 0 : batch.now().replaceable(held).length)
    }, null),
    ({ answer }) => answer
  ))

describe("many versions of one memory", () => {
  it.live(
    "end all of them with a deletion, more than one operation of version 0.2.0 could name",
    () =>
      onNode(Effect.gen(function*() {
        yield* pile(700)
        assert.strictEqual(yield* live, 700)
        yield* remove("piled")
        assert.isTrue(yield* Effect.isFailure(getMemory("piled")))
        assert.strictEqual(yield* live, 0)
      })),
    30_000
  )

  for (
    const [name, edit] of [["an edit", update("piled", { content: "newer" })], [
      "a promotion",
      promote("piled")
    ]] as const
  ) {
    it.live(`end with ${name} that had seen them`, () =>
      onNode(Effect.gen(function*() {
        yield* pile(20)
        yield* edit
        assert.strictEqual(yield* live, 1)
      })))
  }

  it.live(
    "are never left out of a deletion in silence: one that can not name them all is refused, and nothing is written",
    () =>
      onNode(Effect.gen(function*() {
        yield* pile(MAX_COVERS_FORMAT_1 + 1)
        const store = yield* MemoryStore
        yield* store.agreeWith({ offered: (format) => format === 1, clockSkew: () => null })
        const before = store.vector()
        const refused = yield* Effect.flip(remove("piled"))
        assert.strictEqual(refused._tag, "LocalWriteFailed")
        assert.include(refused.message, "257 versions")
        assert.strictEqual(store.vector(), before)
        assert.strictEqual(yield* live, MAX_COVERS_FORMAT_1 + 1)
        assert.strictEqual((yield* getMemory("piled")).content, `version ${MAX_COVERS_FORMAT_1}`)
      })),
    30_000
  )
})
