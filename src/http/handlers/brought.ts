import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { absentable } from "../../domain/absentable.js"
import { decoder, ShapeError } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import type { ImportItem } from "../../operations/transfer/importData.js"
import { isDraft } from "../../transfer/complete.js"
import * as Intake from "../../transfer/Intake.js"
import { ofPiece, type Read, readAll } from "../../transfer/reading/read.js"
import * as Body from "../calls/body.js"
import * as Call from "../calls/Call.js"
import { invalid, malformed, type Refused } from "../calls/Refusal.js"
import * as Remarks from "../calls/Remarks.js"
import * as contract from "../contract/data.js"
import { NDJSON_TYPE } from "../contract/parts.js"

/* What the body of an import brings: an export of ours, or what another program gave out. */

interface Brought {
  readonly items: ReadonlyArray<ImportItem>
  /** What is none, and why. */
  readonly unreadable: ReadonlyArray<string>
}

interface Options {
  readonly on_conflict?: ImportItem["onConflict"]
  readonly namespace?: string | undefined
}

/** What each list of an import holds beside its memories, in the order in which it is brought in. */
const kindsOf = {
  archived: "archived",
  conflicts: "conflict",
  links: "link",
  standards: "standard",
  pendings: "pending"
} as const

const lineKinds = ["memory", ...Object.values(kindsOf)] as const

export const brought = (
  incoming: Call.Incoming,
  options: Options
): Effect.Effect<Brought, Refused | validate.Invalid> =>
  Effect.gen(function*() {
    if (options.namespace !== undefined) yield* validate.namespace(options.namespace)
    const { body, headers } = incoming
    const lines = Body.lines(headers, body)
    if (lines !== undefined) return ofLines(yield* lines, incoming, options)
    for (const [format, type] of TEXTS) {
      const text = Body.text(headers, body, type)
      if (text !== undefined) return foreign(yield* reading(yield* text, { format }), incoming, options)
    }
    const value = yield* Body.parse(headers, body)
    if (isOurs(value)) return ofOurs(yield* importOf(incoming), options)
    yield* Body.checkCounts(value)
    const read = yield* reading(body.toString("utf8"), { isJson: true })
    // What nobody knows is told what an import of ours looks like.
    return read.every(({ row }) => row.kind === "problem")
      ? ofOurs(yield* importOf(incoming), options)
      : foreign(read, incoming, options)
  })

/** Formats that are no JSON, by their content types. */
const TEXTS = [["csv", "text/csv"], ["markdown", "text/markdown"]] as const

const reading = (text: string, how: Parameters<typeof readAll>[1]): Effect.Effect<ReadonlyArray<Read>, Refused> =>
  Effect.tryPromise({
    try: () => readAll(Buffer.from(text), how),
    catch: (cause) => malformed(cause instanceof Error ? cause.message : "the body can not be read")
  })

/** An object with `memories` as an export of ours or of ai-memory has them. */
const isOurs = (value: unknown): boolean => {
  if (!Predicate.isRecord(value) || !Object.hasOwn(value, "memories")) return false
  const { memories } = value
  const [first]: ReadonlyArray<unknown> = Array.isArray(memories) ? memories : []
  return !(Predicate.isRecord(first) && Predicate.isString(first["memory"]) && first["content"] === undefined)
}

/** Rows are read one by one, so that one of the wrong shape stops no other. */
const importOf = Call.decodeBody(contract.importAll, (body) => Either.mapLeft(decodeImport(body), expected))

const decodeImport = decoder(Schema.Struct({
  memories: Schema.Array(Schema.Unknown),
  ...Record.map(kindsOf, () => absentable(Schema.Array(Schema.Unknown)))
}))

/** Who imports has a file in hand, and wants to know what it is to look like. */
const expected = ({ field, message }: ShapeError): ShapeError =>
  new ShapeError({
    field,
    message: `${message}: an import is {"memories": [...], "links": [...]}, as an export gives it, or its lines as ` +
      NDJSON_TYPE
  })

const ofOurs = (body: Either.Either.Right<ReturnType<typeof importOf>>, options: Options): Brought => ({
  items: [
    ...listed("memories", "memory", body.memories),
    ...Struct.entries(kindsOf).flatMap(([list, kind]) => listed(list, kind, body[list] ?? []))
  ].map((item) => placed(item, options)),
  unreadable: []
})

const listed = (list: string, kind: ImportItem["kind"], values: ReadonlyArray<unknown>): ReadonlyArray<ImportItem> =>
  values.map((value, index) => ({ kind, value, at: `${list}[${index}]` }))

/** A memory to be goes where it is told to, and under a title that is free. */
const placed = (item: ImportItem, { namespace, on_conflict: onConflict = "rename" }: Options): ImportItem => {
  const { kind, value } = item
  if (kind !== "memory" || !isDraft(value)) return item
  return {
    ...item,
    onConflict,
    value: namespace === undefined || Object.hasOwn(value, "namespace") ? value : { ...value, namespace }
  }
}

/** Lines of an export, and such as others write. */
const ofLines = (lines: ReadonlyArray<Body.Line>, incoming: Call.Incoming, options: Options): Brought => {
  const items: Array<ImportItem> = []
  const unreadable: Array<string> = []
  const others: Array<Read> = []
  for (const { number, value } of lines) {
    const at = `line ${number}`
    const item = Either.flatMap(value, (line) => itemOf(line, at))
    const read = Either.isLeft(item) && Either.isRight(value)
      ? ofPiece({ line: number, list: "", value: value.right })
      : []
    if (Either.isRight(item)) items.push(placed(item.right, options))
    else if (read.length > 0) others.push(...read)
    else unreadable.push(`${at}: ${item.left.message}`)
  }
  const more = foreign(others, incoming, options)
  return { items: [...items, ...more.items], unreadable: [...unreadable, ...more.unreadable] }
}

const itemOf = (value: unknown, at: string): Either.Either<ImportItem, Refused> => {
  const { type, ...row } = Predicate.isRecord(value) ? value : { type: undefined }
  const kind = lineKinds.find((known) => known === type)
  return kind === undefined
    ? Either.left(invalid("type", `type must be one of ${lineKinds.join(", ")}`))
    : Either.right({ kind, value: row, at })
}

/** What is read of a format of others. What of it can only be taken in part is remarked upon. */
const foreign = (read: ReadonlyArray<Read>, { remarks }: Call.Incoming, options: Options): Brought => {
  const intake = Intake.make({ namespace: options.namespace })
  const items: Array<ImportItem> = []
  const unreadable: Array<string> = []
  const take = (taken: Intake.Taken) => {
    const at = `line ${taken.at.line}`
    if (taken.kind === "row") items.push(itemOfRow(taken, at, options))
    else if (taken.kind === "problem") unreadable.push(`${at}: ${taken.reason}`)
    else Remarks.note(remarks, `${at}: ${taken.reason}`)
  }
  for (const each of read) intake.take(each).forEach(take)
  for (const link of intake.links()) take(link)
  return { items, unreadable }
}

const itemOfRow = (
  { isForeign, type: kind, value }: Intake.TakenRow,
  at: string,
  { on_conflict: onConflict = "rename" }: Options
): ImportItem =>
  isForeign ? { kind, value, at, onConflict, isDraft: true } : placed({ kind, value, at }, { on_conflict: onConflict })
