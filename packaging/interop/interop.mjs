// `npm run interop -- --original PATH`: every kind of write, through every node, in meshes of real nodes of ai-memory with
// ours; what differs at the end, as a table.
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import { parseArgs } from "node:util"
import { kinds, purge, register } from "./lib/kinds.mjs"
import { cleanUpAtExit, makeMesh } from "./lib/nodes.mjs"
import { round } from "./lib/rounds.mjs"

const usage = `usage: npm run interop -- --original PATH [options]

  --original PATH      the binary of ai-memory, of any release since 0.6.2; one is got, where Rust is installed, by
                         cargo install ai-memory --version 0.6.4 --locked --root DIR
  --meshes oqq,ooq     o stands for a node of the original, q for one of ours
  --gates listed       listed or trusting: as 0.10.0 comes, each node enrolled on the others by the commands of both sides, with
                         signatures; the others are on its list of peers, or it trusts whoever is enrolled.
                         open (without this): its gates are switched off
  --only TEXT          only the kinds whose name has TEXT
  --entry NAME         only through this node: o, q1 …
  --help`

const refuse = (problem) => {
  console.error(`interop: ${problem}\n\n${usage}`)
  process.exit(2)
}
const text = { type: "string" }
const parse = () => {
  try {
    const options = {
      original: text,
      meshes: { ...text, default: "oqq,ooq" },
      only: text,
      entry: text,
      gates: { ...text, default: "open" },
      help: { type: "boolean" }
    }
    return parseArgs({ options }).values
  } catch (error) {
    return refuse(error.message)
  }
}
const values = parse()
if (values.help) {
  console.log(usage)
  process.exit(0)
}
if (values.original === undefined) refuse("--original is missing")
if (!fs.existsSync(values.original)) refuse(`--original: there is no file ${values.original}`)
const meshes = values.meshes.split(",")
if (meshes.some((letters) => !/^[oq]{3}$/.test(letters))) {
  refuse(`--meshes: expected three of o and q each, got "${values.meshes}"`)
}
if (!["listed", "trusting", "open"].includes(values.gates)) {
  refuse(`--gates: expected listed, trusting or open, got "${values.gates}"`)
}
cleanUpAtExit()

const wanted = [...kinds, purge].filter(({ name }) => name.includes(values.only ?? ""))
const version = execFileSync(values.original, ["--version"], {
  encoding: "utf8",
  env: { ...process.env, AI_MEMORY_NO_CONFIG: "1" }
})
  .trim()

/** Nodes of a kind are as good as each other: one of each is an entry. */
const entries = ({ nodes }) =>
  nodes.filter((node, index) => nodes.findIndex(({ kind }) => kind === node.kind) === index)
    .filter(({ name }) => values.entry === undefined || name === values.entry)

const columns = []
for (const letters of meshes) {
  const mesh = await makeMesh(letters, values)
  await register(mesh)
  for (const entry of entries(mesh)) {
    for (const away of [undefined, ...mesh.nodes.filter((node) => node !== entry)]) {
      const title = `${letters}: ${entry.name}${away === undefined ? "" : `, ${away.name} away`}`
      const label = `${letters}-${entry.name}-${away?.name ?? "all"}`
      const begin = Date.now()
      const found = new Map()
      for (const some of [wanted.filter((kind) => kind !== purge), wanted.filter((kind) => kind === purge)]) {
        const part = await round({
          away,
          entry,
          kinds: some,
          label: `${label}${some.includes(purge) ? "-purge" : ""}`,
          mesh
        })
        for (const [name, differs] of part) found.set(name, differs)
      }
      const same = [...found.values()].filter((differs) => differs.length === 0).length
      console.error(`${title}: ${same} of ${found.size} converged, ${((Date.now() - begin) / 1000).toFixed(0)} s`)
      columns.push({ title, found })
    }
  }
  await mesh.close()
}

/** A cell is `=` where all nodes converged, and else the number of a note. */
const notes = []
const noteOf = (differs) => {
  if (differs.length === 0) return "="
  const told = differs.join("; ")
  if (!notes.includes(told)) notes.push(told)
  return String(notes.indexOf(told) + 1)
}
const line = (cells) => `| ${cells.join(" | ")} |`
console.log(`${version}. Columns: the mesh, the node that was written to, and which node was away meanwhile.\n`)
console.log(line(["", ...columns.map(({ title }) => title)]))
console.log(line(["---", ...columns.map(() => "---")]))
for (const { name } of wanted) console.log(line([name, ...columns.map(({ found }) => noteOf(found.get(name)))]))
console.log("\n`=`: all nodes converged. Else:\n")
for (const [index, note] of notes.entries()) console.log(`${index + 1}. ${note}`)
