import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"

/** The input is of the wrong shape: a missing field, a wrong type, a word outside a closed set. Never repeats the value. */
export class ShapeError extends Schema.TaggedError<ShapeError>()("ShapeError", {
  /** The path of the field, as in `memories[3].tags`; empty for the input as a whole. */
  field: Schema.String,
  message: Schema.String
}) {}

/** A decoder for this schema. `at` is the path of the input within the whole request, if it is a part of one. */
export const decoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (input: unknown, at: string = ""): Either.Either<A, ShapeError> => {
    const decoded = decode(input)
    return Either.isRight(decoded) ? Either.right(decoded.right) : Either.left(fromIssue(decoded.left.issue, at))
  }
}

/** The first thing that is wrong, in words that name the field and what belongs there. */
const fromIssue = (issue: ParseResult.ParseIssue, at: string): ShapeError => {
  switch (issue._tag) {
    case "Pointer":
      return fromIssue(issue.issue, within(at, issue.path))
    case "Composite": {
      const issues = Arr.ensure(issue.issues)
      // The members of a union each have their own complaint; only together they say what is wanted, unless the input is
      // like one of them up to something within it.
      const first = SchemaAST.isUnion(issue.ast) ? issues.find(isWithin) : issues[0]
      return first === undefined ? wanted(issue.ast, at) : fromIssue(first, at)
    }
    case "Refinement":
      return issue.kind === "From" ? fromIssue(issue.issue, at) : wanted(issue.ast, at)
    case "Transformation":
      return fromIssue(issue.issue, at)
    case "Missing":
      return shapeError(at, "is required")
    case "Type":
      return wanted(issue.ast, at)
    case "Unexpected":
    case "Forbidden":
      return shapeError(at, "is not allowed")
  }
}

/** The input is an object or an array as it should be, and what is wrong is something in it. */
const isWithin = (issue: ParseResult.ParseIssue): boolean =>
  issue._tag === "Transformation" || issue._tag === "Refinement" ? isWithin(issue.issue) : issue._tag === "Composite"

const shapeError = (field: string, complaint: string) =>
  new ShapeError({ field, message: `${field === "" ? "the value" : field} ${complaint}` })

const wanted = (ast: SchemaAST.AST, field: string) => shapeError(field, `must be ${describe(ast)}`)

const describe = (ast: SchemaAST.AST): string => {
  const description = SchemaAST.getDescriptionAnnotation(ast)
  if (description._tag === "Some") return description.value
  if (SchemaAST.isUnion(ast)) return ast.types.map(describe).join(" or ")
  if (SchemaAST.isTupleType(ast)) return "an array"
  if (SchemaAST.isTypeLiteral(ast)) return "an object"
  return SchemaAST.isTransformation(ast) || SchemaAST.isRefinement(ast) ? describe(ast.from) : String(ast)
}

const within = (at: string, path: ParseResult.Path): string =>
  Arr.ensure(path).reduce<string>(
    (outer, key) =>
      typeof key === "number" ? `${outer}[${key}]` : outer === "" ? String(key) : `${outer}.${String(key)}`,
    at
  )
