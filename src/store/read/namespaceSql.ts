import { formOf, type Namespaces } from "../../domain/namespaces.js"

/** `namespaces.allows` as a condition of SQL on a column. It has no parameters, as a view can have none. */
export const conditionOf = (namespaces: Namespaces, column: string): string =>
  namespaces.length === 0 ? "0" : `(${namespaces.map((pattern) => `(${one(pattern, column)})`).join(" OR ")})`

const one = (pattern: string, column: string): string => {
  const form = formOf(pattern)
  switch (form._tag) {
    case "all":
      return `${column} IS NOT NULL`
    case "subtree":
      return `${column} = ${quoted(form.root)} OR ${below(form.root, column)}`
    case "children":
      return `${below(form.parent, column)} AND ${isSegment(`substr(${column}, ${charsOf(form.parent) + 2})`)}`
    case "named":
      return `substr(${column}, ${-charsOf(form.last) - 1}) = ${quoted(`/${form.last}`)} AND ` +
        isSegment(`substr(${column}, 1, length(${column}) - ${charsOf(form.last) + 1})`)
    case "exactly":
      return `${column} = ${quoted(form.namespace)}`
  }
}

/** As a range, which an index has in one piece: the sign after the slash is a nought. */
const below = (root: string, column: string): string =>
  `${column} >= ${quoted(`${root}/`)} AND ${column} < ${quoted(`${root}0`)}`

const isSegment = (text: string): string => `${text} <> '' AND instr(${text}, '/') = 0`

/** As SQLite counts them. */
const charsOf = (text: string): number => Array.from(text).length

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
