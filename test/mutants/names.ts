import ts from "typescript"
import { walk } from "../../packaging/house/sources.mjs"

const MAKES_TESTS = /^(it|describe)\b/

/** A part of a name that is only known when the test runs. */
const HOLE = "\0"
/** All of it. Such a name is looked for in the texts of the source alone. */
const UNKNOWN = "\u0001"

/** `it.each(table)("…")` is called by the same name as `it("…")`. */
const madeBy = (node: ts.Expression): string => ts.isCallExpression(node) ? madeBy(node.expression) : node.getText()

const textOf = (node: ts.Node | undefined): string | null => {
  if (node === undefined) return null
  if (ts.isStringLiteralLike(node)) return node.text.replace(/%\w|\$\w+/g, HOLE)
  if (!ts.isTemplateExpression(node)) return UNKNOWN
  const pieces = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
  return pieces.join(HOLE).replace(/%\w|\$\w+/g, HOLE)
}

/** The full names of the tests of a source: those of the suites around them before their own. */
const namesIn = (source: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  walk(ts.createSourceFile("test.ts", source, ts.ScriptTarget.ES2022, true), (node) => {
    if (!ts.isCallExpression(node) || !MAKES_TESTS.test(madeBy(node.expression)) || node.arguments.length < 2) return
    const around: Array<string> = []
    for (let up: ts.Node = node; !ts.isSourceFile(up); up = up.parent) {
      const named = ts.isCallExpression(up) && MAKES_TESTS.test(madeBy(up.expression)) ? textOf(up.arguments[0]) : null
      if (named !== null) around.unshift(named)
    }
    found.push(around.join(" "))
  })
  return found
}

/** Whether a name can go on with these words from here. */
const goesOn = (name: string, words: string): boolean =>
  words === "" || (name.startsWith(HOLE)
    ? goesOn(name.slice(1), words) || goesOn(name, words.slice(1))
    : name !== "" && name[0] === words[0] && goesOn(name.slice(1), words.slice(1)))

/**
 * Whether a source can have a test with these words in its full name. A quick look: the run of the mutants finds those
 * that are not there after all.
 */
export const isNamed = (source: string, words: string): boolean =>
  source.includes(words) ||
  namesIn(source).some((name) =>
    Array.from(name).some((first, from) => first !== HOLE && goesOn(name.slice(from), words))
  )
