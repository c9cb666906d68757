// npm run house: the figures of the house that can be counted, of this checkout or of another one.
//   --dir DIR       the checkout to look at, this one where nothing is said
//   --against DIR   one more beside it, as the commit before
//   --rooms         also the rooms that one create enters on its node; starts daemons from dist, build first
//   --json          everything that was counted, as JSON
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Endpoints from "./house/endpoints.mjs"
import * as Folders from "./house/folders.mjs"
import * as Graph from "./house/graph.mjs"
import * as Rooms from "./house/rooms.mjs"
import * as Sites from "./house/sites.mjs"
import * as Sources from "./house/sources.mjs"

const PEERS = [0, 2]

const refuse = (problem) => {
  console.error(`house: ${problem}`)
  process.exit(2)
}

const options = {
  dir: { type: "string", default: fileURLToPath(new URL("..", import.meta.url)) },
  against: { type: "string" },
  rooms: { type: "boolean", default: false },
  json: { type: "boolean", default: false }
}
const parse = () => {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return refuse(error.message)
  }
}

const measureRooms = async (dir) => {
  if (!fs.existsSync(path.join(dir, "dist/main.js"))) refuse(`${dir} has no dist/main.js: build it first`)
  const rooms = []
  for (const peers of PEERS) rooms.push({ peers, rooms: await Rooms.measure(dir, peers) })
  return rooms
}

const measure = async (dir, withRooms) => {
  if (!fs.existsSync(path.join(dir, "src"))) refuse(`${dir} has no src`)
  const sources = Sources.parse(Sources.read(dir, ["src"]))
  const graph = Graph.make(sources)
  return {
    dir,
    folders: Folders.LARGE.map((folder) => Folders.measure(graph, folder)),
    circles: Graph.circles(graph),
    sites: Sites.find(sources),
    endpoints: Endpoints.measure(sources),
    rooms: withRooms ? await measureRooms(dir) : []
  }
}

const FOLDER_ROWS = [
  ["files", "files"],
  ["wings", "wings"],
  ["files side by side, at most", "sideBySide"],
  ["arrows between wings and files beside them", "arrows"],
  ["arrows between files", "fileArrows"],
  ["floors inside", "floors"]
]

/** `[title, value]` of every figure. */
const rowsOf = ({ circles, endpoints, folders, rooms, sites }) => [
  ...folders.flatMap((folder) => [
    ...FOLDER_ROWS.map(([title, key]) => [`${folder.folder}: ${title}`, String(folder[key])]),
    [`${folder.folder}: circles of wings`, String(folder.circles.length)]
  ]),
  ["circles of files", String(circles.length)],
  ...sites.map(({ name, outside }) => [`"${name}", decided outside of its room`, String(outside.length)]),
  ["endpoints tied to the contract by a type", `${endpoints.tied.length} of ${endpoints.declared.length}`],
  ...rooms.map(({ peers, rooms }) => [`rooms that a create enters, ${peers} peers`, String(rooms.length)])
]

const table = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const pad = (cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
  return rows.map((row) => row.map(pad).join("  ")).join("\n")
}

const list = (title, lines) => lines.length === 0 ? [] : [`\n${title}:`, ...lines.map((line) => `  ${line}`)]

const place = ({ line, path }) => `${path}:${line}`

const detailsOf = ({ circles, endpoints, folders, rooms, sites }) => [
  ...folders.flatMap((folder) =>
    list(`circles of wings in ${folder.folder}`, folder.circles.map((circle) => circle.join(" ")))
  ),
  ...list("circles of files", circles.map((circle) => circle.join(" "))),
  ...sites.flatMap(({ inside, name, outside }) => [
    ...list(`"${name}", decided in its room`, inside.map(place)),
    ...list(`"${name}", decided elsewhere`, outside.map(place))
  ]),
  ...list("endpoints not tied by a type", endpoints.untied.map((each) => `${each.name} (${place(each)})`)),
  ...rooms.flatMap(({ peers, rooms }) => list(`rooms that a create enters, ${peers} peers`, rooms))
]

const main = async () => {
  const { against, dir, json, rooms } = parse()
  const measured = []
  for (const each of against === undefined ? [dir] : [against, dir]) measured.push(await measure(each, rooms))
  if (json) return console.log(JSON.stringify(measured, null, 2))
  const columns = measured.map(rowsOf)
  console.log(table([
    ["", ...(against === undefined ? ["here"] : ["before", "here"])],
    ...columns[0].map(([title], row) => [title, ...columns.map((column) => column[row][1])])
  ]))
  console.log(detailsOf(measured.at(-1)).join("\n"))
}

await main()
