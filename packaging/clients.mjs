// `npm run clients`: programs of other makers turn the description of a node, /openapi.json, into clients. A node is started, each
// generator asks it for the description, what it makes compiles strictly with the program beside it, and that stores and recalls a
// memory. It asks the registry for the generators, so it is no part of `npm test`.
//   --only orval,oazapfts   these alone
//   --keep                  leaves the folder there, and says where
import { execFile } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs, promisify } from "node:util"
import { root } from "./tools.mjs"
import { withNode } from "./withNode.mjs"

/** Each of them in its newest line for Node 20, with what its clients import. */
const generators = {
  openapiTypescript: {
    packages: { "openapi-typescript": "~7.13.0", "openapi-fetch": "~0.17.0" },
    // What has a default need not be sent, which it takes the other way around unless told.
    command: (url, to) => ["openapi-typescript", url, "-o", join(to, "index.ts"), "--default-non-nullable", "false"]
  },
  openapiTs: {
    packages: { "@hey-api/openapi-ts": "~0.90.10" },
    command: (url, to) => ["openapi-ts", "-i", url, "-o", to, "--no-log-file"]
  },
  swaggerTypescriptApi: {
    packages: { "swagger-typescript-api": "~13.13.0" },
    command: (url, to) => ["swagger-typescript-api", "generate", "-p", url, "-o", to, "-n", "api.ts"]
  },
  oazapfts: {
    packages: { oazapfts: "~7.5.0", "@oazapfts/runtime": "~1.2.0" },
    command: (url, to) => ["oazapfts", url, join(to, "index.ts")]
  },
  orval: {
    packages: { orval: "~7.21.0" },
    // Its clients have their address from the time of their making.
    command: (_, to) => ["orval", "--config", join(to, "config.mjs")],
    config: (url, to) => ({
      quorate: {
        input: `${url}/openapi.json`,
        output: { target: join(to, "index.ts"), client: "fetch", baseUrl: url }
      }
    })
  }
}

const { values } = parseArgs({
  options: { only: { type: "string", default: Object.keys(generators).join(",") }, keep: { type: "boolean" } }
})
const names = values.only.split(",")
const folder = mkdtempSync(join(tmpdir(), "quorate-clients-"))

const run = (command, args) =>
  promisify(execFile)(command, args, { cwd: folder, maxBuffer: 1 << 28 }).catch(({ message, stdout }) => {
    throw new Error(`${message}\n${stdout}`)
  })

const json = (name, value) => writeFileSync(join(folder, name), JSON.stringify(value, null, 2))

const layOut = async () => {
  const devDependencies = { typescript: "~5.9.3" }
  for (const name of names) Object.assign(devDependencies, generators[name].packages)
  json("package.json", { name: "clients", private: true, type: "module", devDependencies })
  json("tsconfig.json", {
    compilerOptions: {
      target: "ES2022",
      module: "ESNext",
      moduleResolution: "bundler",
      lib: ["ES2022", "DOM", "DOM.Iterable"],
      strict: true,
      skipLibCheck: false,
      types: []
    },
    include: names.map((name) => `${name}.ts`)
  })
  for (const name of names) cpSync(join(root, "packaging/clients", `${name}.ts`), join(folder, `${name}.ts`))
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"])
}

const generate = async (name, url) => {
  const { command, config } = generators[name]
  const to = join(folder, "generated", name)
  mkdirSync(to, { recursive: true })
  if (config !== undefined) {
    writeFileSync(join(to, "config.mjs"), `export default ${JSON.stringify(config(url, to))}\n`)
  }
  const [program, ...args] = command(`${url}/openapi.json`, to)
  await run(join(folder, "node_modules/.bin", program), args)
}

try {
  await layOut()
  await withNode(join(root, "dist/main.js"), join(folder, "quorate.db"), async (url) => {
    for (const name of names) await generate(name, url)
    await run(join(folder, "node_modules/.bin/tsc"), ["--project", "tsconfig.json", "--noEmit"])
    const { build } = await import("esbuild")
    for (const name of names) {
      const outfile = join(folder, `${name}.mjs`)
      await build({ entryPoints: [join(folder, `${name}.ts`)], bundle: true, format: "esm", platform: "node", outfile })
      const { storeAndRecall } = await import(pathToFileURL(outfile).href)
      const title = `Made by ${name}`
      const titles = await storeAndRecall(url, title)
      if (!titles.includes(title)) throw new Error(`${name}: "${title}" is not in ${JSON.stringify(titles)}`)
      console.log(`${name}: generated, compiled, stored and recalled`)
    }
  })
} catch (error) {
  console.error(`clients: ${error.message}`)
  process.exitCode = 1
} finally {
  if (values.keep) console.log(`kept in ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}
