import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import ts from "typescript"

const SRC = new URL("../../src/", import.meta.url)
const CLIENT = "http/Client.ts"

/** What a module of ours loads when it is loaded itself: imports of types are gone by then. */
const loads = (file: string): ReadonlyArray<string> => {
  const tree = ts.createSourceFile(file, readFileSync(new URL(file, SRC), "utf8"), ts.ScriptTarget.Latest)
  return tree.statements.flatMap((statement) => {
    const isTypeOnly = ts.isImportDeclaration(statement)
      ? statement.importClause?.isTypeOnly === true
      : ts.isExportDeclaration(statement) && statement.isTypeOnly
    if (isTypeOnly || !(ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement))) return []
    const from = statement.moduleSpecifier
    return from !== undefined && ts.isStringLiteral(from) ? [from.text] : []
  })
}

const isOurs = (specifier: string) => specifier.startsWith(".")

/** A file of ours, from src, as another one names it. */
const resolve = (specifier: string, from: string): string =>
  new URL(specifier.replace(/\.js$/, ".ts"), new URL(from, SRC)).href.slice(SRC.href.length)

/** Every file that is loaded with this one, itself included. */
const reach = (file: string, seen: Set<string> = new Set()): ReadonlySet<string> => {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const specifier of loads(file)) if (isOurs(specifier)) reach(resolve(specifier, file), seen)
  return seen
}

const packageOf = (specifier: string): string =>
  specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

describe("the typed client", () => {
  it("loads the contract and the domain, and nothing else of ours", () => {
    const elsewhere = Array.from(reach(CLIENT)).filter((file) => !/^(?:http\/contract|domain)\//.test(file))
    assert.deepStrictEqual(elsewhere, [CLIENT])
  })

  it("loads no package but effect and its platform: no database, and no module of node", () => {
    const specifiers = Array.from(reach(CLIENT)).flatMap(loads).filter((specifier) => !isOurs(specifier))
    assert.deepStrictEqual(Array.from(new Set(specifiers.map(packageOf))).sort(), ["@effect/platform", "effect"])
  })

  it("is what the package exports under its name", () => {
    const { exports }: { exports: Record<string, unknown> } = JSON.parse(
      readFileSync(new URL("../package.json", SRC), "utf8")
    )
    assert.deepStrictEqual(exports["./client"], {
      types: "./dist/http/Client.d.ts",
      default: "./dist/http/Client.js"
    })
  })
})
