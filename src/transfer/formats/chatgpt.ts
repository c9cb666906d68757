import * as Predicate from "effect/Predicate"
import type { Stamp } from "../../domain/Stamp.js"
import { fieldOf, listOf, momentOf, some, textOf } from "../fields.js"
import { drafted, type Format, problem, type Row } from "../Row.js"

/**
 * `conversations.json` of ChatGPT: each conversation is a tree of messages, of which the branch that its user saw last is taken.
 * Every message of that is a memory, in its order.
 */
export const chatgpt: Format = {
  name: "chatgpt",
  read: ({ value }) => {
    const mapping = fieldOf(value, "mapping")
    if (!Predicate.isRecord(mapping)) return undefined
    const id = textOf(value, "conversation_id", "id") ?? textOf(value, "current_node") ?? ""
    const title = textOf(value, "title") ?? "Conversation"
    const branch = branchOf(mapping, textOf(value, "current_node"))
    if (branch.length === 0 && Object.keys(mapping).length > 0) {
      return [problem("none of the messages of this conversation is the last of its branch")]
    }
    const rows: Array<Row> = []
    for (const node of branch) {
      const message = fieldOf(node, "message")
      const content = contentOf(message)
      if (content === "" || isHidden(message)) continue
      rows.push(row(message, { id, title, content, position: rows.length + 1, begun: momentOf(value, "create_time") }))
    }
    return rows
  }
}

interface Place {
  readonly id: string
  readonly title: string
  readonly content: string
  readonly position: number
  readonly begun: Stamp | undefined
}

const row = (message: unknown, { begun, content, id, position, title }: Place): Row => {
  const role = textOf(fieldOf(message, "author"), "role") ?? "unknown"
  return drafted({
    key: [id, textOf(message, "id") ?? String(position)],
    title: `${title} · ${position}`,
    content,
    tags: ["chat", role],
    created: momentOf(message, "create_time") ?? begun,
    updated: momentOf(message, "update_time", "create_time") ?? begun,
    metadata: {
      conversation: title,
      conversation_id: id,
      position,
      role,
      ...some(fieldOf(message, "metadata"), "model_slug")
    }
  })
}

/** From the root to the current message, by its parents. A circle ends where it begins. */
const branchOf = (mapping: Record<string, unknown>, current: string | undefined): ReadonlyArray<unknown> => {
  const branch: Array<unknown> = []
  const seen = new Set<string>()
  for (let id = current ?? leafOf(mapping); id !== undefined && Object.hasOwn(mapping, id) && !seen.has(id);) {
    seen.add(id)
    const node = mapping[id]
    branch.push(node)
    id = textOf(node, "parent")
  }
  return branch.reverse()
}

/** Where nothing is current: the end of the way by the latest answers. */
const leafOf = (mapping: Record<string, unknown>): string | undefined => {
  let leaf = Object.keys(mapping).find((id) => textOf(mapping[id], "parent") === undefined)
  for (const seen = new Set<string>(); leaf !== undefined && !seen.has(leaf);) {
    seen.add(leaf)
    const next = listOf(mapping[leaf], "children").filter(Predicate.isString).at(-1)
    if (next === undefined || !Object.hasOwn(mapping, next)) return leaf
    leaf = next
  }
  return leaf
}

/** The system's own words, and what the program hides from its user. */
const isHidden = (message: unknown): boolean =>
  textOf(fieldOf(message, "author"), "role") === "system" ||
  fieldOf(fieldOf(message, "metadata"), "is_visually_hidden_from_conversation") === true

const contentOf = (message: unknown): string => {
  const content = fieldOf(message, "content")
  const parts = listOf(content, "parts").flatMap((part) =>
    Predicate.isString(part) ? [part] : [textOf(part, "text") ?? placeholder(part)]
  )
  const text = parts.length > 0 ? parts : [textOf(content, "text", "result") ?? ""]
  return text.filter((part) => part.trim() !== "").join("\n\n").trim()
}

/** What is no text is named, so that nobody looks for it in vain. */
const placeholder = (part: unknown): string => {
  const type = textOf(part, "content_type")
  return type === undefined ? "" : `[${type.replace(/_/g, " ")}]`
}
