import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { exchange, type Target, Unreachable } from "../asking/exchange.js"

/*
 * A daemon in the background, where none runs. Any number of clients may want one at the same moment: one of them starts it, and
 * should two do so, the port and the lock beside the database let one of the two daemons live.
 */

const READY_WITHIN_MILLIS = 30_000
const LOOK_MILLIS = 100

/** The database of a daemon that was started so, where nothing is said of it. */
export const usualDatabase = (): string => {
  const { XDG_DATA_HOME: xdg } = process.env
  const base = xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), ".local", "share")
  return path.join(base, "quorate", "quorate.db")
}

/** Done when a daemon answers: the one that is there, or a new one. */
export const ensure = (target: Target, db: string): Effect.Effect<void, Unreachable> =>
  Effect.gen(function*() {
    if (yield* isAlive(target)) return
    const mark = `${db}.starting`
    const isMine = yield* attempt(() => {
      fs.mkdirSync(path.dirname(db), { recursive: true, mode: 0o700 })
      return claim(mark)
    })
    if (isMine) yield* attempt(() => start(target, db))
    yield* untilAlive(target, db).pipe(
      Effect.ensuring(Effect.sync(() => {
        if (isMine) fs.rmSync(mark, { force: true })
      }))
    )
  })

const isAlive = (target: Target): Effect.Effect<boolean> =>
  exchange(target, { method: "GET", path: "/health/live" }).pipe(
    Effect.map(({ status }) => status === 200),
    Effect.orElseSucceed(() => false)
  )

const untilAlive = (target: Target, db: string) =>
  Effect.gen(function*() {
    const begin = yield* Clock.currentTimeMillis
    while (!(yield* isAlive(target))) {
      if ((yield* Clock.currentTimeMillis) - begin > READY_WITHIN_MILLIS) {
        return yield* new Unreachable({ problem: `a daemon was started and does not answer, see ${logOf(db)}` })
      }
      yield* Effect.sleep(LOOK_MILLIS)
    }
  })

/** Whether nobody else is about to start one. Who was, and is no more, left a mark that has grown old. */
const claim = (mark: string): boolean => {
  const { mtimeMs } = fs.statSync(mark, { throwIfNoEntry: false }) ?? {}
  if (mtimeMs !== undefined && Date.now() - mtimeMs > READY_WITHIN_MILLIS) fs.rmSync(mark, { force: true })
  try {
    fs.closeSync(fs.openSync(mark, "wx", 0o600))
    return true
  } catch {
    return false
  }
}

const start = ({ url }: Target, db: string): void => {
  const log = fs.openSync(logOf(db), "a", 0o600)
  const [, program = ""] = process.argv
  const where = ["--host", url.hostname.replace(/^\[(.*)\]$/, "$1"), "--port", url.port === "" ? "80" : url.port]
  try {
    spawn(process.execPath, [program, "serve", "--db", db, ...where, "--log-format", "json"], {
      cwd: path.dirname(db),
      detached: true,
      stdio: ["ignore", log, log]
    }).unref()
  } finally {
    fs.closeSync(log)
  }
}

const logOf = (db: string): string => `${db}.log`

const attempt = <A>(what: () => A): Effect.Effect<A, Unreachable> =>
  Effect.try({
    try: what,
    catch: (cause) => new Unreachable({ problem: cause instanceof Error ? cause.message : String(cause) })
  })
