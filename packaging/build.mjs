// `npm run build`: dist from src, as far as something changed. `node packaging/build.mjs daemon` makes that part alone.
//   daemon   dist/main.js, the command line and all it needs in one file, and beside it what a browser gets of it: what npm
//            start, mesh and bench run
//   modules  what an embedder imports, file by file
//   types    its declarations; this alone checks types, and takes longest
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join, relative } from "node:path"
import { pathToFileURL } from "node:url"
import { cache, root, typescript } from "./tools.mjs"

const target = { platform: "node", format: "esm", target: "node20", sourcemap: true, sourcesContent: false }

/** The bundled packages that are CommonJS ask for Node's modules by this name. */
const requireForBundled = [
  `import { createRequire as createRequireForBundled } from "node:module"`,
  "const require = createRequireForBundled(import.meta.url)"
].join("\n")

const filesOf = (folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .flatMap((entry) => entry.isFile() ? [relative(root, join(entry.parentPath, entry.name))] : [])
    .sort()

/** What a browser gets of a node: pages as they are written, and what they run as one file each. */
const BROWSER = "src/console/browser/"
const PAGES = ["home", "console"]

const sources = () => filesOf("src").filter((file) => file.endsWith(".ts"))
const still = () => filesOf("src").filter((file) => file.startsWith(BROWSER) && /\.(?:html|css|svg)$/.test(file))
/** The command line is in the daemon's file, and nowhere else. */
const modules = () =>
  sources().filter((file) => file !== "src/main.ts" && !file.startsWith("src/cli/") && !file.startsWith(BROWSER))
const outputOf = (source, ending) => source.replace(/^src/, "dist").replace(/\.ts$/, ending)

/** The daemon in one file, from a build that says where to put it. */
const daemon = {
  ...target,
  absWorkingDir: root,
  entryPoints: ["src/main.ts"],
  bundle: true,
  external: ["better-sqlite3", "@peculiar/x509", "@effect/sql-pg", "pg"],
  // Its other form asks for its own files at runtime.
  alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" },
  banner: { js: requireForBundled },
  legalComments: "none",
  // The daemon has its text in memory for as long as it runs.
  minifyWhitespace: true,
  lineLimit: 120
}

/** One character beyond Latin-1 would have each take two bytes of memory: regular expressions keep theirs as they are. */
const ascii = (text) =>
  text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** What a browser runs. Nobody debugs it there by its sources, which are plain. */
const browser = {
  absWorkingDir: root,
  entryPoints: PAGES.map((page) => `${BROWSER}${page}.ts`),
  bundle: true,
  platform: "browser",
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none"
}
const outputsOfBrowser = () => [
  ...PAGES.map((page) => `dist/console/browser/${page}.js`),
  ...still().map((file) => file.replace(/^src/, "dist"))
]

/** What a browser gets of the daemon of a folder, by way of plugins. */
const buildBrowser = async (folder, plugins = []) => {
  const { build } = await import("esbuild")
  const { outputFiles } = await build({ ...browser, outdir: join(folder, "console/browser"), plugins, write: false })
  for (const { contents, path } of outputFiles) replace(path, contents)
  for (const file of still()) replace(join(folder, relative("src", file)), readFileSync(join(root, file)))
}

/** Another daemon beside that of `dist`, from sources that plugins have changed on the way. */
export const buildDaemon = async (outfile, plugins) => {
  const { build } = await import("esbuild")
  await build({ ...daemon, outfile, plugins, sourcemap: false, logLevel: "silent" })
  await buildBrowser(dirname(outfile), plugins)
}

/** The built-in model and what is to be told of it, beside whatever reads it. */
const model = { "dist/minilm-static.bin": "minilm-static.bin", "dist/minilm-static.NOTICE.txt": "NOTICE" }

const parts = {
  model: {
    outputs: () => Object.keys(model),
    make: async () => {
      for (const [output, source] of Object.entries(model)) {
        replace(join(root, output), readFileSync(join(root, "packaging/model", source)))
      }
    }
  },
  daemon: {
    outputs: () => ["dist/main.js", "dist/main.js.map", "dist/main.LICENSES.txt", ...outputsOfBrowser()],
    make: async () => {
      const { build } = await import("esbuild")
      const { metafile, outputFiles } = await build({ ...daemon, outdir: "dist", write: false, metafile: true })
      for (const { contents, path, text } of outputFiles) replace(path, path.endsWith(".js") ? ascii(text) : contents)
      replace(join(root, "dist/main.LICENSES.txt"), licensesOf(metafile))
      await buildBrowser(join(root, "dist"))
    }
  },
  modules: {
    outputs: () => modules().flatMap((source) => [outputOf(source, ".js"), outputOf(source, ".js.map")]),
    make: async () => {
      const { build } = await import("esbuild")
      await build({ ...target, absWorkingDir: root, entryPoints: modules(), outbase: "src", outdir: "dist" })
    }
  },
  types: {
    outputs: () => modules().map((source) => outputOf(source, ".d.ts")),
    make: async () => {
      if (readOr(declarations.stamp, "") === stampOf()) return adopt()
      // Declarations that somebody removed are not made again from what the compiler remembers.
      const remembered = join(cache, "types.tsbuildinfo")
      if (!parts.types.outputs().every((file) => existsSync(join(root, file)))) rmSync(remembered, { force: true })
      await typescript("types", ["--project", "."])
    }
  }
}

/** Declarations are made by checking everything, too: who has just done that need not check the sources once more. */
const declarations = { folder: join(cache, "declarations"), stamp: join(cache, "declarations.stamp") }

const adopt = () => {
  for (const file of parts.types.outputs()) {
    replace(join(root, file), readFileSync(join(declarations.folder, file.replace(/^dist/, "src"))))
  }
}

/** Checks the types of everything. */
export const check = async () => {
  const stamp = stampOf()
  rmSync(declarations.stamp, { force: true })
  const made = modules().every((file) => existsSync(join(declarations.folder, file.replace(/\.ts$/, ".d.ts"))))
  if (!made) rmSync(join(cache, "check.tsbuildinfo"), { force: true })
  const emitting = ["--noEmit", "false", "--emitDeclarationOnly", "--declarationDir", declarations.folder]
  const told = await typescript("check", ["--project", "test", ...emitting])
  const said = `${told}${await typescript("browser", ["--project", BROWSER])}`
  replace(declarations.stamp, stamp)
  return said
}

/** Makes what is not as the sources and packages would have it. Says so before, for it takes a moment. */
export const build = async (names = Object.keys(parts)) => {
  for (const name of names) {
    const { make, outputs } = parts[name]
    const stamp = join(cache, `${name}.stamp`)
    if (stampOf(outputs()) === readOr(stamp, "")) continue
    process.stderr.write(`building the ${name} …`)
    const begin = performance.now()
    rmSync(stamp, { force: true })
    await make()
    sweep()
    replace(stamp, stampOf(outputs()))
    process.stderr.write(` ${((performance.now() - begin) / 1000).toFixed(1)} s\n`)
  }
}

/** For vitest: tests that start a daemon, or load what is published, have it as the sources are. */
export const setup = () => build(["model", "daemon", "modules"])

/** Everything that a part comes from, and what came of it the last time: names, sizes and times of change. */
const stampOf = (outputs = []) => {
  const given = ["packaging/build.mjs", "tsconfig.json", "node_modules/.package-lock.json"]
  const models = Object.values(model).map((file) => `packaging/model/${file}`)
  const made = [...given, ...models, ...sources(), ...still(), ...outputs]
  const hash = createHash("sha256")
  for (const file of made) {
    const stat = statSync(join(root, file), { throwIfNoEntry: false })
    hash.update(`${file} ${stat?.size} ${stat?.mtimeMs}\n`)
  }
  return hash.digest("hex")
}

/** How a file ends that another process is about to put in its place. */
const FRESH = /\.\d+$/

/** In one step: a daemon that starts meanwhile has the old file or the new one, whole. */
const replace = (file, contents) => {
  mkdirSync(dirname(file), { recursive: true })
  const fresh = `${file}.${process.pid}`
  writeFileSync(fresh, contents)
  renameSync(fresh, file)
}

/** Removes from dist what no source stands for any more, so that nobody imports it. */
const sweep = () => {
  const expected = new Set(Object.values(parts).flatMap(({ outputs }) => outputs()))
  for (const file of filesOf("dist")) {
    if (!expected.has(file.replace(FRESH, ""))) rmSync(join(root, file), { force: true })
  }
  for (const entry of readdirSync(join(root, "dist"), { recursive: true, withFileTypes: true }).reverse()) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isDirectory() && readdirSync(path).length === 0) rmdirSync(path)
  }
}

/** What the packages that went into a bundle ask to be told beside it. */
const licensesOf = ({ outputs }) => {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs))
  const packages = new Set(
    inputs.flatMap(([file, { bytesInOutput }]) =>
      bytesInOutput === 0 ? [] : /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []
    )
  )
  return Array.from(packages).sort().map((folder) => {
    const { license, name, version } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"))
    const [text] = readdirSync(join(root, folder)).filter((file) => /^licen[cs]e/i.test(file))
    const whole = text === undefined ? "" : `\n${readFileSync(join(root, folder, text), "utf8").trim()}\n`
    return `${name} ${version}: ${license}\n${whole}`
  }).join(`\n${"-".repeat(80)}\n\n`)
}

const readOr = (file, otherwise) => existsSync(file) ? readFileSync(file, "utf8") : otherwise

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const names = process.argv.slice(2)
  const unknown = names.find((name) => !Object.hasOwn(parts, name))
  if (unknown !== undefined) {
    console.error(`build: expected ${Object.keys(parts).join(", ")}, got "${unknown}"`)
    process.exit(2)
  }
  await build(names.length === 0 ? undefined : names).catch((error) => {
    console.error(`\nbuild: ${error.message}`)
    process.exit(1)
  })
}
