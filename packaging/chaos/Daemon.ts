import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Http } from "./Http.js"

/** Something without which a round can not go on. */
export class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

/** A process of `quorate serve`, one after the other on one disk. */
export interface Daemon {
  readonly name: string
  readonly url: string
  readonly folder: string
  readonly log: string
  readonly pid: () => number | undefined
  /** It was started, and nobody has ended it since. */
  readonly isUp: () => boolean
  readonly start: (main?: string) => Effect.Effect<void, Broken>
  readonly end: (signal: "SIGKILL" | "SIGTERM") => Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => void
}

export interface Setting {
  readonly name: string
  readonly url: string
  readonly folder: string
  readonly main: string
  readonly nodeArgs: ReadonlyArray<string>
  readonly flags: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly http: Http
  /** Told when the process ends and nobody asked it to. */
  readonly ended: (how: string) => void
}

const STARTS_WITHIN = Duration.seconds(90)

/** The daemon of a folder, not started yet; whatever runs is killed when the scope closes. */
export const make = (setting: Setting): Effect.Effect<Daemon, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(() => daemonOf(setting)), (daemon) => daemon.end("SIGKILL"))

const daemonOf = (setting: Setting): Daemon => {
  const log = path.join(setting.folder, "..", `${setting.name}.log`)
  let child: ChildProcess | undefined
  let main = setting.main
  let isWanted = false
  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null
  const launch = () => {
    const sink = fs.openSync(log, "a")
    const started = spawn(process.execPath, [...setting.nodeArgs, main, "serve", ...setting.flags], {
      stdio: ["ignore", "ignore", sink],
      env: { ...process.env, ...setting.environment }
    })
    fs.closeSync(sink)
    child = started
    isWanted = true
    started.once("exit", (code, signal) => {
      if (child !== started || !isWanted) return
      isWanted = false
      setting.ended(signal ?? `code ${code}`)
    })
  }
  const tail = () => fs.readFileSync(log, "utf8").slice(-1_500)
  const isLive = Effect.flatMap(
    setting.http.ask(setting.url, { method: "GET", path: "/health/live" }),
    ({ status }) => status === 200 ? Effect.void : Effect.fail("not yet")
  ).pipe(Effect.mapError(() => isRunning()))
  return {
    name: setting.name,
    url: setting.url,
    folder: setting.folder,
    log,
    pid: () => isRunning() ? child?.pid : undefined,
    isUp: () => isWanted && isRunning(),
    start: (other) =>
      Effect.suspend(() => {
        main = other ?? main
        launch()
        return isLive.pipe(
          Effect.retry({ schedule: Schedule.spaced("50 millis"), while: (runs) => runs }),
          Effect.timeout(STARTS_WITHIN),
          Effect.mapError(() => new Broken({ message: `${setting.name} does not start:\n${tail()}` }))
        )
      }),
    end: (signal) =>
      Effect.async<void>((resume) => {
        isWanted = false
        if (child === undefined || !isRunning()) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill(signal)
        if (signal === "SIGKILL") child.kill("SIGCONT")
      }),
    signal: (signal) => {
      child?.kill(signal)
    }
  }
}
