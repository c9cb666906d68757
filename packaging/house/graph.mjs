// Who imports whom. An arrow leads from one file to another, however many names it carries, those of types included.
import { posix } from "node:path"
import ts from "typescript"
import { walk } from "./sources.mjs"

/** The source that a specifier means, out of `known` paths; what is built counts as its source. */
const resolve = (from, specifier, known) => {
  if (!specifier.startsWith(".")) return undefined
  const meant = posix.join(posix.dirname(from), specifier).replace(/^dist\//, "src/")
  return [meant, meant.replace(/\.js$/, ".ts"), meant.replace(/\.mjs$/, ".mts")].find((path) => known.has(path))
}

const specifierOf = (node) => {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
    ? node.arguments[0]
    : undefined
}

/** `{ node, to }` for every import (export, type) of another of our sources. */
export const importsOf = ({ path, text, tree }, known) => {
  const found = []
  const look = (node) => {
    const specifier = specifierOf(node)
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const to = resolve(path, specifier.text, known)
    if (to !== undefined) found.push({ node, to })
  }
  // Few have imports elsewhere than at their top.
  if (/\bimport\s*\(/.test(text)) walk(tree, look)
  else tree.statements.forEach(look)
  return found
}

/** From the path of each source to the paths it imports. */
export const make = (sources) => {
  const known = new Set(sources.map(({ path }) => path))
  return new Map(sources.map((source) => [source.path, new Set(importsOf(source, known).map(({ to }) => to))]))
}

/** The part of a graph between the nodes that `isIn`. */
export const within = (graph, isIn) =>
  new Map([...graph].filter(([from]) => isIn(from)).map(([from, to]) => [from, new Set([...to].filter(isIn))]))

/** The graph of what `nameOf` makes of the nodes; an arrow from a group to itself is none. */
export const grouped = (graph, nameOf) => {
  const groups = new Map([...graph.keys()].map((from) => [nameOf(from), new Set()]))
  for (const [from, targets] of graph) {
    for (const to of targets) if (nameOf(from) !== nameOf(to)) groups.get(nameOf(from)).add(nameOf(to))
  }
  return groups
}

export const arrows = (graph) => [...graph].flatMap(([from, targets]) => [...targets].map((to) => [from, to]))

/** The circles: each the nodes that reach each other (strongly connected components with more than one node). */
export const circles = (graph) => {
  const state = new Map()
  const stack = []
  const found = []
  const visit = (node) => {
    const own = { index: state.size, low: state.size, open: true }
    state.set(node, own)
    stack.push(node)
    for (const to of graph.get(node) ?? []) {
      const seen = state.get(to) ?? visit(to)
      if (seen.open) own.low = Math.min(own.low, seen.low)
    }
    if (own.low === own.index) {
      const members = stack.splice(stack.indexOf(node))
      for (const member of members) state.get(member).open = false
      if (members.length > 1 || graph.get(node)?.has(node)) found.push(members.sort())
    }
    return own
  }
  for (const node of graph.keys()) if (!state.has(node)) visit(node)
  return found
}

/** How many nodes the longest way through a graph without circles has. */
export const floors = (graph) => {
  const heights = new Map()
  const heightOf = (node) => {
    if (!heights.has(node)) {
      heights.set(node, 0)
      heights.set(node, 1 + Math.max(0, ...[...(graph.get(node) ?? [])].map(heightOf)))
    }
    return heights.get(node)
  }
  return Math.max(0, ...[...graph.keys()].map(heightOf))
}
