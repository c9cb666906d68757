import * as Predicate from "effect/Predicate"
import { fieldOf, listOf, momentOf, some, textOf, textsOf } from "../fields.js"
import { ROOT } from "../reading/elements.js"
import { drafted, type Format, type Key, type Row } from "../Row.js"

/** Lists of an agent file that hold no memories. */
const OTHERS: ReadonlySet<string> = new Set([
  "tools",
  "tool_rules",
  "tool_exec_environment_variables",
  "mcp_servers",
  "sources",
  "files",
  "groups",
  "skills",
  "in_context_message_indices",
  "message_buffer_autoclear"
])

/**
 * Agent files of Letta, of one agent or of several, and its exports of archival memory: blocks, passages and messages are
 * memories; tools and settings are not.
 */
export const letta: Format = {
  name: "letta",
  read: ({ list, value }) => {
    if (list === "blocks" || list === "core_memory") return blockOf(value)
    if (list === "agents") return agentOf(value)
    if (isPassage(list, value)) return [passage(value)]
    const isMessage = list === "messages" &&
      (textOf(value, "id")?.startsWith("message-") ?? Array.isArray(fieldOf(value, "content")))
    if (isMessage) return messageOf(value, "")
    if (OTHERS.has(list)) return []
    return list === ROOT && textOf(value, "agent_type") !== undefined ? [] : undefined
  }
}

const blockOf = (value: unknown): ReadonlyArray<Row> | undefined => {
  const label = textOf(value, "label")
  const content = textOf(value, "value")
  if (label === undefined || !Predicate.isString(fieldOf(value, "value"))) return undefined
  return content === undefined ? [] : [drafted({
    key: ["block", textOf(value, "id") ?? label],
    title: label,
    content,
    tags: ["block"],
    created: momentOf(value, "created_at"),
    updated: momentOf(value, "updated_at", "created_at"),
    metadata: some(value, "description", "limit", "metadata")
  })]
}

const agentOf = (value: unknown): ReadonlyArray<Row> | undefined => {
  if (!Predicate.isRecord(value)) return undefined
  const id = textOf(value, "id") ?? textOf(value, "name") ?? ""
  return listOf(value, "messages").flatMap((message) => messageOf(message, id))
}

const isPassage = (list: string, value: unknown): boolean =>
  textOf(value, "text") !== undefined &&
  (["passages", "archival_memory", "archival_passages"].includes(list) ||
    list === "" && ["embedding_config", "archive_id", "organization_id", "agent_id"].some((name) =>
        fieldOf(value, name) !== undefined
      ))

const passage = (value: unknown): Row =>
  drafted({
    key: keyOf("passage", textOf(value, "id")),
    content: textOf(value, "text") ?? "",
    tags: textsOf(value, "tags"),
    created: momentOf(value, "created_at"),
    updated: momentOf(value, "updated_at", "created_at"),
    metadata: some(value, "metadata", "metadata_", "agent_id", "archive_id", "file_name")
  })

/** What somebody said. Calls of tools and their answers are none. */
const messageOf = (value: unknown, agent: string): ReadonlyArray<Row> => {
  const role = textOf(value, "role") ?? ""
  const content = textOf(value, "content", "text") ??
    [...listOf(value, "content"), ...listOf(value, "text")].flatMap((part) => textOf(part, "text") ?? []).join("\n\n")
  if ((role !== "user" && role !== "assistant") || content.trim() === "") return []
  return [drafted({
    key: keyOf("message", textOf(value, "id"), agent),
    content,
    tags: ["chat", role],
    created: momentOf(value, "created_at", "date"),
    updated: momentOf(value, "updated_at", "created_at", "date"),
    metadata: { role, ...(agent === "" ? {} : { agent }), ...some(value, "name", "model") }
  })]
}

const keyOf = (kind: string, id: string | undefined, of = ""): Key | undefined =>
  id === undefined ? undefined : [kind, of, id]
