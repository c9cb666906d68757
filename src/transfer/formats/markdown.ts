import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { DEFAULT_RELATION, RELATIONS } from "../../domain/Link.js"
import { fieldOf, type Fields, listOf, momentOf, textOf, textsOf } from "../fields.js"
import { drafted, type Key, type LinkDraft, linked, remark, type Row } from "../Row.js"
import { frontMatter } from "./frontMatter.js"
import { ENDING, OURS } from "./notes.js"

/**
 * A note of a folder as basic-memory and Obsidian have them, or one that we wrote: front matter, `#tags`, and links `[[so]]`,
 * which are relations where a list says of which kind (`- supersedes [[so]]`). `path` is its place in the folder, with slashes.
 */
export const markdown = (text: string, path: string | undefined): ReadonlyArray<Row> => {
  const read = frontMatter(text)
  const { body, fields } = Either.getOrElse(read, () => ({ body: text, fields: {} }))
  if (fieldOf(fields, OURS) === "memory") return ownOf(fields, body)
  const stem = path?.split("/").at(-1)?.replace(ENDING, "")
  const heading = /^#[ \t]+(.{1,600})/m.exec(body)?.[1]?.trimEnd().replace(/ #{1,6}$/, "")
  const title = textOf(fields, "title") ?? stem ?? heading
  const name = textOf(fields, "permalink") ?? path
  const key: Key = name === undefined ? ["text", body] : [name]
  const plain = withoutCode(body)
  return [
    ...Either.match(read, {
      onLeft: (reason) => [remark(`${reason}: the note was taken as it is`)],
      onRight: () => []
    }),
    drafted({
      key: name === undefined ? undefined : key,
      names: namesOf(fields, path, title),
      title,
      content: body.trim() === "" ? title ?? "" : body.trim(),
      tags: [...tagsOf(fields), ...inlineTags(plain)],
      created: momentOf(fields, "created_at", "created", "date created", "date", "created-at"),
      updated: momentOf(fields, "updated_at", "updated", "modified", "date modified", "last_modified", "updated-at"),
      isFile: true,
      metadata: {
        ...(path === undefined ? {} : { path }),
        ...(Object.keys(fields).length === 0 ? {} : { front_matter: fields })
      }
    }),
    ...(name === undefined ? [] : linksOf(plain, path).map((link) => linked({ ...link, source: key })))
  ]
}

const namesOf = (fields: Fields, path: string | undefined, title: string | undefined): ReadonlyArray<string> => [
  ...(path === undefined ? [] : [path, path.split("/").at(-1) ?? path]),
  ...(title === undefined ? [] : [title]),
  ...textsOf(fields, "aliases"),
  ...Option.toArray(Option.fromNullable(textOf(fields, "permalink")))
]

const tagsOf = (fields: Fields): ReadonlyArray<string> =>
  [...textsOf(fields, "tags"), ...textsOf(fields, "tag")].map((tag) => tag.replace(/^#/, ""))

const inlineTags = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/(?<=^|[\s(])#([\p{L}\p{N}_/-]*[\p{L}_][\p{L}\p{N}_/-]*)/gmu), ([, tag = ""]) => tag)

/** What stands in code means nothing. */
const withoutCode = (text: string): string => {
  let fence: string | undefined
  return text.split("\n").map((line) => {
    const mark = /^(?:```|~~~)/.exec(line)?.[0]
    if (fence === undefined && mark === undefined) return line.replace(/`[^`]*`/g, "")
    if (fence === undefined) fence = mark
    else if (mark === fence) fence = undefined
    return ""
  }).join("\n")
}

const WIKILINK = /!?\[\[([^[\]|#\n]+)(?:#[^[\]|\n]*)?(?:\|[^[\]\n]*)?\]\]/g
const MAX_BEFORE_CHARS = 128
const RELATION = /^\s*[-*+]\s+([\p{L}\p{N}_ -]{1,64}?)\s+$/u
const LINK = /\]\(<?((?![a-z][a-z0-9+.-]{0,32}:)[^()[\]<>\s#]{1,1024}\.md)(?:#[^)>\s]*)?>?(?:\s+"[^"\n]*")?\)/gi

const linksOf = (text: string, path: string | undefined): ReadonlyArray<Omit<LinkDraft, "source">> =>
  text.split("\n").flatMap((line) => [
    ...Array.from(line.matchAll(WIKILINK), ({ 1: name = "", index }) => ({
      target: { name },
      relation: relationOf(line.slice(0, Math.min(index, MAX_BEFORE_CHARS + 1))),
      isOptional: true
    })),
    ...Array.from(line.matchAll(LINK), ({ 1: to = "" }) => ({
      target: { name: resolved(to, path) },
      relation: DEFAULT_RELATION,
      isOptional: true
    }))
  ])

/** What stands before a link in a list. */
const relationOf = (before: string): string => {
  const said = before.length > MAX_BEFORE_CHARS ? undefined : RELATION.exec(before)?.[1]
  return RELATIONS.find((relation) => relation === said) ?? DEFAULT_RELATION
}

/** The place of a linked file in the folder. */
const resolved = (to: string, path: string | undefined): string => {
  const levels = to.startsWith("/") ? [] : (path ?? "").split("/").slice(0, -1)
  for (const level of decoded(to).split("/")) {
    if (level === "..") levels.pop()
    else if (level !== "." && level !== "") levels.push(level)
  }
  return levels.join("/")
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A note of our own export is the memory that it was. */
const ownOf = (fields: Fields, body: string): ReadonlyArray<Row> => {
  const { [OURS]: _, relations: __, ...memory } = fields
  const content = body.replace(/^\r?\n/, "").replace(/\r?\n$/, "")
  const source = textOf(fields, "id")
  return [
    { kind: "whole", type: "memory", value: { ...memory, content } },
    ...listOf(fields, "relations").filter(Predicate.isRecord).map((relation): Row => ({
      kind: "whole",
      type: "link",
      value: {
        source_id: source,
        target_id: fieldOf(relation, "id"),
        relation: fieldOf(relation, "relation"),
        created_at: fieldOf(relation, "created_at")
      }
    }))
  ]
}
