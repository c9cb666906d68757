import * as Effect from "effect/Effect"
import * as Stamp from "../../../src/domain/Stamp.js"
import { linksOf } from "../../../src/operations/graph/linksOf.js"
import { getMemory } from "../../../src/operations/memories/getMemory.js"
import { listConflicts } from "../../../src/operations/memories/listConflicts.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import { importData, type ImportItem } from "../../../src/operations/transfer/importData.js"
import type { Client } from "../Client.js"
import { EPOCH_MILLIS } from "../SimClock.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "imports"

/** What must be on every node. */
interface Brought {
  /** What is to be read under an id. */
  readonly texts: Map<string, string>
  /** What is to be read under a title. */
  readonly titles: Map<string, string>
  /** What lost, and is not to be gone without a trace. */
  readonly listed: Set<string>
  /** From one memory to another. */
  readonly links: Map<string, string>
}

/**
 * Whole exports are brought in, of rows that share their title with each other and with what is there, that are known in an
 * older or newer version, with links between them. No text is lost by it, and every node shows the same.
 */
export const imports: Begin = (scene) => {
  const brought: Brought = { texts: new Map(), titles: new Map(), listed: new Set(), links: new Map() }
  return {
    clients: ["a", "b"].map((name) => importing(scene, scene.client(`import-${name}`), brought)),
    wrong: Effect.gen(function*() {
      const memories = yield* listMemories({ namespace: NAMESPACE, limit: 1000 })
      const conflicts = yield* listConflicts({ namespace: NAMESPACE, limit: 1000 })
      const wrong: Array<string> = []
      for (const [id, text] of brought.texts) {
        const read = yield* Effect.orElseSucceed(Effect.map(getMemory(id), ({ content }) => content), () => "not there")
        if (read !== text) wrong.push(`${id} reads "${read}" and not "${text}"`)
      }
      for (const [title, text] of brought.titles) {
        const read = memories.filter((memory) => memory.title === title).map(({ content }) => content).join()
        if (read !== text) wrong.push(`${title} reads "${read}" and not "${text}"`)
      }
      const listed = new Set([...memories, ...conflicts.map(({ memory }) => memory)].map(({ content }) => content))
      for (const text of brought.listed) if (!listed.has(text)) wrong.push(`"${text}" is gone without a trace`)
      for (const [source, target] of brought.links) {
        const links = yield* linksOf(source)
        if (links.length !== 1 || links[0]?.target_id !== target) wrong.push(`${source} has lost its link to ${target}`)
      }
      return wrong
    })
  }
}

const importing = (scene: Scene, client: Client, brought: Brought) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis * 2)
      const node = client.node()
      const title = `${client.name} ${number}`
      const isHeld = chance.chance(0.4)
      if (isHeld) {
        const held = yield* client.insist({
          operation: "remember",
          effect: (caller) => remember({ title, content: `${title} held`, namespace: NAMESPACE }, caller)
        }, () => node)
        if (held.certainty !== "ok") continue
      }
      const rows = rowsOf(client, title)
      const [first, second, ...others] = rows
      if (first === undefined || second === undefined) continue
      const link = { source_id: second.id, target_id: first.id, relation: "related_to", created_at: first.updated_at }
      const items: ReadonlyArray<ImportItem> = [
        ...rows.map((value, index) => ({ kind: "memory" as const, value, at: `memories[${index}]` })),
        { kind: "link", value: link, at: "links[0]" }
      ]
      const answer = yield* client.insist({
        operation: "import",
        effect: (caller) => importData(items, caller)
      }, () => node)
      if (answer.certainty !== "ok") continue
      scene.world.coverage.add("imports of one title")
      const newest = rows.reduce((a, b) => a.updated_at > b.updated_at ? a : b)
      brought.texts.set(first.id, newest.id === first.id ? newest.content : first.content).set(
        second.id,
        second.content
      )
      for (const { content, id, updated_at } of others) {
        if (updated_at > first.updated_at) brought.texts.set(id, content)
      }
      // What was written here a moment ago is newer than all that is brought in.
      brought.titles.set(title, isHeld ? `${title} held` : newest.content)
      brought.links.set(second.id, first.id)
      for (const { content } of rows) brought.listed.add(content)
    }
  })

/** Two memories of one title, in any order, and perhaps another version of the first of them. */
const rowsOf = ({ chance }: Client, title: string) => {
  const row = (id: string, word: string) => {
    const at = Stamp.fromMillis(EPOCH_MILLIS - chance.int(1_000_000, 9_000_000))
    return {
      id,
      tier: "long",
      namespace: NAMESPACE,
      title,
      content: `${title} ${word}`,
      tags: [],
      priority: 5,
      confidence: 1,
      source: "import",
      access_count: 0,
      created_at: at,
      updated_at: at,
      metadata: {}
    }
  }
  const [first, second] = [chance.uuid(), chance.uuid()]
  const two = [row(first, "one"), row(second, chance.chance(0.3) ? "one" : "two")]
  return chance.chance(0.4) ? [...two, row(first, "three")] : two
}
