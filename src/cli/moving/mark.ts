import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { createHash, randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

/*
 * How far an import has come, in a small file of its own, so that one that broke off does not send everything again. It says
 * nothing of what was imported. Without it nothing is lost: what was sent before comes to nothing.
 */

/** What came of the parts that were sent, together. */
export const Counts = Schema.Struct({
  imported: Schema.Int,
  created: Schema.Int,
  updated: Schema.Int,
  unchanged: Schema.Int,
  renamed: Schema.Int,
  links_imported: Schema.Int,
  standards_imported: Schema.Int,
  pendings_imported: Schema.Int
})
export type Counts = typeof Counts.Type

export const none: Counts = {
  imported: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  renamed: 0,
  links_imported: 0,
  standards_imported: 0,
  pendings_imported: 0
}

const Mark = Schema.Struct({
  /** Lines that were acknowledged; and how many before the last part of them, which is sent once more. */
  done: Schema.NonNegativeInt,
  last: Schema.NonNegativeInt,
  counts: Counts
})
export type Mark = typeof Mark.Type

const decode = Schema.decodeUnknownEither(Schema.parseJson(Mark))

/** A mark that is older says nothing any more. */
const MAX_AGE_MILLIS = 30 * 24 * 60 * 60 * 1000

/** Of this import and no other: the same sources, unchanged, to the same daemon in the same way. */
export const of = (what: ReadonlyArray<string>) => {
  const folder = folderOf()
  const file = path.join(folder, `${createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 32)}.json`)
  return {
    read: (): Mark | undefined => {
      forgetOld(folder)
      try {
        return Either.getOrUndefined(decode(fs.readFileSync(file, "utf8")))
      } catch {
        return undefined
      }
    },
    write: (mark: Mark): void => {
      // Where it can not be kept, all is sent again.
      quietly(() => {
        fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
        const made = `${file}.${randomUUID()}`
        fs.writeFileSync(made, JSON.stringify(mark), { mode: 0o600 })
        fs.renameSync(made, file)
      })
    },
    remove: (): void => quietly(() => fs.rmSync(file, { force: true }))
  }
}

const folderOf = (): string => {
  const { XDG_STATE_HOME: xdg } = process.env
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), ".local", "state")
  return path.join(base, "quorate", "imports")
}

const forgetOld = (folder: string): void =>
  quietly(() => {
    for (const name of fs.readdirSync(folder)) {
      const file = path.join(folder, name)
      if (Date.now() - fs.statSync(file).mtimeMs > MAX_AGE_MILLIS) fs.rmSync(file, { force: true })
    }
  })

const quietly = (what: () => void): void => {
  try {
    what()
  } catch {
    // There may be no place for it.
  }
}
