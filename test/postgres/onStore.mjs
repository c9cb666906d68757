// What tests start in the place of dist/main.js where another engine has the memories: the same program with the same
// arguments, but a daemon is given a store, and the doctor that of a file that has one. No other file has the same one; a file
// has it each time.
import { createHash, randomUUID } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { dirname, resolve } from "node:path"

/** Flags stand before a command, too, each with a value. */
const commandIn = ([first = "", ...rest]) =>
  first.startsWith("--") ? commandIn(first.includes("=") ? rest : rest.slice(1)) : first

/** The last value of a flag, as the command line reads it. */
const flagIn = (args, name) =>
  args.flatMap((arg, at) => {
    if (arg === `--${name}`) return [args[at + 1] ?? ""]
    return arg.startsWith(`--${name}=`) ? [arg.slice(name.length + "--=".length)] : []
  }).at(-1)

const hashed = (name) => `node_${createHash("sha256").update(name).digest("hex").slice(0, 32)}`

const markOf = (file) => `${resolve(file)}.store`

/** As `test/http/engine.ts` has it: what is moved with its file stands beside it. */
const schemaOf = (args) => {
  const file = flagIn(args, "db") ?? process.env.QUORATE_DB
  if (file === undefined) return hashed(`${homedir()} ${flagIn(args, "config") ?? ""}`)
  if (file === ":memory:") return hashed(randomUUID())
  const mark = markOf(file)
  if (!existsSync(dirname(mark))) return hashed(mark)
  if (!existsSync(mark)) writeFileSync(mark, hashed(resolve(file)), { mode: 0o600 })
  return readFileSync(mark, "utf8")
}

/** Two who make it at once are told so: it is there. */
const THERE_ALREADY = ["23505", "42P06"]

const made = async (url, schema) => {
  const { Client } = (await import("pg")).default
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`)
  } catch (error) {
    if (!THERE_ALREADY.includes(error.code)) throw error
  } finally {
    await client.end()
  }
}

/** Whether it is about a store, also where none is named. */
const hasStore = (args) => {
  const command = commandIn(args)
  return command === "serve" || (command === "doctor" && existsSync(markOf(flagIn(args, "db") ?? "")))
}

/** Runs the program of `main`; a daemon that is given no store has one on the server at `url`. */
export const run = async ({ main, url }) => {
  const args = process.argv.slice(2)
  const has = (name) => flagIn(args, name) !== undefined
  if (hasStore(args) && !has("store") && process.env.QUORATE_STORE === undefined) {
    const schema = schemaOf(args)
    await made(url, schema)
    process.env.QUORATE_STORE = `${url}?options=${encodeURIComponent(`-c search_path=${schema}`)}`
    // What is a server beside others on this machine may be slow, and is no fault.
    if (!has("quorum-peers")) process.env.QUORATE_QUORUM_TIMEOUT_MS ??= "20000"
  }
  await import(main)
}
