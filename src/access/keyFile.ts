import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as fs from "node:fs"
import type { ApiKey } from "./ApiKey.js"
import * as keyDocument from "./keyDocument.js"
import * as smallFile from "./smallFile.js"

/** The file of the keys can not be used, or not be written. */
export class KeysUnusable
  extends Data.TaggedError("KeysUnusable")<{ readonly path: string; readonly problem: string }>
{
  override get message() {
    return `${this.path}: ${this.problem}`
  }
}

export const read = (path: string): Effect.Effect<ReadonlyArray<ApiKey>, KeysUnusable> =>
  Effect.flatMap(
    attempt(path, () => smallFile.read(path, keyDocument.MAX_BYTES).toString("utf8")),
    (text) => parsed(path, text)
  )

/**
 * Writes what this makes of the keys in the file, as a whole or not at all. A file that is there keeps its owner and who may
 * read it, as it may be another's that runs the node; a new one is for its owner alone.
 */
export const change = <A, E>(
  path: string,
  how: (keys: ReadonlyArray<ApiKey>) => Effect.Effect<readonly [ReadonlyArray<ApiKey>, A], E>
): Effect.Effect<A, E | KeysUnusable> =>
  Effect.gen(function*() {
    const place = yield* attempt(path, () => fs.existsSync(path) ? fs.realpathSync(path) : path)
    // Made anew, or not: two that change the file at once would lose what one of them wrote.
    const next = `${place}.new`
    const handle = yield* Effect.acquireRelease(
      attempt(next, () => fs.openSync(next, "wx", 0o600)),
      (handle, exit) =>
        Effect.sync(() => {
          fs.closeSync(handle)
          // Afterwards it would be somebody else's.
          if (Exit.isFailure(exit)) fs.rmSync(next, { force: true })
        })
    )
    const before = yield* attempt(place, () => fs.statSync(place, { throwIfNoEntry: false }))
    const [keys, made] = yield* how(before === undefined ? [] : yield* read(place))
    yield* attempt(place, () => {
      fs.writeFileSync(handle, keyDocument.print(keys))
      if (before !== undefined) {
        fs.fchownSync(handle, before.uid, before.gid)
        fs.fchmodSync(handle, before.mode)
      }
      fs.fsyncSync(handle)
      fs.renameSync(next, place)
    })
    return made
  }).pipe(Effect.scoped)

const parsed = (path: string, text: string) =>
  Either.mapLeft(keyDocument.parse(text), (problem) => new KeysUnusable({ path, problem }))

const attempt = <A>(path: string, what: () => A): Effect.Effect<A, KeysUnusable> =>
  Effect.try({ try: what, catch: (cause) => new KeysUnusable({ path, problem: problemOf(cause) }) })

/** What is wrong with a file, in words. */
export const problemOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  return PROBLEMS[code] ?? (cause instanceof Error ? cause.message : "it can not be used")
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EACCES: "permission denied",
  EEXIST: "the keys are being changed; remove this file if nobody does"
}
