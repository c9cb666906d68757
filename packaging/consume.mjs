// `npm run consume`: packs this package, and uses it as a stranger would. The programs are the `ts` blocks of README.md and of
// packaging/manual; each package manager gets an empty folder, the tarball, what the programs import, and nothing else. The
// programs compile without `skipLibCheck`, and run; those that ask a node ask one that the installed package started. A newcomer
// with an agent has a folder of their own. It asks the registry, compiles better-sqlite3 where there is no binary of it, and takes some minutes, so it is no part of `npm test`.
//   --with npm,pnpm   the package managers
//   --keep            leaves the folders there, and says where
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { basename, dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs, promisify } from "node:util"
import { withNode } from "./withNode.mjs"

/** The newest line of pnpm that runs on every Node that we do. */
const PNPM = "~10.34.0"
/** Where the programs look for a node, unless it is put elsewhere. */
const URL_OF_EXAMPLES = "http://127.0.0.1:9077"
/** What a program may import that talks to nodes and is none. */
const OF_A_CLIENT = ["quorate", "effect", "@effect/platform"]

const root = fileURLToPath(new URL("..", import.meta.url))
const ours = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
const { values } = parseArgs({
  options: { with: { type: "string", default: "npm,pnpm" }, keep: { type: "boolean", default: false } }
})
const folder = mkdtempSync(join(tmpdir(), "quorate-consume-"))
const problems = []

/** Runs it to its end; what it says is part of the error when it fails. */
const run = async (command, args, cwd) => {
  const begin = performance.now()
  const { stderr, stdout } = await promisify(execFile)(command, args, { cwd, maxBuffer: 1 << 28 })
    .catch((error) => {
      throw new Error(`${command} ${args.join(" ")}: ${error.message}\n${error.stdout ?? ""}`)
    })
  return { stdout, stderr, seconds: ((performance.now() - begin) / 1000).toFixed(1) }
}

const managers = {
  npm: async () => ({ install: (cwd) => run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], cwd) }),
  pnpm: async () => {
    const tools = join(folder, "tools")
    await run("npm", ["install", "--no-audit", "--no-fund", "--prefix", tools, `pnpm@${PNPM}`], folder)
    const command = join(tools, "node_modules/.bin/pnpm")
    // A store of its own: what another program had pnpm fetch is not there.
    return { install: (cwd) => run(command, ["install", "--store-dir", join(folder, "store")], cwd) }
  }
}

/** The programs of a document, each with the packages that it imports. */
const programsOf = (path) =>
  Array.from(readFileSync(join(root, path), "utf8").matchAll(/^```ts\n(.*?)^```$/gms), ([, text], index) => ({
    name: `${basename(path, ".md")}${index + 1}`,
    text,
    imports: Array.from(text.matchAll(/ from "([^"]+)"$/gm), ([, module]) => module),
    printed: Array.from(text.matchAll(/Console\.log\(.*\/\/ (.+)$/gm), ([, line]) => line)
  }))

const packageOf = (module) => module.split("/").slice(0, module.startsWith("@") ? 2 : 1).join("/")

const documents = () => {
  const manual = "packaging/manual"
  const pages = readdirSync(join(root, manual)).filter((name) => name.endsWith(".md")).sort()
  return ["README.md", ...pages.map((name) => `${manual}/${name}`)]
}

/** The declarations that a program reads with an entry of ours, and the packages that they name. */
const readWith = (entry) => {
  const files = new Set()
  const packages = new Set()
  const follow = (file) => {
    if (files.has(file)) return
    files.add(file)
    for (const [, module] of readFileSync(file, "utf8").matchAll(/(?:\bfrom |\bimport\()"([^"]+)"/g)) {
      if (module.startsWith(".")) follow(join(dirname(file), module.replace(/\.js$/, ".d.ts")))
      else if (!module.startsWith("node:")) packages.add(packageOf(module))
    }
  }
  follow(join(root, ours.exports[entry].types))
  return { files: [...files].map((file) => relative(join(root, "dist"), file)), packages: [...packages].sort() }
}

/** What our types name is to be there once, so it is a peer; and the types of a client are to bring no server. */
const checkDeclarations = () => {
  const peers = Object.keys(ours.peerDependencies).filter((name) => ours.peerDependenciesMeta[name]?.optional !== true)
  const { files: node, packages } = readWith(".")
  const unnamed = peers.filter((name) => !packages.includes(name))
  if (unnamed.length > 0) problems.push(`peers that no declaration names: ${unnamed.join(", ")}`)
  const others = packages.filter((name) => !peers.includes(name) && !(`@types/${name}` in ours.dependencies))
  if (others.length > 0) problems.push(`declarations name what is no peer and brings no types: ${others.join(", ")}`)
  const { files } = readWith("./client")
  const elsewhere = files.filter((file) => !/^(?:http\/contract|domain)\/|^http\/Client\.d\.ts$/.test(file))
  if (elsewhere.length > 0) problems.push(`the declarations of the client lead to ${elsewhere.join(", ")}`)
  console.log(`declarations: ${node.length} with a node, ${files.length} with a client`)
}

/** The project of a stranger: the tarball, what the programs import in the versions that we name, and a compiler. */
const layOut = (app, tarball, programs) => {
  mkdirSync(join(app, "src"), { recursive: true })
  const versions = { ...ours.dependencies, ...ours.peerDependencies, [ours.name]: `file:${tarball}` }
  const packages = [...new Set(programs.flatMap(({ imports }) => imports.map(packageOf)))].sort()
  const json = (name, value) => writeFileSync(join(app, name), JSON.stringify(value, null, 2))
  json("package.json", {
    name: "stranger",
    private: true,
    type: "module",
    dependencies: Object.fromEntries(packages.map((name) => [name, versions[name]])),
    devDependencies: { typescript: ours.devDependencies.typescript },
    // A native module: npm 11 asks before it runs the script that builds it.
    allowScripts: { "better-sqlite3": true }
  })
  // So does pnpm: 10 reads the list, 11 and later the map.
  writeFileSync(
    join(app, "pnpm-workspace.yaml"),
    "onlyBuiltDependencies:\n  - better-sqlite3\nallowBuilds:\n  better-sqlite3: true\n"
  )
  json("tsconfig.json", {
    compilerOptions: {
      target: "ES2022",
      module: "NodeNext",
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      rootDir: "src",
      outDir: "out"
    },
    include: ["src"]
  })
  for (const { name, text } of programs) writeFileSync(join(app, "src", `${name}.ts`), text)
  return packages
}

/** What the compiler has against the programs and our declarations; and how much against those of others. */
const compile = (app) => {
  const ts = createRequire(join(app, "package.json"))("typescript")
  const { config } = ts.readConfigFile(join(app, "tsconfig.json"), ts.sys.readFile)
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, app)
  const program = ts.createProgram(fileNames, options)
  const found = ts.getPreEmitDiagnostics(program)
  const isOfOthers = ({ file }) =>
    file !== undefined && /\/node_modules\//.test(file.fileName) &&
    !/\/node_modules\/quorate\/(?!.*\/node_modules\/)/.test(file.fileName)
  program.emit()
  const format = (diagnostics) =>
    ts.formatDiagnostics(diagnostics, {
      getCurrentDirectory: () => app,
      getCanonicalFileName: (name) => name,
      getNewLine: () => "\n"
    })
  const declarations = program.getSourceFiles().filter(({ fileName }) =>
    /\/node_modules\/quorate\/dist\//.test(fileName)
  )
  return {
    declarations: declarations.length,
    ours: format(found.filter((one) => !isOfOthers(one))),
    others: format(found.filter(isOfOthers))
  }
}

/** Runs what was compiled, and holds what it prints to what stands beside its last call. */
const check = async (app, { name, printed }, url) => {
  const file = join(app, "out", `${name}.js`)
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(URL_OF_EXAMPLES, url))
  const { stdout } = await run(process.execPath, [file], app)
  const lines = stdout.trimEnd().split("\n")
  if (JSON.stringify(lines) === JSON.stringify(printed)) return console.log(`  ${name}: ${lines.join(" | ")}`)
  problems.push(`${name} prints ${JSON.stringify(lines)}, not ${JSON.stringify(printed)}`)
}

const consume = async (manager, tarball, programs) => {
  const { install } = await managers[manager]()
  const app = join(folder, manager)
  const packages = layOut(app, tarball, programs)
  const { seconds } = await install(app)
  const { stdout } = await run("du", ["-sm", join(app, "node_modules")], app)
  console.log(`${manager}: ${packages.join(", ")} installed in ${seconds} s, ${Number.parseInt(stdout)} MB`)
  const { declarations, others, ours: own } = compile(app)
  console.log(`  ${declarations} of our declarations read without skipLibCheck, ${own === "" ? "no" : "with"} errors`)
  if (own !== "") return problems.push(`${manager}: ${own}`)
  if (others !== "") console.log(`  declarations of others have errors:\n${others.replace(/^/gm, "    ")}`)
  await withNode(join(app, "node_modules/.bin/quorate"), join(app, "quorate.db"), async (url) => {
    for (const program of programs) await check(app, program, url)
  })
}

/** Nothing but the package, in an empty folder: it serves, and an agent is told of it. */
const newcomer = async (tarball) => {
  const app = join(folder, "newcomer")
  mkdirSync(app)
  const { seconds } = await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", tarball], app)
  const begin = performance.now()
  const vitest = join(root, "node_modules/vitest/vitest.mjs")
  const test = ["run", "--config", "test/vitest.config.ts", "test/mcp/packed.test.ts"]
  process.env.QUORATE_TEST_INSTALLED = app
  await run(process.execPath, [vitest, ...test], root)
  const minute = ((performance.now() - begin) / 1000).toFixed(1)
  console.log(`newcomer: installed in ${seconds} s; served, and stored and recalled by an agent in ${minute} s`)
}

try {
  const programs = documents().flatMap(programsOf)
  const isClient = ({ imports }) => imports.includes(`${ours.name}/client`)
  const isEmbedding = ({ imports }) => imports.includes(ours.name)
  if (!programs.some(isEmbedding)) problems.push("no document has a program that embeds a node")
  if (!programs.some((one) => isClient(one) && one.imports.every((name) => OF_A_CLIENT.includes(packageOf(name))))) {
    problems.push(`no document has a program that imports ${OF_A_CLIENT.join(", ")} alone and talks to a node`)
  }
  const pack = ["pack", "--json", "--foreground-scripts=false", "--pack-destination", folder]
  const packed = JSON.parse((await run("npm", pack, root)).stdout)
  const { entryCount, filename, size, unpackedSize } = Array.isArray(packed) ? packed[0] : Object.values(packed)[0]
  console.log(`${filename}: ${size} bytes, ${entryCount} files of ${unpackedSize} bytes`)
  checkDeclarations()
  await newcomer(join(folder, filename))
  for (const manager of values.with.split(",")) await consume(manager, join(folder, filename), programs)
} catch (error) {
  problems.push(error.message)
} finally {
  if (values.keep) console.log(`kept in ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}
for (const problem of problems) console.error(`consume: ${problem}`)
process.exit(problems.length === 0 ? 0 : 1)
