import * as Predicate from "effect/Predicate"
import { fieldOf, listOf, momentOf, some, textOf } from "../fields.js"
import { ROOT } from "../reading/elements.js"
import { drafted, type Format, type Key, linked, type Row } from "../Row.js"

/** What Zep gives out: facts or the edges that hold them, nodes and episodes of its graph, sessions and their messages. */
export const zep: Format = {
  name: "zep",
  read: ({ list, value }) => {
    if (textOf(value, "fact") !== undefined) return factOf(value)
    if (list === "facts" && Predicate.isString(value)) return value.trim() === "" ? [] : factOf({ fact: value })
    if (textOf(value, "session_id") !== undefined && textOf(value, "content") === undefined) return sessionOf(value)
    if (textOf(value, "content") !== undefined && hasRole(value)) return [message(value, textOf(value, "session_id"))]
    if (list === "episodes" && textOf(value, "content") !== undefined) return [message(value, undefined)]
    if (list === "nodes" || list === "" && Array.isArray(fieldOf(value, "labels"))) return nodeOf(value)
    return list === ROOT && textOf(value, "session_id") !== undefined ? [] : undefined
  }
}

const hasRole = (value: unknown): boolean => textOf(value, "role_type", "role") !== undefined

const factOf = (value: unknown): ReadonlyArray<Row> => {
  const content = textOf(value, "fact") ?? ""
  const id = textOf(value, "uuid", "uuid_")
  const key: Key = ["fact", id ?? content]
  const ends = [textOf(value, "source_node_uuid"), textOf(value, "target_node_uuid")]
  const created = momentOf(value, "created_at", "valid_at")
  return [
    drafted({
      key,
      content,
      tags: ["fact"],
      created,
      updated: momentOf(value, "updated_at", "expired_at") ?? created,
      metadata: some(
        value,
        "name",
        "rating",
        "valid_at",
        "invalid_at",
        "expired_at",
        "attributes",
        "source_node_name",
        "target_node_name"
      )
    }),
    ...ends.flatMap((end) =>
      end === undefined
        ? []
        : [linked({ source: key, target: ["node", end], relation: "related_to", isOptional: true })]
    )
  ]
}

const nodeOf = (value: unknown): ReadonlyArray<Row> | undefined => {
  const name = textOf(value, "name")
  const id = textOf(value, "uuid", "uuid_")
  if (name === undefined || id === undefined) return undefined
  const created = momentOf(value, "created_at")
  return [drafted({
    key: ["node", id],
    title: name,
    content: textOf(value, "summary") ?? name,
    tags: ["entity"],
    created,
    updated: created,
    metadata: some(value, "labels", "attributes")
  })]
}

/** With its messages and its facts, where they stand in it. */
const sessionOf = (value: unknown): ReadonlyArray<Row> => {
  const session = textOf(value, "session_id")
  const summary = textOf(fieldOf(value, "summary"), "content") ?? textOf(value, "summary")
  return [
    ...(summary === undefined ? [] : [drafted({
      key: ["session", session ?? ""],
      title: `Session ${session}`,
      content: summary,
      tags: ["session"],
      created: momentOf(value, "created_at"),
      updated: momentOf(value, "updated_at", "created_at"),
      metadata: some(value, "session_id", "user_id", "metadata")
    })]),
    ...listOf(value, "messages").flatMap((each) =>
      textOf(each, "content") === undefined ? [] : [message(each, session)]
    ),
    ...listOf(value, "facts").flatMap((each) =>
      textOf(each, "fact") !== undefined
        ? factOf(each)
        : Predicate.isString(each) && each.trim() !== ""
        ? factOf({ fact: each, created_at: fieldOf(value, "updated_at") ?? fieldOf(value, "created_at") })
        : []
    )
  ]
}

const message = (value: unknown, session: string | undefined): Row => {
  const id = textOf(value, "uuid", "uuid_", "id")
  const created = momentOf(value, "created_at")
  return drafted({
    key: id === undefined ? undefined : ["message", id],
    content: textOf(value, "content") ?? "",
    tags: ["chat", textOf(value, "role_type", "role") ?? "unknown"],
    created,
    updated: momentOf(value, "updated_at") ?? created,
    metadata: {
      ...some(value, "role", "role_type", "name", "metadata", "source", "source_description"),
      ...(session === undefined ? {} : { session_id: session })
    }
  })
}
