import { assert, it } from "@effect/vitest"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"

/* A command for people begins in a moment, since nothing of a node is loaded, nor what only one of the commands needs. */

const root = fileURLToPath(new URL("../../", import.meta.url))

/** What a module of the program loads before it does anything: files of ours, and packages. */
const loadedBy = async (entry: string) => {
  const { metafile: { inputs } } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
    metafile: true,
    write: false
  })
  const files = new Set<string>()
  const packages = new Set<string>()
  const follow = (file: string) => {
    if (files.has(file)) return
    files.add(file)
    for (const { external = false, kind, path } of inputs[file]?.imports ?? []) {
      if (kind !== "import-statement" || path.startsWith("node:")) continue
      if (external) packages.add(path.split("/").slice(0, path.startsWith("@") ? 2 : 1).join("/"))
      else follow(path)
    }
  }
  follow(entry)
  return { files: Array.from(files), packages: Array.from(packages).toSorted() }
}

it("commands for people load nothing of a node, and no package of tables and of notes", async () => {
  const { files, packages } = await loadedBy("src/cli/small.ts")
  assert.include(files, "src/cli/people/store.ts")
  assert.include(files, "src/cli/moving/import.ts")
  const wings = new Set(files.map((file) => file.split("/")[1]))
  assert.deepStrictEqual(Array.from(wings).toSorted(), ["access", "cli", "config", "domain", "transfer"])
  assert.deepStrictEqual(packages, [
    "@effect/cli",
    "@effect/platform",
    "@effect/platform-node",
    "@noble/curves",
    "@orama/stemmers",
    "@orama/stopwords",
    "effect",
    "jsonc-parser",
    "smol-toml",
    "string-width"
  ])
})
