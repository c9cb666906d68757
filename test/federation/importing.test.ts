import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { linksOf } from "../../src/operations/graph/linksOf.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listConflicts } from "../../src/operations/memories/listConflicts.js"
import { remember } from "../../src/operations/memories/remember.js"
import { update } from "../../src/operations/memories/update.js"
import { importData, type ImportItem } from "../../src/operations/transfer/importData.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNodes } from "./inProcess.js"

const PAST = "2024-01-01T00:00:00.000000000+00:00"
const caller = { agentId: Option.some("ann"), idempotencyKey: Option.none() }

const row = (id: string, title: string, content: string): ImportItem => ({
  kind: "memory",
  at: id,
  value: {
    id,
    tier: "long",
    namespace: "import",
    title,
    content,
    tags: [],
    priority: 5,
    confidence: 1,
    source: "import",
    access_count: 0,
    created_at: PAST,
    updated_at: PAST,
    metadata: {}
  }
})

const link = (source_id: string, target_id: string): ImportItem => ({
  kind: "link",
  at: "link",
  value: { source_id, target_id, relation: "related_to", created_at: PAST }
})

describe("an import", () => {
  let nodes: ReadonlyArray<Node> = []
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))

  it("comes to one state on all nodes: ids, links, conflicts", async () => {
    nodes = startNodes(new Network(), ["http://a", "http://b", "http://c"], { w: 2 })
    const [first] = nodes
    assert.isDefined(first)
    const held = await first.runPromise(
      remember({ namespace: "import", title: "taken", content: "here", tier: "long" }, caller)
    )
    const expired = await first.runPromise(
      remember({ namespace: "import", title: "expired", content: "gone", tier: "mid" }, caller)
    )
    await first.runPromise(update(expired.memory.id, { expires_at: PAST }, { caller }))
    const imported = await first.runPromise(
      importData([
        row("one", "taken", "older"),
        row("two", "expired", "takes its place"),
        row("three", "free", "text"),
        link("one", "two"),
        link("three", expired.memory.id)
      ], caller)
    )
    assert.deepStrictEqual(
      [imported.created, imported.linksImported, imported.errors],
      [3, 2, []]
    )
    const state = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => [store.vector(), store.digest()]))
    const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))
    await until("equal vectors", async () => {
      const [one, ...others] = await Promise.all(nodes.map(vectorOf))
      return one !== undefined && others.every((other) => VersionVector.equals(one, other))
    })
    const ids = ["one", "two", "three", held.memory.id, expired.memory.id]
    const shown = (node: Node) =>
      node.runPromise(Effect.gen(function*() {
        const memories = yield* Effect.forEach(ids, (id) => Effect.option(getMemory(id)))
        const links = yield* Effect.forEach(ids, (id) => linksOf(id))
        const conflicts = yield* listConflicts({})
        return {
          memories: memories.map(Option.map(({ content, id }) => `${id} ${content}`)).map(Option.getOrNull),
          links: links.map((list) => list.map(({ source_id, target_id }) => [source_id, target_id])),
          conflicts: conflicts.map(({ memory, winner }) => [memory.id, winner.id])
        }
      }))
    const here = await shown(first)
    assert.deepStrictEqual(here, {
      memories: [
        "one older",
        "two takes its place",
        "three text",
        `${held.memory.id} here`,
        "two takes its place"
      ],
      links: [[["one", "two"]], [["one", "two"], ["three", "two"]], [["three", "two"]], [], [["one", "two"], [
        "three",
        "two"
      ]]],
      conflicts: [["one", held.memory.id]]
    })
    for (const node of nodes) {
      assert.deepStrictEqual(await shown(node), here)
      assert.deepStrictEqual(await state(node), await state(first))
    }
  })
})
