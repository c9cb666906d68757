import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as http from "node:http"
import * as https from "node:https"
import type { Settings } from "../../config/NodeConfig.js"
import { Ready } from "../../http/contract/operations.js"
import { isLocked } from "../../store/log/Sqlite.js"
import { type Check, fault, ok, warning } from "./Check.js"

/** A daemon that has not said by then how it is, says nothing. */
const ANSWER_MILLIS = 5_000
/** More is no answer of a node. */
const MAX_ANSWER_BYTES = 64 * 1024

/** The mark of the last start in the lock file beside a database; null while a daemon holds that. */
export const lastStart = (file: string): { readonly mark: unknown } | null => {
  const lock = Either.try(() => new Database(`${file}-lock`, { readonly: true, fileMustExist: true, timeout: 0 }))
  if (Either.isLeft(lock)) return { mark: undefined }
  try {
    return { mark: lock.right.prepare("SELECT mark FROM starts").pluck().get() }
  } catch (cause) {
    return isLocked(cause) ? null : { mark: undefined }
  } finally {
    lock.right.close()
  }
}

/** A daemon holds the database: what its start is called, if that can be read. */
interface Held {
  readonly start: string | null
}

/** Asks the daemon of these settings how it is. */
export const examine = (settings: Settings, held: Held | null): Effect.Effect<ReadonlyArray<Check>> => {
  if (settings.port === 0) {
    const detail = "the settings give it any free port: where it is asked is not known"
    return Effect.succeed([held !== null ? warning("daemon", detail) : ok("daemon", "none holds the database")])
  }
  const url = `${urlOf(settings)}/health/ready`
  return Effect.map(Effect.either(ask(url)), (answer) => judge(url, held, answer))
}

const urlOf = ({ host, port, tlsCert }: Settings): string => {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host
  const scheme = Option.isSome(tlsCert) ? "https" : "http"
  return `${scheme}://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`
}

const judge = (
  url: string,
  held: Held | null,
  answer: Either.Either<typeof Ready.Type, string>
): ReadonlyArray<Check> => {
  if (held === null) {
    return Either.isLeft(answer)
      ? [ok("daemon", "none holds the database")]
      : [warning("daemon", `none holds the database, and one answers at ${url}: it has another one`)]
  }
  if (Either.isLeft(answer)) {
    return [fault("daemon", `one holds the database, and says nothing of itself at ${url}: ${answer.left}`)]
  }
  const { checks, ready, start } = answer.right
  // One of an earlier version does not say.
  if (start !== undefined && held.start !== null && start !== held.start) {
    return [fault("daemon", `one holds the database, and another one answers at ${url}: it has another database`)]
  }
  const wrong = Object.entries(checks).filter(([, { ok }]) => !ok).map(([name, { detail }]) => `${name}: ${detail}`)
  const daemon = ok("daemon", `it answers at ${url}`)
  if (!ready) return [daemon, fault("readiness", `it is not ready: ${wrong.join("; ")}`)]
  return [daemon, wrong.length === 0 ? ok("readiness", "it is ready") : warning("readiness", wrong.join("; "))]
}

const decode = Schema.decodeUnknownEither(Schema.parseJson(Ready))

/** What it says, or why it says nothing. Whose certificate that is does not matter: nothing is told to it. */
const ask = (url: string): Effect.Effect<typeof Ready.Type, string> =>
  Effect.async<string, string>((resume) => {
    const client = url.startsWith("https:") ? https : http
    const request = client.get(url, { rejectUnauthorized: false, timeout: ANSWER_MILLIS }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part
        if (text.length > MAX_ANSWER_BYTES) request.destroy(new Error("its answer is too long"))
      })
      response.on("end", () => resume(Effect.succeed(text)))
      response.on("error", (error) => resume(Effect.fail(error.message)))
    })
    request.on("timeout", () => request.destroy(new Error(`no answer within ${ANSWER_MILLIS / 1000} s`)))
    request.on("error", (error) => resume(Effect.fail(error.message)))
    return Effect.sync(() => request.destroy())
  }).pipe(
    Effect.timeoutFail({ duration: ANSWER_MILLIS, onTimeout: () => `no answer within ${ANSWER_MILLIS / 1000} s` }),
    Effect.flatMap((text) => Either.mapLeft(decode(text), () => "what answers there is no node"))
  )
