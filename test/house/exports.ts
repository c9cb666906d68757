import ts from "typescript"
import * as Graph from "../../packaging/house/graph.mjs"
import { lineOf, type Source, walk } from "../../packaging/house/sources.mjs"

/** Everything that a module exports. */
const ALL = "*"

export interface Exported {
  readonly path: string
  readonly name: string
  readonly line: number
}

const isExported = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) &&
  ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true

const namesIn = (name: ts.BindingName): ReadonlyArray<ts.Identifier> =>
  ts.isIdentifier(name)
    ? [name]
    : name.elements.flatMap((element) => ts.isBindingElement(element) ? namesIn(element.name) : [])

const namesOf = (statement: ts.Statement): ReadonlyArray<ts.Node & { readonly text: string }> => {
  if (ts.isExportDeclaration(statement)) {
    const clause = statement.exportClause
    if (clause === undefined) return []
    return ts.isNamedExports(clause) ? clause.elements.map(({ name }) => name) : [clause.name]
  }
  if (!isExported(statement)) return []
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => namesIn(name))
  }
  const declares = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) || ts.isEnumDeclaration(statement)
  return declares && statement.name !== undefined ? [statement.name] : []
}

/** The exports of a source, each name once: a type and a value of one name are one export. */
export const exportsOf = ({ path, tree }: Source): ReadonlyArray<Exported> => {
  const found = new Map<string, Exported>()
  for (const name of tree.statements.flatMap(namesOf)) {
    if (!found.has(name.text)) found.set(name.text, { path, name: name.text, line: lineOf(tree, name.getStart(tree)) })
  }
  return Array.from(found.values())
}

/** Names that stand for something of their own place, not for what is imported under the same name. */
const isOwnName = (node: ts.Identifier): boolean => {
  const { parent } = node
  return (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isQualifiedName(parent) && parent.right === node) ||
    (ts.isBindingElement(parent) && parent.propertyName === node) ||
    ts.isImportSpecifier(parent) || ts.isNamespaceImport(parent) ||
    ((ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isPropertyDeclaration(parent) ||
      ts.isMethodSignature(parent) || ts.isMethodDeclaration(parent)) && parent.name === node)
}

type Members = ReadonlyMap<string, ReadonlySet<string>>

/** What a source takes out of its namespaces: members by name, or all when one is handed on as a whole. */
const membersIn = (tree: ts.SourceFile): Members => {
  const members = new Map<string, Set<string>>()
  walk(tree, (node) => {
    if (ts.isNamespaceImport(node)) members.set(node.name.text, new Set())
    if (!ts.isIdentifier(node) || isOwnName(node)) return
    const { parent } = node
    const used = members.get(node.text)
    if (ts.isPropertyAccessExpression(parent)) used?.add(parent.name.text)
    else if (ts.isQualifiedName(parent)) used?.add(parent.right.text)
    else used?.add(ALL)
  })
  return members
}

const qualifierOf = (node: ts.EntityName | undefined): string =>
  node === undefined ? ALL : ts.isIdentifier(node) ? node.text : qualifierOf(node.left)

const ofImport = (members: Members, clause: ts.ImportClause | undefined): ReadonlyArray<string> => {
  const bindings = clause?.namedBindings
  const usual = clause?.name === undefined ? [] : ["default"]
  if (bindings === undefined) return usual
  return ts.isNamespaceImport(bindings)
    ? [...usual, ...(members.get(bindings.name.text) ?? [])]
    : [...usual, ...bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text)]
}

/** The names of another module that an import (export, type) of it uses. */
const usedBy = (members: Members, node: ts.Node): ReadonlyArray<string> => {
  if (ts.isImportDeclaration(node)) return ofImport(members, node.importClause)
  if (ts.isImportTypeNode(node)) return [qualifierOf(node.qualifier)]
  if (ts.isExportDeclaration(node) && node.exportClause !== undefined && ts.isNamedExports(node.exportClause)) {
    return node.exportClause.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
  }
  return [ALL]
}

/** For each source, the names of it that other sources use. */
const usesOf = (sources: ReadonlyArray<Source>): ReadonlyMap<string, ReadonlySet<string>> => {
  const known = new Set(sources.map(({ path }) => path))
  const uses = new Map(sources.map(({ path }) => [path, new Set<string>()]))
  for (const source of sources) {
    const members = membersIn(source.tree)
    for (const { node, to } of Graph.importsOf(source, known)) {
      if (to !== source.path) usedBy(members, node).forEach((name) => uses.get(to)?.add(name))
    }
  }
  return uses
}

/** The exports of `src` that no other source uses. What the `entries` export is for the outside. */
export const unusedExports = (
  sources: ReadonlyArray<Source>,
  entries: ReadonlySet<string>
): ReadonlyArray<Exported> => {
  const uses = usesOf(sources)
  return sources.filter(({ path }) => path.startsWith("src/") && !entries.has(path)).flatMap((source) => {
    const used = uses.get(source.path) ?? new Set()
    return used.has(ALL) ? [] : exportsOf(source).filter(({ name }) => !used.has(name))
  })
}
