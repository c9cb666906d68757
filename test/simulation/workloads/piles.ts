import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stamp from "../../../src/domain/Stamp.js"
import { archive } from "../../../src/operations/archive/archive.js"
import { listArchive } from "../../../src/operations/archive/listArchive.js"
import { purgeArchive } from "../../../src/operations/archive/purgeArchive.js"
import { consolidate } from "../../../src/operations/memories/consolidate.js"
import { listConflicts } from "../../../src/operations/memories/listConflicts.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { remove } from "../../../src/operations/memories/remove.js"
import { update } from "../../../src/operations/memories/update.js"
import { importData } from "../../../src/operations/transfer/importData.js"
import type { Client } from "../Client.js"
import { EPOCH_MILLIS } from "../SimClock.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "piles"

/** Versions of one memory, or claims of one title, that are made before they are ended. */
const HEIGHT = 320

/**
 * Versions of one memory that are made side by side at all nodes, or memories that claim one title, by the hundred. Then they
 * are ended, by one of the three ways there are, at a node that has all of them: nothing is left of them anywhere.
 */
export const piles: Begin = (scene) => {
  const client = scene.client("pile")
  const kept: Array<string> = []
  return {
    clients: [pile(scene, client, kept)],
    wrong: Effect.gen(function*() {
      const memories = yield* listMemories({ namespace: NAMESPACE, limit: 1000 })
      const conflicts = yield* listConflicts({ namespace: NAMESPACE, limit: 1000 })
      const archived = yield* listArchive({ namespace: NAMESPACE, limit: 1000 })
      const found = [...memories, ...[...conflicts, ...archived].map(({ memory }) => memory)].map(({ content }) =>
        content
      )
      const left = found.filter((content) => !kept.includes(content))
      return left.length === 0 ? [] : [`of what was ended ${left.length} are left, the first is "${left[0]}"`]
    })
  }
}

const pile = (scene: Scene, client: Client, kept: Array<string>) =>
  Effect.gen(function*() {
    const { chance, node } = { chance: client.chance, node: client.node() }
    const how = chance.pick(["remove", "consolidate", "purge", "shadows"] as const)
    const ids = how === "shadows" ? yield* claims(client) : yield* versions(scene, client)
    scene.world.coverage.add("piles")
    // What a node has not seen it does not end.
    while (!scene.world.isQuiet()) yield* Effect.sleep(200)
    const end = (id: string) =>
      client.insist({
        operation: "remove",
        effect: (caller) => remove(id, { caller, ifMatch: Option.none() })
      }, () => node)
    const [id] = ids
    if (id === undefined) return
    if (how === "remove") yield* end(id)
    else if (how === "shadows") {
      const read = { operation: "listMemories", effect: () => listMemories({ namespace: NAMESPACE, limit: 10 }) }
      const seen = yield* client.insist(read, () => node)
      if (seen.certainty === "ok") yield* Effect.forEach(seen.value, (memory) => end(memory.id))
    } else if (how === "purge") {
      yield* client.insist({ operation: "archive", effect: (caller) => archive({ ids: [id] }, caller) }, () => node)
      yield* client.insist({ operation: "purgeArchive", effect: (caller) => purgeArchive({}, caller) }, () => node)
    } else {
      const other = yield* client.insist({
        operation: "remember",
        effect: (caller) => remember({ title: "other", content: "other", namespace: NAMESPACE }, caller)
      }, () => node)
      if (other.certainty !== "ok") return
      const request = { ids: [id, other.value.memory.id], title: "sum", summary: "all in one", namespace: NAMESPACE }
      yield* client.insist({ operation: "consolidate", effect: (caller) => consolidate(request, caller) }, () => node)
      kept.push("all in one")
    }
  })

/** One memory, changed at all nodes at the same time, again and again. */
const versions = (scene: Scene, client: Client) =>
  Effect.gen(function*() {
    const { nodes } = scene.world
    const made = yield* client.insist({
      operation: "remember",
      effect: (caller) => remember({ title: "pile", content: "the first", namespace: NAMESPACE }, caller)
    })
    if (made.certainty !== "ok") return []
    const { id } = made.value.memory
    for (let count = 0; count < HEIGHT; count += nodes.length - 1) {
      yield* Effect.forEach(nodes, (node) =>
        client.once(node, {
          operation: "update",
          effect: (caller) => update(id, { content: `${node.name} ${count}` }, { caller, ifMatch: Option.none() })
        }), { concurrency: "unbounded", discard: true })
    }
    return [id]
  })

/** Many memories of one title, brought in at once. */
const claims = (client: Client) =>
  Effect.gen(function*() {
    const node = client.node()
    const ids = Array.from({ length: HEIGHT }, () => client.chance.uuid())
    const rows = ids.map((id, index) => ({
      id,
      tier: "long",
      namespace: NAMESPACE,
      title: "pile",
      content: `claim ${index}`,
      tags: [],
      priority: 5,
      confidence: 1,
      source: "import",
      access_count: 0,
      created_at: Stamp.fromMillis(EPOCH_MILLIS - 1_000_000 + index),
      updated_at: Stamp.fromMillis(EPOCH_MILLIS - 1_000_000 + index),
      metadata: {}
    }))
    const items = rows.map((value, index) => ({ kind: "memory" as const, value, at: `memories[${index}]` }))
    yield* client.insist({ operation: "import", effect: (caller) => importData(items, caller) }, () => node)
    return ids
  })
