import * as Predicate from "effect/Predicate"
import { fieldOf, listOf, momentOf, textOf } from "../fields.js"
import { drafted, type Format, type Key, type Row } from "../Row.js"

/**
 * The export of Claude: conversations with their messages, each of which is a memory, and projects with their documents.
 */
export const claude: Format = {
  name: "claude",
  read: ({ list, value }) => {
    const id = textOf(value, "uuid")
    if (id === undefined) return undefined
    if (Array.isArray(fieldOf(value, "chat_messages"))) {
      const name = textOf(value, "name") ?? "Conversation"
      const messages = listOf(value, "chat_messages").filter((message) => contentOf(message) !== "")
      return messages.map((message, index) => row(message, { id, name, position: index + 1, conversation: value }))
    }
    if (list === "chat_messages") return [row(value, { id: "", name: "Conversation", position: 0, conversation: {} })]
    return Array.isArray(fieldOf(value, "docs")) ? projectOf(id, value) : undefined
  }
}

interface Place {
  readonly id: string
  readonly name: string
  readonly position: number
  readonly conversation: unknown
}

const row = (message: unknown, { conversation, id, name, position }: Place): Row => {
  const role = textOf(message, "sender") ?? "unknown"
  const begun = momentOf(conversation, "created_at")
  return drafted({
    key: [id, textOf(message, "uuid") ?? String(position)],
    title: position === 0 ? undefined : `${name} · ${position}`,
    content: contentOf(message),
    tags: ["chat", role],
    created: momentOf(message, "created_at") ?? begun,
    updated: momentOf(message, "updated_at", "created_at") ?? begun,
    metadata: { conversation: name, conversation_id: id, position, role }
  })
}

/** Its text, in one field or in blocks, and what was read out of the files with it. */
const contentOf = (message: unknown): string => {
  const blocks = listOf(message, "content").flatMap((block) => textOf(block, "text") ?? [])
  const files = listOf(message, "attachments").flatMap((file) => {
    const text = textOf(file, "extracted_content")
    return text === undefined ? [] : [`[${textOf(file, "file_name") ?? "attachment"}]\n${text}`]
  })
  const said = blocks.length > 0 ? blocks : [textOf(message, "text") ?? ""]
  return [...said, ...files].filter((text) => text.trim() !== "").join("\n\n").trim()
}

const projectOf = (id: string, project: unknown): ReadonlyArray<Row> => {
  const name = textOf(project, "name") ?? "Project"
  const own: ReadonlyArray<readonly [part: string, title: string, text: string | undefined]> = [
    ["description", name, textOf(project, "description")],
    ["prompt_template", `${name} · instructions`, textOf(project, "prompt_template")]
  ]
  const common = {
    created: momentOf(project, "created_at"),
    tags: ["project"],
    metadata: { project: name, project_id: id }
  }
  const text = (key: Key, title: string, content: string | undefined, created = common.created) =>
    content === undefined ? [] : [drafted({ ...common, key, title, content, created, updated: created })]
  return [
    ...own.flatMap(([part, title, content]) => text([id, part], title, content)),
    ...listOf(project, "docs").filter(Predicate.isRecord).flatMap((doc, index) =>
      text(
        [id, textOf(doc, "uuid") ?? String(index)],
        `${name} · ${textOf(doc, "filename") ?? index + 1}`,
        textOf(doc, "content"),
        momentOf(doc, "created_at") ?? common.created
      )
    )
  ]
}
