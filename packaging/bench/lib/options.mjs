// The command line of the bench.
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import { daemonFile, makeDaemon, shapes } from "./shapes.mjs"

export const usage = `usage: npm run bench -- [options]

  --quick              one repetition of 2 s cells: a look, no figure to quote
  --clients 1,64,256   client counts
  --reps 5             interleaved repetitions
  --seconds 4          length of a cell
  --warm-up 10         seconds of load before the first cell of each repetition
  --shapes naive,grouped,quorate
  --against DIR        another build beside this one: a checkout or package with dist/main.js and its node_modules
  --dir DIR            where the databases lie while it runs (default: the system's temporary folder)
  --only cells|catch-up|reads|trust|recall   one part of the run
  --memories 100000    that a node holds when it is asked to recall
  --json FILE          also write every measured figure to FILE
  --help`

export class UsageError extends Error {}

const parse = (args) => {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: "boolean", default: false },
        clients: { type: "string", default: "1,64,256" },
        reps: { type: "string" },
        seconds: { type: "string" },
        "warm-up": { type: "string" },
        against: { type: "string" },
        shapes: { type: "string", default: Object.keys(shapes).join(",") },
        dir: { type: "string", default: os.tmpdir() },
        only: { type: "string" },
        memories: { type: "string" },
        json: { type: "string" },
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

const parts = ["cells", "catch-up", "reads", "trust", "recall"]

const partsNamed = (only) => {
  if (only === undefined) return parts
  if (!parts.includes(only)) throw new UsageError(`--only knows ${parts.join(", ")}`)
  return [only]
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

/** `{ help, clients, reps, seconds, warmUp, shapes, against?, parts, memories, dir, json? }`, or a UsageError. */
export const fromArguments = (args) => {
  const values = parse(args)
  const options = {
    help: values.help,
    clients: values.clients.split(",").map((text) => wholeNumberIn("clients", text, 1, 4096)),
    reps: wholeNumberIn("reps", values.reps ?? (values.quick ? "1" : "5"), 1, 100),
    seconds: numberIn("seconds", values.seconds ?? (values.quick ? "2" : "4"), 0.5, 600),
    warmUp: numberIn("warm-up", values["warm-up"] ?? (values.quick ? "1" : "10"), 0.5, 600),
    shapes: [...shapesNamed(values.shapes), ...againstIn(values.against)],
    against: values.against,
    parts: partsNamed(values.only),
    memories: wholeNumberIn("memories", values.memories ?? (values.quick ? "10000" : "100000"), 1_000, 1_000_000),
    dir: values.dir,
    json: values.json
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
