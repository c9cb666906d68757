import * as Either from "effect/Either"
import { MAX_TAG_BYTES, MAX_TAGS } from "../domain/limits.js"
import { asTitle, madeTitle } from "../domain/madeTitle.js"
import type { Stamp } from "../domain/Stamp.js"
import { tidy } from "../domain/text.js"
import { withSuffix } from "../domain/Upsert.js"
import { isClean, metadata as checkMetadata } from "../domain/validate.js"
import type { Fields } from "./fields.js"
import { nameOf } from "./formats/notes.js"
import { stableId } from "./ids.js"
import { partsOf } from "./parts.js"
import type { Read } from "./reading/read.js"
import type { Draft, Key, LinkDraft, Whole } from "./Row.js"

/** Where something stands: its line, from 1, and its file in a folder of several. */
export interface Place {
  readonly line: number
  readonly file?: string | undefined
}

/** What is to be imported. */
export interface TakenRow {
  readonly kind: "row"
  readonly at: Place
  readonly type: Whole
  readonly value: Fields
  /** It came of another format than ours, so that nobody chose its title to be unique. */
  readonly isForeign: boolean
}

/** What is to be imported of a source, or why not. */
export type Taken =
  | TakenRow
  | { readonly kind: "problem" | "remark"; readonly at: Place; readonly reason: string }

interface Options {
  /** Of what names none. */
  readonly namespace?: string | undefined
}

/** What is known of the source that is being read. */
interface Source {
  readonly file?: string | undefined
  /** When what says nothing of its time was written, at the latest. */
  readonly date?: Stamp | undefined
}

/**
 * Makes rows of an import out of what formats read. Ids follow from the source alone, so that a link can be made before its ends
 * are read; links wait for the end nevertheless, because only then it is known whether they lead anywhere.
 */
export const make = (options: Options = {}) => {
  const ids = new Set<string>()
  const names = new Map<string, string>()
  const waiting: Array<Waiting> = []

  const take = ({ format, line, row }: Read, { date, file }: Source = {}): ReadonlyArray<Taken> => {
    const at = { line, ...(file === undefined ? {} : { file }) }
    switch (row.kind) {
      case "problem":
      case "remark":
        return [{ kind: row.kind, at, reason: row.reason }]
      case "whole":
        return [{ kind: "row", at, type: row.type, value: placed(row.value, row.type, options), isForeign: false }]
      case "link":
        waiting.push({ at, format, link: row.link })
        return []
      case "draft": {
        const made = memoriesOf(row.draft, { at, format, date, options })
        if (made.id !== undefined) {
          ids.add(made.id)
          for (const name of row.draft.names ?? []) if (!names.has(nameOf(name))) names.set(nameOf(name), made.id)
        }
        return made.taken
      }
    }
  }

  /** The links, once every source was read. */
  function* links(): Generator<Taken> {
    const seen = new Set<string>()
    for (const { at, format, link } of waiting.splice(0)) {
      const of = (key: Key) => idOf(format, options, key)
      const source = of(link.source)
      const target = "name" in link.target ? names.get(nameOf(link.target.name)) : of(link.target)
      if (target === undefined || !ids.has(target) || !ids.has(source)) {
        if (link.isOptional !== true || "name" in link.target) {
          const kind = link.isOptional === true ? "remark" : "problem"
          yield { kind, at, reason: `a link leads to nothing that is imported: ${toldOf(link)}` }
        }
        continue
      }
      const triple = [source, target, link.relation].join(" ")
      if (source === target || seen.has(triple)) continue
      seen.add(triple)
      yield linkRow(at, { source, target, relation: link.relation, created: link.created })
    }
  }

  return { take, links }
}

interface Waiting {
  readonly at: Place
  readonly format: string
  readonly link: LinkDraft
}

const toldOf = ({ target }: LinkDraft): string => ("name" in target ? target.name : target.at(-1) ?? "").slice(0, 200)

const idOf = (format: string, { namespace = "" }: Options, key: Key): string => stableId([format, namespace, ...key])

/** A row of an export stays as it is; what is yet to be a memory goes where it is told to. */
const placed = (value: Fields, type: Whole, { namespace }: Options): Fields =>
  type === "memory" && namespace !== undefined && !Object.hasOwn(value, "id") && !Object.hasOwn(value, "namespace")
    ? { ...value, namespace }
    : value

interface Context {
  readonly at: Place
  readonly format: string
  readonly date: Stamp | undefined
  readonly options: Options
}

/** One memory, or several of a text that is too long for one, each linked to the first. */
const memoriesOf = (
  draft: Draft,
  context: Context
): { readonly id: string | undefined; readonly taken: ReadonlyArray<Taken> } => {
  const { at, date, format, options } = context
  const parts = partsOf(tidy(draft.content))
  const created = draft.created ?? draft.updated ?? date
  const updated = draft.updated ?? (draft.isFile === true ? date : undefined) ?? draft.created ?? date
  const title = draft.title === undefined ? "" : asTitle(draft.title)
  const key = draft.key ?? (parts.length > 1 ? ["text", draft.content] : undefined)
  const id = key === undefined ? undefined : idOf(format, options, key)
  const { metadata, remarks } = metadataOf(draft, format)
  const tags = tagsOf(draft.tags ?? [])
  const rows = parts.map((content, index): Taken => {
    const isPart = parts.length > 1
    const named = title === "" && isPart ? madeTitle(draft.content) : title
    return {
      kind: "row",
      at,
      type: "memory",
      isForeign: true,
      value: {
        ...(id === undefined || key === undefined
          ? {}
          : { id: index === 0 ? id : idOf(format, options, partKey(key, index)) }),
        ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
        ...(named === ""
          ? {}
          : { title: isPart ? withSuffix(named, ` (part ${index + 1} of ${parts.length})`) : named }),
        content,
        tags: tags.kept,
        ...(created === undefined ? {} : { created_at: created }),
        ...(updated === undefined ? {} : { updated_at: updated }),
        metadata: isPart ? { ...metadata, part: { number: index + 1, of: parts.length } } : metadata,
        ...draft.fields
      }
    }
  })
  const links = key === undefined || id === undefined ? [] : parts.slice(1).map((_, index) =>
    linkRow(at, {
      source: idOf(format, options, partKey(key, index + 1)),
      target: id,
      relation: "related_to",
      created
    })
  )
  const left = tags.left === 0 ? [] : [`${tags.left} of its tags are none that a memory can have, and were left out`]
  const told = [...remarks, ...left].map((reason): Taken => ({ kind: "remark", at, reason }))
  if (rows.length === 0) return { id: undefined, taken: [{ kind: "problem", at, reason: "it has no text" }] }
  return { id, taken: [...rows, ...links, ...told] }
}

const partKey = (key: Key, index: number): Key => [...key, "part", String(index)]

const linkRow = (at: Place, { created, relation, source, target }: {
  readonly source: string
  readonly target: string
  readonly relation: string
  readonly created: Stamp | undefined
}): Taken => ({
  kind: "row",
  at,
  type: "link",
  isForeign: true,
  value: { source_id: source, target_id: target, relation, ...(created === undefined ? {} : { created_at: created }) }
})

/** What else the source says is kept under one name, so that none of it is taken for something that means anything here. */
const metadataOf = ({ metadata = {} }: Draft, format: string) => {
  const whole = { imported: { from: format, ...metadata } }
  return Either.isRight(checkMetadata(whole))
    ? { metadata: whole, remarks: [] }
    : {
      metadata: { imported: { from: format } },
      remarks: ["what it says beside its text is too much for metadata, and was left out"]
    }
}

const tagsOf = (tags: ReadonlyArray<string>) => {
  const distinct = Array.from(new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== "")))
  const kept = distinct.filter((tag) => isClean(tag) && Buffer.byteLength(tag) <= MAX_TAG_BYTES).slice(0, MAX_TAGS)
  return { kept, left: distinct.length - kept.length }
}
