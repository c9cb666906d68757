import Database from "better-sqlite3"
import * as fs from "node:fs"
import * as path from "node:path"
import { isLocked, lockOf, whyNoLock } from "../../store/log/Sqlite.js"
import { type Check, checked, fault, ok, warning } from "./Check.js"

/** What lies beside a database, and itself. */
const BESIDE = ["", "-wal", "-shm", "-lock", "-mark"]

/** Who beside its user can get at the files of a database. */
export const permissions = (file: string): Check => checked("permissions", () => ofModes(file))

const ofModes = (file: string): Check => {
  const open = BESIDE.flatMap((end): ReadonlyArray<string> => {
    const found = fs.statSync(`${file}${end}`, { throwIfNoEntry: false })
    const mode = (found?.mode ?? 0) & 0o777
    return (mode & 0o077) === 0 ? [] : [`${path.basename(file)}${end} (${mode.toString(8)})`]
  })
  return open.length === 0
    ? ok("permissions", "the files are their user's alone")
    : warning("permissions", `others can get at ${open.join(", ")}; take that away with chmod 600`)
}

/** Whether it is a file that this user can read. */
export const readable = (file: string): Check =>
  checked("file", () => {
    const handle = fs.openSync(file, "r")
    try {
      fs.readSync(handle, Buffer.alloc(1))
      return ok("file", file)
    } finally {
      fs.closeSync(handle)
    }
  })

/** What keeps a node from locking the database; nothing where nothing does. One that is held is as it must be. */
export const lock = (file: string): ReadonlyArray<Check> => {
  const guard = lockOf(file)
  if (!fs.existsSync(guard)) return []
  try {
    const db = new Database(guard, { readonly: true, timeout: 0 })
    try {
      db.pragma("schema_version")
      return []
    } finally {
      db.close()
    }
  } catch (cause) {
    return isLocked(cause) ? [] : [fault("lock", `${guard}: ${whyNoLock(cause)}`)]
  }
}

/** Less free than this is too near to none. */
const MIN_FREE_BYTES = 256 * 1024 * 1024

/** Whether there is room for what is going to be written. */
export const room = (file: string): Check => checked("room", () => ofDisk(file))

const ofDisk = (file: string): Check => {
  const { bavail, bsize } = fs.statfsSync(path.dirname(file))
  const free = `${Math.floor(bavail * bsize / 1024 / 1024)} MiB are free on its disk`
  return bavail * bsize < MIN_FREE_BYTES ? warning("room", `only ${free}; make room`) : ok("room", free)
}
