// The endpoints of the contract, and those whose handler answers with the type that the contract declares.
import ts from "typescript"
import { lineOf, walk } from "./sources.mjs"

const METHODS = new Set(["get", "post", "put", "patch", "del", "head"])
/** Answers that nothing compares with the contract are named here. */
const UNTYPED = "src/http/calls/untyped.ts"

/** `{ object, method, args }` of a call of a method. */
const callOf = (node) =>
  ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)
    ? { object: node.expression.expression.getText(), method: node.expression.name.text, args: node.arguments }
    : undefined

const literalOf = ([first]) => first !== undefined && ts.isStringLiteral(first) ? first.text : undefined

const declared = ({ args, method, object }) =>
  object === "HttpApiEndpoint" && METHODS.has(method) ? literalOf(args) : undefined

/** The platform checks what `handle` answers. */
const handled = ({ args, method }) => method === "handle" ? literalOf(args) : undefined

/** `Call.read(endpoint, run)`, `Call.write(endpoint, run)`: the answer has the type of the endpoint's success. */
const tiedByCall = ({ args, method, object }) =>
  object === "Call" && (method === "read" || method === "write") && args.length === 2 ? args[0].getText() : undefined

/** `handleRaw` takes any answer. */
const raw = ({ args, method }) => method === "handleRaw" ? literalOf(args) : undefined

/** `{ name, path, line }` of each call of which `nameOf` gives one. */
const find = (sources, nameOf) =>
  sources.flatMap(({ path, tree }) => {
    const found = []
    walk(tree, (node) => {
      const call = callOf(node)
      const name = call === undefined ? undefined : nameOf(call)
      if (name !== undefined) found.push({ name, path, line: lineOf(tree, node.arguments[0].getStart(tree)) })
    })
    return found
  })

const untypedIn = (sources) =>
  sources.filter(({ path }) => path === UNTYPED).flatMap(({ path, tree }) => {
    const found = []
    walk(tree, (node) => {
      if (!ts.isTypeQueryNode(node)) return
      found.push({ name: node.exprName.getText(), path, line: lineOf(tree, node.getStart(tree)) })
    })
    return found
  })

const lastOf = ({ name }) => name.split(".").at(-1)

/** `{ declared, tied, untied }`, each a list of `{ name, path, line }`. */
export const measure = (sources) => {
  const http = sources.filter(({ path }) => path.startsWith("src/http/"))
  const untyped = untypedIn(http)
  const excepted = new Set(untyped.map(lastOf))
  const tied = [...find(http, handled), ...find(http, tiedByCall).filter((each) => !excepted.has(lastOf(each)))]
  return { declared: find(http, declared), tied, untied: [...find(http, raw), ...untyped] }
}
