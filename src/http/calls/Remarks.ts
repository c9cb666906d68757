import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { IncomingHttpHeaders } from "node:http"
import { isColoured } from "../../domain/text.js"
import { invalid, type Refused } from "./Refusal.js"

/*
 * What a request says and the contract does not know. It is ignored, and the answer says so in `warnings`; with
 * `Prefer: handling=strict` the request is refused.
 */

/** What was found so far of one request: its answer tells it. */
export interface Remarks {
  readonly warnings: Array<string>
  readonly isStrict: boolean
}

export const begin = ({ prefer }: IncomingHttpHeaders): Remarks => ({
  warnings: [],
  isStrict: prefer !== undefined && STRICT.test(String(prefer))
})

const STRICT = /(?:^|[,;\s])handling\s*=\s*"?strict"?(?:$|[,;\s])/i

/** More than so many are only counted. */
const MAX_WARNINGS = 20
const MAX_NAME_CHARS = 64

/** The names that a schema of an object knows; none where it takes any name, or is of something else. */
export type Names = ReadonlySet<string> | undefined

export const namesOf = (schema: Option.Option<Schema.Schema.All>): Names =>
  Option.match(schema, { onNone: () => undefined, onSome: ({ ast }) => namesOfAst(SchemaAST.encodedAST(ast)) })

const namesOfAst = (ast: SchemaAST.AST): Names => {
  if (SchemaAST.isUnion(ast)) {
    const all = ast.types.flatMap((type) => namesOfAst(type) ?? [])
    return all.length === 0 ? undefined : new Set(all.flatMap((names) => Array.from(names)))
  }
  if (!SchemaAST.isTypeLiteral(ast) || ast.indexSignatures.length > 0) return undefined
  return new Set(ast.propertySignatures.map(({ name }) => String(name)))
}

/** Notes the fields of an object that are not known. `at` is its place in the body, as in `memories[3].`. */
export const fields = (remarks: Remarks, value: unknown, names: Names, at = ""): Either.Either<void, Refused> =>
  names === undefined || !Predicate.isRecord(value)
    ? Either.void
    : noteAll(remarks, Object.keys(value), names, (name) => `the field ${at}${name}`)

/** Notes the parameters of a query that are not known. */
export const parameters = (remarks: Remarks, query: string, names: Names): Either.Either<void, Refused> =>
  query === "" || names === undefined
    ? Either.void
    : noteAll(remarks, new URLSearchParams(query).keys(), names, (name) => `the parameter ${name}`)

const noteAll = (
  remarks: Remarks,
  given: Iterable<string>,
  names: ReadonlySet<string>,
  called: (name: string) => string
): Either.Either<void, Refused> => {
  for (const name of given) {
    if (names.has(name)) continue
    const what = called(readable(name))
    if (remarks.isStrict) return Either.left(invalid(readable(name), `${what} is not known here`))
    note(remarks, `${what} is not known here, and was ignored`)
  }
  return Either.void
}

/** Notes the texts from which a terminal's codes are taken. */
export const colours = (remarks: Remarks, value: unknown): void => {
  if (!Predicate.isRecord(value)) return
  for (const name of TEXTS) {
    const text = value[name]
    if (Predicate.isString(text) && isColoured(text)) note(remarks, `terminal codes were taken out of ${name}`)
  }
}

/** The same for each of the rows of a request. */
export const coloursOfRows = (remarks: Remarks, rows: ReadonlyArray<unknown>): void => {
  for (const row of rows) colours(remarks, row)
}

/** The fields that are tidied, whatever the request. */
const TEXTS = ["title", "content", "summary", "subject", "payload", "body"]

/** Notes what else there is to say. */
export const note = ({ warnings }: Remarks, warning: string): void => {
  if (warnings.includes(warning)) return
  if (warnings.length < MAX_WARNINGS) warnings.push(warning)
  else warnings[MAX_WARNINGS] = "there is more of this kind"
}

/** A name of a client, fit for a text and a header. */
const readable = (name: string): string => name.replace(/[^\x21-\x7e]/g, "?").slice(0, MAX_NAME_CHARS)

/** The JSON object of an answer with what was remarked. */
export const added = (body: string, { warnings }: Remarks): string =>
  warnings.length === 0 || !body.startsWith("{")
    ? body
    : `${body.slice(0, -1)}${body === "{}" ? "" : ","}"warnings":${JSON.stringify(warnings)}}`
