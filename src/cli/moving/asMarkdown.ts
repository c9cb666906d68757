import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { OURS } from "../../transfer/formats/notes.js"
import type { Exported } from "./download.js"

/** What is to be known of all memories before one can be written: where each is, and what it is linked to. */
export const looking = () => {
  const files = new Map<string, string>()
  const relations = new Map<string, Array<Exported["value"]>>()
  const take = ({ type, value }: Exported): void => {
    if (type === "memory") files.set(String(value["id"]), fileOf(value))
    if (type !== "link") return
    const source = String(value["source_id"])
    relations.set(source, [...relations.get(source) ?? [], value])
  }
  return { files, relations, take }
}

/**
 * A memory as a note: its fields as front matter, its links by name for programs that follow them, its content as it is. Brought in
 * again it is the memory that it was.
 */
export const noteOf = (
  { content, ...fields }: Exported["value"],
  { files, relations }: Pick<ReturnType<typeof looking>, "files" | "relations">
): string => {
  const links = (relations.get(String(fields["id"])) ?? []).map(({ created_at, relation, target_id: id }) => {
    const note = files.get(String(id))
    return { relation, id, created_at, ...(note === undefined ? {} : { note: `[[${note.replace(/\.md$/, "")}]]` }) }
  })
  const said = { [OURS]: "memory", ...fields, ...(links.length === 0 ? {} : { relations: links }) }
  // JSON of a value is YAML as well.
  const lines = Object.entries(said).map(([name, value]) => `${keyOf(name)}: ${JSON.stringify(value)}`)
  return ["---", ...lines, "---", "", String(content), ""].join("\n")
}

const keyOf = (name: string): string => /^[a-z_]+$/.test(name) ? name : JSON.stringify(name)

/** A place for it in the folder that no other has, that every file system takes, and that leads nowhere else. */
export const fileOf = (value: Exported["value"]): string => {
  const levels = String(value["namespace"]).trim().split("/").map(levelOf)
  const mark = createHash("sha256").update(String(value["id"])).digest("hex").slice(0, 12)
  return [...levels, `${nameOf(String(value["title"]))}-${mark}.md`].join("/")
}

const MAX_NAME_CHARS = 60

const nameOf = (title: string): string => {
  const name = title.normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "")
  return Array.from(name).slice(0, MAX_NAME_CHARS).join("").replace(/-+$/, "") || "memory"
}

const levelOf = (level: string): string => {
  const name = level.normalize("NFC").replace(/[^\p{L}\p{N}_.@ -]+/gu, "_").replace(/^[. ]+|[. ]+$/g, "_")
  return Array.from(name).slice(0, MAX_NAME_CHARS).join("") || "_"
}

export const write = async (folder: string, file: string, text: string): Promise<void> => {
  const place = path.join(folder, file)
  await fs.promises.mkdir(path.dirname(place), { recursive: true })
  await fs.promises.writeFile(place, text, { flag: "wx" })
}
