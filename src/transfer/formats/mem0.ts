import { momentOf, some, textOf, textsOf } from "../fields.js"
import { drafted, type Format, type Key } from "../Row.js"

/** What mem0 gives out: memories in `results`, in `memories` or as a list; relations of its graph in `relations`. */
export const mem0: Format = {
  name: "mem0",
  read: ({ list, value }) => {
    const content = textOf(value, "memory")
    if (content !== undefined && (list === "" || list === "results" || list === "memories")) {
      return [drafted({
        key: keyOf(textOf(value, "id")),
        content,
        tags: textsOf(value, "categories"),
        created: momentOf(value, "created_at"),
        updated: momentOf(value, "updated_at"),
        metadata: some(
          value,
          "metadata",
          "user_id",
          "agent_id",
          "app_id",
          "run_id",
          "actor_id",
          "role",
          "expiration_date"
        )
      })]
    }
    const source = textOf(value, "source")
    const target = textOf(value, "target", "destination")
    const relationship = textOf(value, "relationship", "relation")
    return list === "relations" && source !== undefined && target !== undefined && relationship !== undefined
      ? [drafted({
        key: ["relation", source, relationship, target],
        content: `${source} ${relationship} ${target}`,
        tags: ["relation"],
        metadata: { relation: { from: source, to: target, type: relationship } }
      })]
      : undefined
  }
}

const keyOf = (id: string | undefined): Key | undefined => id === undefined ? undefined : [id]
