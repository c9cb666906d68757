import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import type { Mutant } from "./mutants.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** Where the simulation's own sources are, and the little they take from other tests. */
const SOURCES = [
  "src",
  "test/simulation",
  "test/federation/inProcess.ts",
  "test/store/scratch.ts",
  "test/store/authors.ts"
]

/** A program of its own, which `run` starts with these arguments. */
export interface Build {
  readonly folder: string
  readonly main: string
}

/** Compiles sources and simulation, without checking types, into a temporary folder. */
export const build = (): Build => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-mutants-"))
  for (const source of SOURCES.flatMap((each) => filesOf(path.join(root, each)))) {
    if (!source.endsWith(".ts") || source.endsWith(".test.ts")) continue
    write(folder, path.relative(root, source), fs.readFileSync(source, "utf8"))
  }
  fs.symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"))
  fs.writeFileSync(path.join(folder, "package.json"), `{ "type": "module" }`)
  return { folder, main: path.join(folder, "test/simulation/mutants/main.js") }
}

/** A copy of the build with the bug in it. */
export const mutated = (original: Build, { edits, name }: Mutant): Build => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-mutant-"))
  fs.cpSync(original.folder, folder, { recursive: true, verbatimSymlinks: true })
  const texts = new Map<string, string>()
  for (const { file, replace, search } of edits) {
    const text = texts.get(file) ?? fs.readFileSync(path.join(root, "src", file), "utf8")
    const found = text.split(search).length - 1
    if (found !== 1) throw new Error(`mutant "${name}": ${JSON.stringify(search)} is ${found} times in src/${file}`)
    texts.set(file, text.replace(search, () => replace))
  }
  for (const [file, text] of texts) write(folder, path.join("src", file), text)
  return { folder, main: path.join(folder, path.relative(original.folder, original.main)) }
}

export const remove = ({ folder }: Build): void => fs.rmSync(folder, { recursive: true, force: true })

const filesOf = (at: string): ReadonlyArray<string> =>
  fs.statSync(at).isDirectory() ? fs.readdirSync(at).flatMap((name) => filesOf(path.join(at, name))) : [at]

const write = (folder: string, file: string, text: string): void => {
  const target = path.join(folder, file.replace(/\.ts$/, ".js"))
  const { outputText } = ts.transpileModule(text, {
    fileName: file,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  })
  fs.mkdirSync(path.dirname(target), { recursive: true })
  fs.writeFileSync(target, outputText)
}
