import * as fs from "node:fs"

/**
 * Writes a file as a whole or not at all, under its name from one moment to the next. Fails where somebody else is at it: the file
 * `<name>.new` is there then.
 */
export const write = (path: string, content: string | Uint8Array, mode: number): void => {
  const next = `${path}.new`
  const handle = fs.openSync(next, "wx", mode)
  try {
    fs.writeFileSync(handle, content)
    fs.fchmodSync(handle, mode)
    fs.fsyncSync(handle)
    fs.renameSync(next, path)
  } catch (cause) {
    fs.rmSync(next, { force: true })
    throw cause
  } finally {
    fs.closeSync(handle)
  }
}
