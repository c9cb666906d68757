import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as fs from "node:fs"
import * as path from "node:path"

/** The file of a client can not be used; nothing of it was changed. */
export class NotWritten extends Data.TaggedError("NotWritten")<{ readonly file: string; readonly problem: string }> {
  override get message() {
    return `${this.file}: ${this.problem}; nothing was changed`
  }
}

/** Histories of conversations stand in some. */
const MAX_BYTES = 64 * 1024 * 1024

/**
 * Makes of a file's text what this makes of it, as a whole or not at all; answers whether that is another one. A link is followed,
 * and the owner and the mode of the file are kept. Where there is none, the text is empty, and a new one is for its owner alone.
 */
export const change = (
  file: string,
  how: (text: string) => Either.Either<string, string>,
  { dryRun }: { readonly dryRun: boolean }
): Effect.Effect<boolean, NotWritten> =>
  Effect.gen(function*() {
    const place = yield* attempt(file, () => fs.existsSync(file) ? fs.realpathSync(file) : file)
    const before = yield* attempt(file, () => read(place))
    const after = yield* Effect.mapError(how(before ?? ""), (problem) => new NotWritten({ file, problem }))
    if (after === (before ?? "")) return false
    if (!dryRun) yield* attempt(file, () => replace(place, before, after))
    return true
  })

const read = (place: string): string | undefined => {
  const stat = fs.statSync(place, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (!stat.isFile()) throw new Error("it is no regular file")
  if (stat.size > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`)
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(fs.readFileSync(place))
}

const replace = (place: string, before: string | undefined, after: string): void => {
  fs.mkdirSync(path.dirname(place), { recursive: true })
  const next = `${place}.quorate-${process.pid}`
  const handle = fs.openSync(next, "wx", 0o600)
  try {
    fs.writeFileSync(handle, after)
    if (before !== undefined) {
      const { gid, mode, uid } = fs.statSync(place)
      fs.fchownSync(handle, uid, gid)
      fs.fchmodSync(handle, mode)
    }
    fs.fsyncSync(handle)
    // The client may run, and write it.
    if (read(place) !== before) throw new Error("somebody else wrote it at the same moment: try again")
    fs.renameSync(next, place)
  } catch (cause) {
    fs.rmSync(next, { force: true })
    throw cause
  } finally {
    fs.closeSync(handle)
  }
}

const attempt = <A>(file: string, what: () => A): Effect.Effect<A, NotWritten> =>
  Effect.try({
    try: what,
    catch: (cause) => new NotWritten({ file, problem: cause instanceof Error ? cause.message : String(cause) })
  })
