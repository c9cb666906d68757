// The endpoints of the contract, and those whose handler answers with the type that the contract declares.
import ts from "typescript"
import { lineOf, walk } from "./sources.mjs"

const METHODS = new Set(["get", "post", "put", "patch", "del", "head"])

const isCallOf = (node, isMethod) =>
  ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && isMethod(node.expression)

const isDeclared = ({ expression, name }) => expression.getText() === "HttpApiEndpoint" && METHODS.has(name.text)

/** `handle` checks the answer against the contract, `handleRaw` takes any. */
const isTied = ({ name }) => name.text === "handle"
const isUntied = ({ name }) => name.text === "handleRaw"

const namesOf = (sources, isMethod) =>
  sources.flatMap(({ path, tree }) => {
    const found = []
    walk(tree, (node) => {
      if (!isCallOf(node, isMethod)) return
      const [first] = node.arguments
      if (first === undefined || !ts.isStringLiteral(first)) return
      found.push({ name: first.text, path, line: lineOf(tree, first.getStart(tree)) })
    })
    return found
  })

/** `{ declared, tied, untied }`, each a list of `{ name, path, line }`. */
export const find = (sources) => {
  const http = sources.filter(({ path }) => path.startsWith("src/http/"))
  return {
    declared: namesOf(http, isDeclared),
    tied: namesOf(http, isTied),
    untied: namesOf(http, isUntied)
  }
}
