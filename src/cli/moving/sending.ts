import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { exchange, type Target, type Unreachable } from "../asking/exchange.js"
import { type Counts, Counts as CountsSchema } from "./mark.js"
import type { Part } from "./parts.js"

/** What came of a part. */
interface Sent {
  readonly counts: Counts
  readonly errors: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}

/** The daemon will not have it, or was away for too long. */
export class NotSent extends Data.TaggedError("NotSent")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

interface How {
  readonly target: Target
  readonly dryRun: boolean
  readonly namespace: string | undefined
  /** How long a daemon may be away. */
  readonly waitMillis: number
  /** It is away, and is asked again. */
  readonly onWait: (why: string) => void
}

const Answer = Schema.parseJson(Schema.Struct({
  ...CountsSchema.fields,
  renamed: Schema.Array(Schema.Unknown),
  errors: Schema.Array(Schema.String),
  warnings: Schema.optional(Schema.Array(Schema.String))
}))
const decode = Schema.decodeUnknownEither(Answer)
const decodeError = Schema.decodeUnknownEither(Schema.parseJson(Schema.Struct({ error: Schema.String })))

const FIRST_PAUSE_MILLIS = 200
const LONGEST_PAUSE_MILLIS = 5_000
/** Statuses of a daemon that will, and can not yet. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/**
 * Sends parts, each until it was answered: a daemon that is overloaded, starts anew or misses its quorum is waited for. The same
 * part again is the same write, by its key.
 */
export const sender = ({ dryRun, namespace, onWait, target, waitMillis }: How) => {
  let isFirst = true
  return (part: Part, key: string): Effect.Effect<Sent, NotSent> =>
    Effect.gen(function*() {
      const query = new URLSearchParams({
        ...(dryRun ? { dry_run: "true" } : {}),
        ...(part.isForeign ? { on_conflict: "rename" } : {}),
        ...(namespace === undefined ? {} : { namespace })
      })
      const request = {
        method: "POST",
        path: `/api/v1/import?${query}`,
        headers: { "content-type": "application/x-ndjson", ...(dryRun ? {} : { "idempotency-key": key }) }
      } as const
      const body = part.lines.map(({ text }) => `${text}\n`).join("")
      const begun = yield* Clock.currentTimeMillis
      for (let pause = FIRST_PAUSE_MILLIS;; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS)) {
        const answered = yield* Effect.either(exchange(target, request, body))
        const outcome = Either.isLeft(answered) ? away(target, answered.left, isFirst) : judge(answered.right)
        if (outcome._tag === "sent") {
          isFirst = false
          return outcome.sent
        }
        if (outcome._tag === "never" || (yield* Clock.currentTimeMillis) - begun > waitMillis) {
          return yield* new NotSent({ why: outcome.why })
        }
        onWait(outcome.why)
        yield* Effect.sleep(pause)
      }
    })
}

type Outcome =
  | { readonly _tag: "sent"; readonly sent: Sent }
  | { readonly _tag: "later" | "never"; readonly why: string }

/** Who was never there is not waited for. */
const away = ({ url }: Target, error: Unreachable | { readonly problem: string }, isFirst: boolean): Outcome => ({
  _tag: isFirst && "_tag" in error && error._tag === "Unreachable" ? "never" : "later",
  why: `no daemon answers at ${url.origin} (${error.problem}): start one with quorate serve, or name it with --url`
})

const judge = ({ status, text }: { readonly status: number; readonly text: string }): Outcome => {
  const answer = decode(text)
  if (status === 200 && Either.isRight(answer)) {
    const { errors, renamed, warnings = [], ...counts } = answer.right
    return { _tag: "sent", sent: { counts: { ...counts, renamed: renamed.length }, errors, warnings } }
  }
  const said = Either.match(decodeError(text), {
    onLeft: () =>
      status === 200 ? "it does not answer as Quorate does: is --url right?" : `the daemon answered ${status}`,
    onRight: ({ error }) => error
  })
  return { _tag: LATER.has(status) ? "later" : "never", why: said }
}

/** What is wrong with lines of a part, by where they stand in their source. */
export const problemsOf = (errors: ReadonlyArray<string>, { lines }: Part) =>
  errors.map((error) => {
    const ofLine = /^line (\d+): ([\s\S]*)$/.exec(error)
    const line = ofLine === null
      ? lines.find(({ id }) => id !== undefined && error.startsWith(`${id}: `))
      : lines[Number(ofLine[1]) - 1]
    const at = line?.at ?? lines[0]?.at ?? { line: 0 }
    return { at, reason: ofLine?.[2] ?? (Predicate.isString(line?.id) ? error.slice(line.id.length + 2) : error) }
  })
