import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const root = new URL("../", import.meta.url)

interface Manifest {
  readonly exports: { readonly [entry: string]: { readonly types: string } }
  readonly dependencies: { readonly [name: string]: string }
  readonly peerDependencies: { readonly [name: string]: string }
}
const manifest: Manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8"))

/** Modules that a built declaration names, in its imports and in its types. */
const named = (declaration: URL): ReadonlyArray<string> =>
  Array.from(
    readFileSync(declaration, "utf8").matchAll(/(?:\bfrom |\bimport\()"([^"]+)"/g),
    ([, module = ""]) => module
  )

/** Every declaration that a program reads with this entry, and the packages that they name. */
const readWith = (entry: string) => {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const follow = (declaration: URL) => {
    if (seen.has(declaration.href)) return
    seen.add(declaration.href)
    for (const module of named(declaration)) {
      if (module.startsWith(".")) follow(new URL(module.replace(/\.js$/, ".d.ts"), declaration))
      else if (!module.startsWith("node:")) packages.add(packageOf(module))
    }
  }
  follow(new URL(manifest.exports[entry]?.types ?? "", root))
  const dist = new URL("dist/", root).href
  return { files: Array.from(seen, (href) => href.slice(dist.length)), packages: Array.from(packages).sort() }
}

const packageOf = (module: string) => module.split("/").slice(0, module.startsWith("@") ? 2 : 1).join("/")

describe("the declarations of the package", () => {
  it("name the peers, and besides them only what comes with its types", () => {
    const { packages } = readWith(".")
    const peers = Object.keys(manifest.peerDependencies).sort()
    assert.includeMembers(packages, peers, "what no type of ours names is no peer")
    const others = packages.filter((name) => !peers.includes(name))
    assert.deepStrictEqual(others, ["better-sqlite3"])
    assert.includeMembers(Object.keys(manifest.dependencies), [...others, "@types/better-sqlite3"])
  })

  it("of the client are those of the contract and the domain alone", () => {
    const { files, packages } = readWith("./client")
    const elsewhere = files.filter((file) => !/^(?:http\/contract|domain)\//.test(file))
    assert.deepStrictEqual(elsewhere, ["http/Client.d.ts"])
    assert.deepStrictEqual(packages, ["@effect/platform", "effect"])
  })
})
