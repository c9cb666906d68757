import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { createScanner, findNodeAtLocation, type Node, parse, type ParseError, parseTree } from "jsonc-parser"
import { isDeepStrictEqual } from "node:util"
import * as TOML from "smol-toml"
import type { Form } from "./clients.js"

/** How a client starts a server. */
export interface Entry {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

const NAME = "quorate"
const BYTE_ORDER_MARK = "\ufeff"

/** The text of a file with this entry in it, or without one; the same text where nothing changes. Left: what is wrong with it. */
export const edit = (form: Form, text: string, entry: Entry | undefined): Either.Either<string, string> => {
  const mark = text.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : ""
  const rest = text.slice(mark.length)
  const edited = form._tag === "json" ? editJson(form, rest, entry) : editToml(form, rest, entry)
  return Either.map(edited, (after) => mark + after)
}

/** The entry as it stands in the file of a client. */
export const show = (form: Form, entry: Entry): string =>
  form._tag === "json"
    ? JSON.stringify({ [form.list]: { [NAME]: valueOf(form, entry) } }, null, 2)
    : blockOf(form, entry, "\n").trimEnd()

type Json = Extract<Form, { readonly _tag: "json" }>
type Toml = Extract<Form, { readonly _tag: "toml" }>

const valueOf = ({ isTyped }: Json, { args, command }: Entry) => ({
  ...(isTyped ? { type: "stdio" } : {}),
  command,
  args
})

const editJson = (form: Json, text: string, entry: Entry | undefined): Either.Either<string, string> => {
  const before = text.trim() === "" ? "{}\n" : text
  const errors: Array<ParseError> = []
  const found: unknown = parse(before, errors, { allowTrailingComma: form.comments, disallowComments: !form.comments })
  const [error] = errors
  if (error !== undefined) return Either.left(`it is not valid JSON (at line ${lineAt(before, error.offset)})`)
  if (!isObject(found)) return Either.left("it is no JSON object")
  const list = found[form.list]
  if (list !== undefined && !isObject(list)) return Either.left(`its ${form.list} is no object`)
  const old = list?.[NAME]
  const value = entry === undefined ? undefined : valueOf(form, entry)
  if (JSON.stringify(old) === JSON.stringify(value)) return Either.right(text)
  const after = value === undefined ? without(before, form.list) : having(before, form.list, old !== undefined, value)
  // Whatever this makes of a file, all else in it must say what it said.
  const expected = { ...found, [form.list]: { ...list, [NAME]: value } }
  return isSame(parse(after, [], { allowTrailingComma: form.comments }), expected)
    ? Either.right(after)
    : Either.left("it is written in a way that nothing can be added to, or taken out of")
}

/** An entry is the first in its list: so nothing that stands there, or is said of it, moves. */
const having = (text: string, list: string, isThere: boolean, value: object): string => {
  const root = parseTree(text, [], { allowTrailingComma: true })
  if (root === undefined) return text
  const place = findNodeAtLocation(root, [list])
  const old = isThere ? findNodeAtLocation(root, [list, NAME]) : undefined
  if (old !== undefined) {
    return text.slice(0, old.offset) + indented(text, value, 2) + text.slice(old.offset + old.length)
  }
  return place === undefined
    ? insertedFirst(text, root, `${JSON.stringify(list)}: ${indented(text, { [NAME]: value }, 1)}`, 1)
    : insertedFirst(text, place, `${JSON.stringify(NAME)}: ${indented(text, value, 2)}`, 2)
}

const insertedFirst = (
  text: string,
  { children = [], length, offset }: Node,
  property: string,
  level: number
): string => {
  const [eol, unit] = [eolOf(text), indentOf(text)]
  const begin = text.slice(0, offset + 1) + eol + unit.repeat(level) + property
  if (children.length > 0) return `${begin},${text.slice(offset + 1)}`
  const inside = text.slice(offset + 1, offset + length - 1)
  return begin + (inside.trim() === "" ? eol + unit.repeat(level - 1) : inside) + text.slice(offset + length - 1)
}

/** A value over several lines, that begins on a line which is so far in. */
const indented = (text: string, value: object, level: number): string =>
  JSON.stringify(value, null, indentOf(text)).split("\n").join(eolOf(text) + indentOf(text).repeat(level))

/** With its comma, and its line where nothing else stands on that. */
const without = (text: string, list: string): string => {
  const root = parseTree(text, [], { allowTrailingComma: true })
  const property = root === undefined ? undefined : findNodeAtLocation(root, [list, NAME])?.parent
  const place = property?.parent
  if (property === undefined || place === undefined) return text
  const commas = commasOf(text.slice(place.offset, place.offset + place.length)).map((at) => at + place.offset)
  const end = property.offset + property.length
  const next = commas.find((at) => at >= end)
  const previous = commas.findLast((at) => at < property.offset)
  const cut = (from: number, to: number, of: string) => of.slice(0, from) + of.slice(to)
  const lineFrom = text.slice(0, property.offset).search(/\r?\n[ \t]*$/)
  const from = lineFrom === -1 ? property.offset : lineFrom
  if (next !== undefined && text.slice(end, next).trim() === "") return cut(from, next + 1, text)
  const rest = cut(from, end, text)
  return previous === undefined ? rest : cut(previous, previous + 1, rest)
}

/** Where the commas are that part the properties of an object. */
const commasOf = (text: string): ReadonlyArray<number> => {
  const scanner = createScanner(text, true)
  const found: Array<number> = []
  let depth = 0
  for (scanner.scan(); scanner.getTokenLength() > 0; scanner.scan()) {
    const at = scanner.getTokenOffset()
    const token = text.slice(at, at + scanner.getTokenLength())
    if (token === "{" || token === "[") depth++
    else if (token === "}" || token === "]") depth--
    else if (token === "," && depth === 1) found.push(at)
  }
  return found
}

/** The same but for the order of fields. */
const isSame = (one: unknown, other: unknown): boolean => isDeepStrictEqual(plain(one), plain(other))

const plain = (value: unknown): unknown => value === undefined ? undefined : JSON.parse(JSON.stringify(value))

const isObject = (value: unknown): value is { readonly [name: string]: unknown } => Predicate.isRecord(value)

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

const eolOf = (text: string): string => text.includes("\r\n") ? "\r\n" : "\n"

/** By the first line that is indented. */
const indentOf = (text: string): string => /^([ \t]+)\S/m.exec(text)?.[1] ?? "  "

const BEGIN = `# >>> ${NAME}: written by \`quorate install\`, which takes it out with --remove`
const END = `# <<< ${NAME}`
const BLOCK = new RegExp(`(?:\\r?\\n)?^${escaped(BEGIN)}\\r?$[\\s\\S]*?^${escaped(END)}\\r?$(?:\\r?\\n)?`, "m")

/** The editors of TOML that there are lose comments or order: a block of its own at the end leaves all else as it is. */
const editToml = (form: Toml, text: string, entry: Entry | undefined): Either.Either<string, string> => {
  const before = read(text)
  if (before === undefined) return Either.left("it is not valid TOML")
  const eol = eolOf(text)
  const block = BLOCK.exec(text)?.[0]
  const rest = block === undefined ? text : text.replace(block, () => "")
  if (entryOf(form, read(rest)) !== undefined) {
    return Either.left(
      `it has an entry ${form.list}.${NAME} that quorate install did not write: take that one out first`
    )
  }
  if (entry === undefined) return Either.right(rest)
  const own = blockOf(form, entry, eol)
  const ended = rest === "" || rest.endsWith("\n") ? rest : `${rest}${eol}`
  const after = block === undefined
    ? `${ended}${ended === "" ? "" : eol}${own}`
    : text.replace(block, () => `${leading(block)}${own}`)
  return entryOf(form, read(after)) === undefined
    ? Either.left(`its ${form.list} is written in a way that nothing can be added to`)
    : Either.right(after)
}

const leading = (block: string): string => /^\r?\n/.exec(block)?.[0] ?? ""

const blockOf = ({ list }: Toml, { args, command }: Entry, eol: string): string =>
  [
    BEGIN,
    `[${list}.${NAME}]`,
    `command = ${JSON.stringify(command)}`,
    `args = [${args.map((arg) => JSON.stringify(arg)).join(", ")}]`,
    END,
    ""
  ].join(eol)

const read = (text: string): unknown => {
  try {
    return TOML.parse(text)
  } catch {
    return undefined
  }
}

const entryOf = ({ list }: Toml, document: unknown): unknown => {
  const found = isObject(document) ? document[list] : undefined
  return isObject(found) ? found[NAME] : undefined
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")
}
