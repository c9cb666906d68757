// A PostgreSQL of its own for a run, on loopback, as it comes: fsync on, no standby. Its programs are those of PATH, else Debian's;
// as root they run under the account postgres, which no server of PostgreSQL runs without.
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { poll } from "./poll.mjs"
import * as Processes from "./processes.mjs"

const DEBIAN = "/usr/lib/postgresql"
const READY_WITHIN_MS = 60_000

/** Newest first. */
const places = () => {
  const versions = fs.existsSync(DEBIAN) ? fs.readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : []
  return [
    ...(process.env["PATH"] ?? "").split(path.delimiter),
    ...versions.map((version) => `${DEBIAN}/${version}/bin`)
  ]
}

/** The folder of the programs, or undefined where there are none. */
export const programs = () =>
  places().find((folder) => ["initdb", "postgres"].every((name) => fs.existsSync(path.join(folder, name))))

const id = (flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }))

const account = () => process.getuid() === 0 ? { uid: id("-u"), gid: id("-g") } : {}

/** In a new folder below `parent`: `{ url(database), create(database), stop() }`. */
export const start = async (parent) => {
  const bin = programs()
  const as = account()
  const folder = Processes.makeFolder(parent)
  if (as.uid !== undefined) fs.chownSync(folder, as.uid, as.gid)
  const data = path.join(folder, "data")
  const initial = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
  execFileSync(path.join(bin, "initdb"), initial, { ...as, stdio: "ignore" })
  const [port] = await Processes.freePorts(1)
  const settings = { listen_addresses: "127.0.0.1", port, unix_socket_directories: folder }
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  const child = Processes.start(path.join(bin, "postgres"), ["-D", data, ...flags], {
    ...as,
    cwd: folder,
    env: { PATH: process.env["PATH"] },
    log: path.join(folder, "log")
  })
  const { default: pg } = await import("pg")
  const url = (database) => `postgres://postgres@127.0.0.1:${port}/${database}`
  const ask = async (sql) => {
    const client = new pg.Client({ connectionString: url("postgres") })
    try {
      await client.connect()
      await client.query(sql)
      return true
    } finally {
      await client.end().catch(() => {})
    }
  }
  await poll("PostgreSQL does not answer", READY_WITHIN_MS, () => ask("SELECT 1").catch(() => undefined))
  return {
    url,
    create: (database) => ask(`CREATE DATABASE ${database}`),
    stop: async () => {
      // At once, with all of its processes: what it holds is not looked at again.
      await Processes.quit(child)
      Processes.removeFolder(folder)
    }
  }
}
