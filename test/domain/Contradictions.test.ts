import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Contradictions from "../../src/domain/Contradictions.js"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"

const memory = (id: string, title: string, content: string, metadata: Memory["metadata"] = {}): Memory => ({
  id: MemoryId.make(id),
  tier: "mid",
  namespace: "global",
  title,
  content,
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: "",
  updated_at: "",
  metadata
})

const find = (memories: ReadonlyArray<Memory>, most = 100) =>
  Contradictions.find(memories, { topicOf: Contradictions.topicOf, most }).map((
    { source_id, target_id }
  ) => [source_id, target_id])

describe("contradictions", () => {
  it("are between different contents of one topic, from the newer to the older", () => {
    assert.deepStrictEqual(
      find([
        memory("1", "moon", "rock"),
        memory("2", "x", "cheese", { topic: "moon" }),
        memory("3", "sun", "hot"),
        memory("4", "moon", "other", { topic: "sun" }),
        memory("5", "y", "rock", { topic: "moon" }),
        memory("6", "sun", "hot", { topic: 7 })
      ]),
      [["1", "2"], ["3", "4"], ["2", "5"], ["4", "6"]]
    )
  })

  it("are every such pair once, as far as there is room", () => {
    const letters = FastCheck.constantFrom("a", "b", "c")
    const some = FastCheck.array(FastCheck.tuple(letters, letters), { maxLength: 12 })
    FastCheck.assert(FastCheck.property(some, FastCheck.nat(20), (given, most) => {
      const memories = given.map(([title, content], at) => memory(`${at}`, title, content))
      const pairs = memories.flatMap((newer, at) =>
        memories.slice(at + 1).filter(({ content, title }) => title === newer.title && content !== newer.content)
          .map((older) => `${newer.id} ${older.id}`)
      )
      const found = find(memories, most).map((pair) => pair.join(" "))
      assert.lengthOf(found, Math.min(most, pairs.length))
      assert.lengthOf(new Set(found), found.length)
      assert.includeMembers(pairs, found)
    }))
  })
})
