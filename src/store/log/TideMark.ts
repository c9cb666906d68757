import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { identityOf, padded } from "./identityOf.js"

/** How far a node has written under its own name. */
export interface Tide {
  readonly incarnation: number
  /** Its last operation of that incarnation that was committed; 0 before the first. */
  readonly oseq: number
}

/** What was found beside a database when it was opened. */
export interface Found extends Tide {
  /** It was written for this very file, and not for one that stood in its place. */
  readonly isSameFile: boolean
}

/**
 * A small file beside the database that says how far this node has written. It is no part of a backup of the database: one
 * that was put back is behind it. A copy of the whole folder has other files than those that it was written for.
 */
interface TideMark {
  /** Null when there is none, or none that is to be understood. */
  readonly found: Found | null
  /** Overwrites it, after each commit. Never fails: a mark that is too low says less, and nothing wrong. */
  readonly write: (tide: Tide) => void
}

/** Of one width, so that one write in place is all of it. */
const lineOf = ({ incarnation, oseq }: Tide, identity: string): string =>
  `quorate tide 1 ${padded(incarnation)} ${padded(oseq)} ${identity}\n`

const LINE = /^quorate tide 1 +([0-9]{1,16}) +([0-9]{1,16}) ( *[0-9]{1,20} +[0-9]{1,20})\n$/

/** The mark of the database in `file`, which exists. Its name is that of the database and `-mark`. */
export const open = (file: string): Effect.Effect<TideMark, never, Scope.Scope> =>
  Effect.gen(function*() {
    const broken = yield* Deferred.make<string>()
    yield* Effect.forkScoped(Effect.flatMap(Deferred.await(broken), (why) =>
      Effect.logWarning(
        `the mark beside the database can not be written, and the next start may take the database for a copy: ${why}`
      )))
    const failed = (cause: unknown) => Deferred.unsafeDone(broken, Effect.succeed(String(cause)))
    const opened = yield* Effect.acquireRelease(
      Effect.sync(() => Either.try(() => openFile(file))),
      (opened) => Effect.sync(() => Either.isRight(opened) && fs.closeSync(opened.right.handle))
    )
    if (Either.isLeft(opened)) {
      failed(opened.left)
      return { found: null, write: () => {} }
    }
    const { found, handle, identity } = opened.right
    return {
      found,
      write: (tide) => {
        try {
          fs.writeSync(handle, lineOf(tide, identity), 0)
        } catch (cause) {
          failed(cause)
        }
      }
    }
  })

const openFile = (file: string) => {
  const identity = identityOf(file)
  if (identity === null) throw new Error(`${file} can not be looked at`)
  const handle = fs.openSync(`${file}-mark`, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)
  return { handle, identity, found: foundIn(fs.readFileSync(handle, "utf8"), identity) }
}

/** What the mark of the database says, without making one. */
export const read = (file: string): Found | null => {
  const text = Either.try(() => fs.readFileSync(`${file}-mark`, "utf8"))
  return Either.isLeft(text) ? null : foundIn(text.right, identityOf(file))
}

const foundIn = (text: string, identity: string | null): Found | null => {
  const [, incarnation, oseq, of] = LINE.exec(text) ?? []
  return of === undefined
    ? null
    : { incarnation: Number(incarnation), oseq: Number(oseq), isSameFile: of === identity }
}
