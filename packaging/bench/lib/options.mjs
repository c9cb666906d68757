// The command line of the bench.
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import * as Etcd from "./etcd.mjs"
import { makePeer, wordsOf } from "./otherDaemon.mjs"
import * as Parts from "./parts.mjs"
import { daemonFile, makeDaemon, shapes } from "./shapes.mjs"

const WIDTH = 90

/** The names of all parts, in lines below the options. */
const listed = Parts.names.reduce((lines, name) => {
  const longer = `${lines.at(-1)} ${name}`
  return longer.length > WIDTH ? [...lines, `                         ${name}`] : [...lines.slice(0, -1), longer]
}, ["                        "]).join("\n")

export const usage = `usage: npm run bench -- [options]

  --quick              one repetition of 2 s cells: a look, no figure to quote
  --clients 1,8,64,256 client counts
  --reps 5             interleaved repetitions
  --seconds 4          length of a cell
  --warm-up 10         seconds of load before the first cell of each repetition
  --shapes naive,grouped,quorate,etcd   etcd is left out where it is not installed
  --against DIR        another build beside this one: a checkout or package with dist/main.js and its node_modules
  --peer CMD           another daemon beside this one that takes the same flags of serve and the same requests: its program
  --dir DIR            where the databases lie while it runs (default: the system's temporary folder)
  --only a,b           these parts alone, of:
${listed}
  --memories 100000    that a node holds when it is started and when it is asked to recall
  --missed 100000      operations that a node misses which is then caught up
  --rows 10000,100000,1000000   memories that meshes hold, for the part size
  --json FILE          also write every measured figure to FILE
  --table FILE         also write goals and figures to FILE, as tables of a manual
  --help`

export class UsageError extends Error {}

const parse = (args) => {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean", default: false },
        clients: { type: "string", default: "1,8,64,256" },
        reps: { type: "string" },
        seconds: { type: "string" },
        "warm-up": { type: "string" },
        against: { type: "string" },
        peer: { type: "string" },
        shapes: { type: "string", default: Object.keys(shapes).join(",") },
        dir: { type: "string", default: os.tmpdir() },
        only: { type: "string" },
        memories: { type: "string" },
        missed: { type: "string" },
        rows: { type: "string" },
        json: { type: "string" },
        table: { type: "string" },
        help: { type: "boolean", default: false }
      }
    }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
}

const numberIn = (flag, text, min, max) => {
  const value = Number(text)
  if (text.trim() === "" || !(value >= min && value <= max)) {
    throw new UsageError(`--${flag} must be a number from ${min} to ${max}`)
  }
  return value
}

const wholeNumberIn = (flag, text, min, max) => {
  const value = numberIn(flag, text, min, max)
  if (!Number.isInteger(value)) throw new UsageError(`--${flag} must be a whole number`)
  return value
}

const shapesNamed = (text) =>
  text.split(",").map((name) => {
    if (!Object.hasOwn(shapes, name)) throw new UsageError(`--shapes knows ${Object.keys(shapes).join(", ")}`)
    return shapes[name]
  })

const partsNamed = (only) => {
  if (only === undefined) return Parts.names
  const wanted = only.split(",")
  if (!wanted.every((name) => Parts.names.includes(name))) {
    throw new UsageError(`--only knows ${Parts.names.join(", ")}`)
  }
  return Parts.names.filter((name) => wanted.includes(name))
}

/** The name of the other build's shape. */
export const AGAINST = "against"

/** The other build as a shape, or none. It is run as it stands there: with its own dependencies. */
const againstIn = (folder) => {
  if (folder === undefined) return []
  const main = path.resolve(folder, "dist/main.js")
  if (!fs.existsSync(main)) throw new UsageError(`--against: ${main} is not there: build it first`)
  return [makeDaemon(AGAINST, main)]
}

/** The other daemon as a shape, or none. */
const peerOf = (command) => {
  if (command === undefined) return []
  if (wordsOf(command).length === 0) throw new UsageError("--peer: which program?")
  return [makePeer(command)]
}

/** Those that can be measured here. What is left out, and how to get it, is in `notes`. */
const present = (wanted) => {
  const isMissing = wanted.includes(shapes.etcd) && !Etcd.isInstalled()
  return isMissing
    ? { shapes: wanted.filter((shape) => shape !== shapes.etcd), notes: [Etcd.HOW_TO_INSTALL] }
    : { shapes: wanted, notes: [] }
}

const countsIn = (flag, text, min, max) => text.split(",").map((count) => wholeNumberIn(flag, count, min, max))

/** `{ help, clients, reps, seconds, warmUp, shapes, notes, against?, peer?, parts, memories, missed, rows, dir, json?, table? }`, or a UsageError. */
export const fromArguments = (args) => {
  const values = parse(args)
  const options = {
    help: values.help,
    clients: countsIn("clients", values.clients, 1, 4096),
    reps: wholeNumberIn("reps", values.reps ?? (values.quick ? "1" : "5"), 1, 100),
    seconds: numberIn("seconds", values.seconds ?? (values.quick ? "2" : "4"), 0.5, 600),
    warmUp: numberIn("warm-up", values["warm-up"] ?? (values.quick ? "1" : "10"), 0.5, 600),
    ...present([...shapesNamed(values.shapes), ...againstIn(values.against), ...peerOf(values.peer)]),
    against: values.against,
    peer: values.peer,
    parts: partsNamed(values.only),
    memories: wholeNumberIn("memories", values.memories ?? (values.quick ? "10000" : "100000"), 1_000, 1_000_000),
    missed: wholeNumberIn("missed", values.missed ?? (values.quick ? "10000" : "100000"), 1_000, 10_000_000),
    rows: countsIn("rows", values.rows ?? (values.quick ? "1000,10000" : "10000,100000,1000000"), 1_000, 10_000_000),
    dir: values.dir,
    json: values.json,
    table: values.table
  }
  if (options.against !== undefined && !options.shapes.includes(shapes.quorate)) {
    throw new UsageError("--against compares with quorate: it must be one of --shapes")
  }
  if (!fs.existsSync(options.dir)) throw new UsageError(`--dir ${options.dir} does not exist`)
  if (options.shapes.includes(shapes.quorate) && !fs.existsSync(daemonFile)) {
    throw new UsageError("dist/main.js is not there: run `npm run build` first, or leave quorate out with --shapes")
  }
  return options
}
