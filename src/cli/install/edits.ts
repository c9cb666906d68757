import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import { applyEdits, modify, parse, type ParseError } from "jsonc-parser"
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
  const formattingOptions = { ...indentOf(before), eol: eolOf(before) }
  return Either.right(applyEdits(before, modify(before, [form.list, NAME], value, { formattingOptions })))
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  Predicate.isRecord(value) && !Array.isArray(value)

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

const eolOf = (text: string): string => text.includes("\r\n") ? "\r\n" : "\n"

/** By the first line that is indented. */
const indentOf = (text: string) => {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? "  "
  return { insertSpaces: !indent.startsWith("\t"), tabSize: indent.startsWith("\t") ? 1 : indent.length }
}

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
