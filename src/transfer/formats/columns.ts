/** Which field a column is, by its name; any other is kept in the metadata. */
const COLUMNS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    content: ["content", "text", "memory", "note", "body", "fact", "message", "description", "observation"],
    title: ["title", "name", "subject", "heading"],
    tags: ["tags", "tag", "labels", "categories", "keywords"],
    id: ["id", "uuid", "key"],
    created: ["createdat", "created", "date", "timestamp", "createtime", "time"],
    updated: ["updatedat", "updated", "modified", "modifiedat", "updatetime", "lastmodified"],
    namespace: ["namespace"],
    tier: ["tier"],
    priority: ["priority"],
    confidence: ["confidence"]
  }).flatMap(([field, names]) => names.map((name) => [name, field] as const))
)

const MAX_COLUMNS = 200

/** The column of which a memory can be made; undefined where a line is no head of a table with one. */
export const headOf = (line: string): { readonly delimiter: string } | undefined => {
  const delimiter = [",", ";", "\t"].find((each) => {
    const names = line.split(each)
    return names.length > 1 && names.length <= MAX_COLUMNS && names.every((name) => name.length <= 64) &&
      names.some((name) => fieldOf(name) === "content")
  })
  return delimiter === undefined ? undefined : { delimiter }
}

/** The field that a column of this name is. */
export const fieldOf = (name: string): string | undefined =>
  COLUMNS.get(name.trim().replace(/^"|"$/g, "").toLowerCase().replace(/[\s_.-]+/g, ""))
