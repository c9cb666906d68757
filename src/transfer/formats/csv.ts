import { parse } from "csv-parse"
import * as Predicate from "effect/Predicate"
import { pipeline, Readable } from "node:stream"
import { moment } from "../fields.js"
import { drafted, problem, type Row } from "../Row.js"
import { fieldOf } from "./columns.js"

const MAX_RECORD_CHARS = 1024 * 1024
/** A table with a head. Each row is a memory, with the line that it ends in. */
export async function* csv(
  texts: AsyncIterable<string>,
  delimiter: string
): AsyncGenerator<{ readonly line: number; readonly row: Row }> {
  const wrong: Array<{ readonly line: number; readonly row: Row }> = []
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: MAX_RECORD_CHARS,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      wrong.push({ line: lineOf(error), row: problem(`it is no row of a table: ${error?.code ?? "unreadable"}`) })
      return undefined
    }
  })
  // What is wrong with the texts is thrown where the records are taken.
  pipeline(Readable.from(texts, { objectMode: false }), parser, () => {})
  let head: ReadonlyArray<string> | undefined
  for await (const each of parser) {
    yield* wrong.splice(0)
    const { line, values } = recordOf(each)
    if (head === undefined) head = values
    else yield { line, row: rowOf(head, values) }
  }
  yield* wrong.splice(0)
}

const lineOf = (error: unknown): number =>
  Predicate.hasProperty(error, "lines") && Predicate.isNumber(error.lines) ? error.lines : 0

const recordOf = (each: unknown) => {
  const info = Predicate.hasProperty(each, "info") ? each.info : undefined
  const record = Predicate.hasProperty(each, "record") ? each.record : undefined
  return { line: lineOf(info), values: Array.isArray(record) ? record.map(String) : [] }
}

const rowOf = (head: ReadonlyArray<string>, values: ReadonlyArray<string>): Row => {
  const known = new Map<string, string>()
  const others: Array<readonly [string, string]> = []
  for (const [index, value] of values.entries()) {
    if (value.trim() === "") continue
    const name = head[index] ?? `column ${index + 1}`
    const field = fieldOf(name)
    if (field === undefined || known.has(field)) others.push([name.trim(), value])
    else known.set(field, value)
  }
  const content = known.get("content")
  if (content === undefined) return problem("it has no text")
  const id = known.get("id")
  const numbers = ["priority", "confidence"].flatMap((name) => known.has(name) ? [[name, Number(known.get(name))]] : [])
  const texts = ["namespace", "tier"].flatMap((name) => known.has(name) ? [[name, known.get(name)?.trim()]] : [])
  return drafted({
    key: id === undefined ? undefined : [id],
    names: [],
    title: known.get("title"),
    content,
    tags: (known.get("tags") ?? "").split(/[,;|]/).map((tag) => tag.trim()).filter((tag) => tag !== ""),
    created: moment(known.get("created")),
    updated: moment(known.get("updated")),
    metadata: Object.fromEntries(others),
    fields: Object.fromEntries([...numbers, ...texts])
  })
}
