import ts from "typescript"
import * as Folders from "../../packaging/house/folders.mjs"
import * as Graph from "../../packaging/house/graph.mjs"
import { type File, lineOf, type Source, walk } from "../../packaging/house/sources.mjs"

/** Files of a graph that no other file of it imports: an entry is there for the outside. */
export const unusedFiles = (graph: Graph.Graph, entries: ReadonlySet<string>): ReadonlyArray<string> => {
  const imported = new Set(Graph.arrows(graph).map(([, to]) => to))
  return Array.from(graph.keys()).filter((path) => !imported.has(path) && !entries.has(path))
}

export interface Long {
  readonly path: string
  readonly name: string
  readonly line: number
  readonly lines: number
}

/** What a function is called: by itself, or by the nearest thing around it that has a name. */
const nameOf = (node: ts.Node): string => {
  for (let up = node; !ts.isSourceFile(up); up = up.parent) {
    const name = ts.isFunctionLike(up) || ts.isVariableDeclaration(up) || ts.isPropertyAssignment(up) ||
        ts.isPropertyDeclaration(up)
      ? up.name
      : undefined
    if (name !== undefined) return name.getText()
  }
  return "?"
}

/**
 * Functions with more than `most` lines, from the first of their signature to the last of their body. What is inside of such
 * a function is not looked at by itself.
 */
export const longFunctions = (sources: ReadonlyArray<Source>, most: number): ReadonlyArray<Long> =>
  sources.flatMap(({ path, tree }) => {
    const longIn = (node: ts.Node): ReadonlyArray<Long> => {
      if (ts.isFunctionLike(node)) {
        const line = lineOf(tree, node.getStart(tree))
        const lines = lineOf(tree, node.end) - line + 1
        if (lines > most) return [{ path, name: nameOf(node), line, lines }]
      }
      const found: Array<Long> = []
      ts.forEachChild(node, (child) => {
        found.push(...longIn(child))
      })
      return found
    }
    return longIn(tree)
  })

/** Those that are not allowed: nobody allows them, or they have grown beyond what they are allowed. */
export const beyond = (
  found: ReadonlyArray<Long>,
  allowed: Readonly<Record<string, number>>
): ReadonlyArray<Long> => found.filter(({ lines, name, path }) => lines > (allowed[`${path} ${name}`] ?? 0))

/** What is allowed without need: the list must not outlive its reasons. */
export const needless = (
  found: ReadonlyArray<Long>,
  allowed: Readonly<Record<string, number>>
): ReadonlyArray<string> => {
  const needed = new Set(found.map(({ name, path }) => `${path} ${name}`))
  return Object.keys(allowed).filter((key) => !needed.has(key))
}

export interface Refused {
  /** In a name of a file, an identifier or a comment. Texts may have it: a column, an answer, a route. */
  readonly word: RegExp
  readonly instead: string
}

export interface Spoken {
  readonly path: string
  readonly line: number
  readonly found: string
  readonly instead: string
}

const isText = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) || node.kind === ts.SyntaxKind.TemplateHead ||
  node.kind === ts.SyntaxKind.TemplateMiddle || node.kind === ts.SyntaxKind.TemplateTail

/** A source with nothing in its texts. */
const withoutTexts = ({ text, tree }: Source): string => {
  const kept: Array<string> = []
  let from = 0
  walk(tree, (node) => {
    if (!isText(node)) return
    const start = node.getStart(tree)
    kept.push(text.slice(from, start), text.slice(start, node.end).replace(/[^\n]/g, " "))
    from = node.end
  })
  return kept.join("") + text.slice(from)
}

/** Where a refused word stands. */
export const refusedWords = (sources: ReadonlyArray<Source>, table: ReadonlyArray<Refused>): ReadonlyArray<Spoken> =>
  sources.flatMap((source) => {
    const { path, text, tree } = source
    const wanted = table.filter(({ word }) => word.test(path) || word.test(text))
    if (wanted.length === 0) return []
    const own = withoutTexts(source)
    return wanted.flatMap(({ instead, word }) => {
      const inName = word.exec(path)
      const inText = Array.from(
        own.matchAll(new RegExp(word, `${word.flags}g`)),
        ({ 0: found, index }) => ({ path, line: lineOf(tree, index), found, instead })
      )
      return [...(inName === null ? [] : [{ path, line: 0, found: inName[0], instead }]), ...inText]
    })
  })

const MENTION = /\bADR[ -]?(\d{4})\b|\[(\d{4})\]\((?:[^)]*\/)?(\d{4}-[^)/#]*)[^)]*\)/g

/** Mentions of decisions that are not there: "ADR 0007", or a link with the number as its text. */
export const lostDecisions = (
  files: ReadonlyArray<File>,
  decisions: ReadonlyArray<string>
): ReadonlyArray<{ readonly path: string; readonly mention: string }> =>
  files.flatMap(({ path, text }) =>
    Array.from(text.matchAll(MENTION)).flatMap(([mention, number, label, file]) => {
      const isThere = number === undefined
        ? file?.startsWith(`${label}-`) === true && decisions.includes(file)
        : decisions.some((decision) => decision.startsWith(`${number}-`))
      return isThere ? [] : [{ path, mention }]
    })
  )

/** Wings of a folder that import each other, straight or in a circle; the files beside the wings among them. */
export const wingCircles = (graph: Graph.Graph, folder: string): ReadonlyArray<ReadonlyArray<string>> =>
  Graph.circles(Folders.planOf(graph, folder).plan)
