// Rules that are decided in one room each, and the sites that decide them: a site is a declaration (or a text of SQL) that
// does by itself what the room is there for.
import ts from "typescript"
import { lineOf, walk } from "./sources.mjs"

/** A look at where one id leads: `now.alias(id)`. With more arguments it notes an alias. */
const isAliasCall = (node) =>
  ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) &&
  node.expression.name.text === "alias" && node.arguments.length === 1

/** SQL that goes from an id to the one that took it over. */
const ALIAS_SQL =
  /\bSELECT\b[^;]*?\btarget\b[^;]*?\b(?:FROM|JOIN)\s+aliases\b(?:\s+(?:AS\s+)?(?!WHERE|ON)\w+)?\s+(?:WHERE|ON)\s+(?:\w+\.)?id\b/i

/** The text of a literal, with a `?` for whatever is put in. */
const textOf = (node) => {
  if (ts.isStringLiteralLike(node)) return node.text
  if (!ts.isTemplateExpression(node)) return undefined
  return node.head.text + node.templateSpans.map(({ literal }) => `?${literal.text}`).join("")
}

const isAliasSql = (node) => {
  const text = textOf(node)
  return text !== undefined && ALIAS_SQL.test(text)
}

const COMPARISONS = new Set([
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken
])

const isExpiry = (node) =>
  ts.isPropertyAccessExpression(node) ? /^expires(At|_at)$/.test(node.name.text) : node.getText() === "expiresAt"

const isNow = (node) => /\bnow\b|Millis\b/.test(node.getText())

/** What a memory's expiry is compared with the moment by. */
const isExpiryCheck = (node) =>
  ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind) &&
  (isExpiry(node.left) && isNow(node.right) || isNow(node.left) && isExpiry(node.right))

/** The rules, each with the rooms that may decide it. */
export const RULES = [
  {
    name: "which memory an id stands for",
    isSite: (node) => isAliasCall(node) || isAliasSql(node),
    // The transaction reads one alias (once the register did), saving writes one: they decide nothing.
    rooms: /^src\/store\/(deciding\/(liveId|Transaction)|state\/(Register|save))\.ts$/
  },
  {
    name: "an expired holder makes room",
    isSite: isExpiryCheck,
    rooms: /^src\/store\/deciding\/slot\.ts$/
  }
]

/** The declaration of the file, or of an object or class in it, that a node is in. */
const declarationOf = (node) => {
  let outermost = node
  for (let up = node; !ts.isSourceFile(up); up = up.parent) outermost = up
  return outermost
}

const sitesOf = (isSite) => ({ path, tree }) => {
  const sites = new Map()
  walk(tree, (node) => {
    if (!isSite(node)) return
    // A text of SQL is a site of its own; of calls there is one site in a declaration.
    const key = textOf(node) === undefined ? declarationOf(node) : node
    if (!sites.has(key)) sites.set(key, { path, line: lineOf(tree, node.getStart(tree)) })
  })
  return [...sites.values()]
}

/** `{ name, inside, outside }`: the sites of each rule, in its rooms and elsewhere. */
export const find = (sources) =>
  RULES.map(({ isSite, name, rooms }) => {
    const sites = sources.flatMap(sitesOf(isSite))
    return {
      name,
      inside: sites.filter(({ path }) => rooms.test(path)),
      outside: sites.filter(({ path }) => !rooms.test(path))
    }
  })
