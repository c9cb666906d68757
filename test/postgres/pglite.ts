import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** A database without a PostgreSQL: connections share one session of it, and take turns by the transaction. */
export interface Pglite {
  readonly server: string
  /** Tables in a schema of their own, made when the first connection asks for it. */
  readonly url: (schema: string) => string
  readonly stop: () => Promise<void>
}

const START_WITHIN_MILLIS = 60_000

const program = fileURLToPath(new URL("./pgliteServer.mjs", import.meta.url))

/** Its work is done in a process of its own, which ends with this one. */
export const start = async (): Promise<Pglite> => {
  const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const port = await new Promise<number>((resolve, reject) => {
    const fail = (what: string) => {
      clearTimeout(deadline)
      child.kill("SIGKILL")
      reject(new Error(`PGlite ${what}`))
    }
    const deadline = setTimeout(() => fail(`does not listen within ${START_WITHIN_MILLIS} ms`), START_WITHIN_MILLIS)
    child.once("error", ({ message }) => fail(message))
    child.once("exit", (code) => fail(`ended with ${code}`))
    createInterface(child.stdout).once("line", (line) => {
      clearTimeout(deadline)
      resolve(Number(line))
    })
  })
  const server = `postgres://postgres@127.0.0.1:${port}/postgres`
  return {
    server,
    url: (schema) => `${server}?options=${encodeURIComponent(`-c search_path=${schema}`)}`,
    stop: () => {
      child.stdin.end()
      child.kill("SIGKILL")
      return ended
    }
  }
}
