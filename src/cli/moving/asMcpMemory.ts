import * as Predicate from "effect/Predicate"
import { fieldOf, textOf } from "../../transfer/fields.js"
import type { Exported } from "./download.js"

/**
 * An export as the memory server of the Model Context Protocol keeps its graph: a memory is an entity of its title, a link a
 * relation. What came from such a file goes out as it was. Memories that are not visible have no place in it.
 */
export const asMcpMemory = () => {
  const names = new Map<string, string>()
  const taken = new Set<string>()

  const nameOf = (id: string, title: string, namespace: string): string => {
    let name = title
    for (let count = 1; taken.has(name); count++) {
      name = count === 1
        ? `${title} (${namespace})`
        : `${title} (${namespace} ${count})`
    }
    taken.add(name)
    names.set(id, name)
    return name
  }

  return ({ type, value }: Exported): string | undefined => {
    if (type === "memory") {
      const relation = relationOf(value)
      return JSON.stringify(
        relation ?? entityOf(value, nameOf(String(value["id"]), String(value["title"]), String(value["namespace"])))
      )
    }
    if (type !== "link") return undefined
    const from = names.get(String(value["source_id"]))
    const to = names.get(String(value["target_id"]))
    return from === undefined || to === undefined
      ? undefined
      : JSON.stringify({ type: "relation", from, to, relationType: value["relation"] })
  }
}

const importedOf = (value: unknown): unknown => fieldOf(fieldOf(value, "metadata"), "imported")

/** A memory that stands for a relation of such a graph. */
const relationOf = (value: unknown) => {
  const relation = fieldOf(importedOf(value), "relation")
  const [from, to, relationType] = [textOf(relation, "from"), textOf(relation, "to"), textOf(relation, "type")]
  return from === undefined || to === undefined || relationType === undefined
    ? undefined
    : { type: "relation", from, to, relationType }
}

const entityOf = (value: Exported["value"], name: string) => {
  const imported = importedOf(value)
  const content = String(value["content"])
  const [tag] = Array.isArray(value["tags"]) ? value["tags"] : []
  const isOurs = textOf(imported, "from") !== "mcp-memory"
  return {
    type: "entity",
    name,
    entityType: isOurs ? Predicate.isString(tag) ? tag : "memory" : textOf(imported, "entity_type") ?? "",
    observations: isOurs
      ? [content]
      : content === name && fieldOf(imported, "observed") === 0
      ? []
      : observationsOf(content)
  }
}

/** A line each; one that is set in belongs to that before it. */
const observationsOf = (content: string): ReadonlyArray<string> =>
  content.split(/\n(?! {2})/).map((observation) => observation.replace(/\n {2}/g, "\n"))
