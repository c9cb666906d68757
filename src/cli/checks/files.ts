import * as fs from "node:fs"
import * as path from "node:path"
import { type Check, checked, ok, warning } from "./Check.js"

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

/** Less free than this is too near to none. */
const MIN_FREE_BYTES = 256 * 1024 * 1024

/** Whether there is room for what is going to be written. */
export const room = (file: string): Check => checked("room", () => ofDisk(file))

const ofDisk = (file: string): Check => {
  const { bavail, bsize } = fs.statfsSync(path.dirname(file))
  const free = `${Math.floor(bavail * bsize / 1024 / 1024)} MiB are free on its disk`
  return bavail * bsize < MIN_FREE_BYTES ? warning("room", `only ${free}; make room`) : ok("room", free)
}
