import * as fs from "node:fs"
import * as path from "node:path"
import * as Stamp from "../../domain/Stamp.js"
import { Unreadable } from "../../transfer/reading/texts.js"

/** Something to read from: a file, one of a folder, or what comes in. */
interface Source {
  /** Its place in the folder, with slashes; none where there is no folder. */
  readonly file: string | undefined
  /** By which notes link to it. */
  readonly path: string | undefined
  /** When it was written at the latest, where that is known. */
  readonly date: Stamp.Stamp | undefined
  readonly bytes: () => AsyncIterable<Uint8Array>
}

/** All of what is to be read, and what can be said of it before. */
export interface Sources {
  readonly all: ReadonlyArray<Source>
  /** Together; undefined where that is not known. */
  readonly bytes: number | undefined
  /** Another text when anything of it was changed; undefined where that can not be told. */
  readonly state: string | undefined
  /** What is in the folder and is not read. */
  readonly left: ReadonlyArray<{ readonly file: string; readonly reason: string }>
}

const CHUNK_BYTES = 256 * 1024
const MAX_DEPTH = 32
const MAX_FILES = 1_000_000

/** What `-` is passed on as, which is no file: the command-line library takes it for a flag without a name. */
const STANDARD_INPUT = "/dev/fd/-"

/** What a source is called in texts. */
export const called = (name: string): string => name === STANDARD_INPUT ? "standard input" : name

/** A command line as the library understands it. */
export const withStandardInput = (argv: ReadonlyArray<string>): ReadonlyArray<string> =>
  argv[2] === "import" ? argv.map((arg) => arg === "-" ? STANDARD_INPUT : arg) : argv

/** Throws `Unreadable` where there is nothing of that name. */
export const of = (name: string): Sources => {
  if (name === STANDARD_INPUT) {
    const source = { file: undefined, path: undefined, date: undefined, bytes: () => process.stdin }
    return { all: [source], bytes: undefined, state: undefined, left: [] }
  }
  const status = attempt(name, () => fs.statSync(name, { bigint: true }))
  if (status.isDirectory()) return ofFolder(name)
  if (!status.isFile()) return ofPipe(name)
  const source = ofFile(name, status, { file: undefined, path: path.basename(name), flags: fs.constants.O_RDONLY })
  return { all: [source], bytes: Number(status.size), state: stateOf([[path.resolve(name), status]]), left: [] }
}

/** What another program writes at the same time. */
const ofPipe = (name: string): Sources => ({
  all: [{ file: undefined, path: undefined, date: undefined, bytes: () => opened(name, fs.constants.O_RDONLY) }],
  bytes: undefined,
  state: undefined,
  left: []
})

const stateOf = (files: ReadonlyArray<readonly [name: string, status: fs.BigIntStats]>): string =>
  JSON.stringify(files.map(([name, { mtimeNs, size }]) => [name, String(size), String(mtimeNs)]))

const ofFile = (
  name: string,
  { mtimeMs }: fs.BigIntStats,
  { file, flags, path: place }: {
    readonly file: string | undefined
    readonly path: string
    readonly flags: number
  }
): Source => ({
  file,
  path: place,
  date: Stamp.fromMillis(Number(mtimeMs)),
  bytes: () => opened(name, flags)
})

async function* opened(name: string, flags: number): AsyncGenerator<Uint8Array> {
  const handle = await fs.promises.open(name, flags).catch((cause: unknown) => {
    throw unreadable(name, cause)
  })
  try {
    for await (const chunk of handle.createReadStream({ highWaterMark: CHUNK_BYTES, autoClose: false })) {
      if (chunk instanceof Uint8Array) yield chunk
    }
  } finally {
    await handle.close()
  }
}

/** Files below it in the order of their names. Hidden ones and links are none of it: what it holds is not elsewhere. */
const ofFolder = (folder: string): Sources => {
  const files: Array<readonly [file: string, status: fs.BigIntStats]> = []
  const left: Array<{ readonly file: string; readonly reason: string }> = []
  const look = (within: string, depth: number) => {
    const entries = attempt(within, () => fs.readdirSync(path.join(folder, within), { withFileTypes: true }))
    for (const entry of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
      const file = within === "" ? entry.name : `${within}/${entry.name}`
      if (entry.name.startsWith(".")) continue
      if (entry.isDirectory() && depth < MAX_DEPTH) look(file, depth + 1)
      else if (!entry.isFile()) left.push({ file, reason: "passed over: it is no file of this folder" })
      else if (files.length >= MAX_FILES) throw new Unreadable({ reason: `it has more than ${MAX_FILES} files` })
      else files.push([file, attempt(file, () => fs.lstatSync(path.join(folder, file), { bigint: true }))])
    }
  }
  look("", 0)
  const flags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW
  return {
    all: files.map(([file, status]) => ofFile(path.join(folder, file), status, { file, path: file, flags })),
    bytes: files.reduce((sum, [, { size }]) => sum + Number(size), 0),
    state: stateOf(files.map(([file, status]) => [path.resolve(folder, file), status])),
    left
  }
}

const attempt = <A>(name: string, look: () => A): A => {
  try {
    return look()
  } catch (cause) {
    throw unreadable(name, cause)
  }
}

const unreadable = (name: string, cause: unknown): Unreadable => {
  const problem = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause)
  return new Unreadable({ reason: `${name} can not be read: ${problem === "ENOENT" ? "it does not exist" : problem}` })
}
