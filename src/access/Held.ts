import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as chain from "./chain.js"
import * as credential from "./credential.js"
import { attempt, KeyUnusable } from "./keyDirectory.js"
import * as smallFile from "./smallFile.js"
import type { Trust } from "./Trust.js"
import * as watched from "./watched.js"

/** The credential of this node, as it is now: its file is read again when it is another one (identity.md 5.2 to 6). */
interface Held {
  /** The headers that show it: none before its time and after, and where there is none. */
  readonly headers: () => Record<string, string>
}

export interface Options {
  readonly credentialFile: Option.Option<string>
  readonly credentialChainFile: Option.Option<string>
  readonly alsoReload?: Trust["Type"]["alsoReload"]
  /** Whose it should be. */
  readonly id: string
  readonly onFacts: (facts: { readonly ageSeconds: number; readonly lagSeconds: number }) => void
}

/** A text, and what it says. */
interface Read {
  readonly leaf: credential.Credential
  readonly headers: Record<string, string>
  readonly atSeconds: number
}

/** Of a file. A header that is longer nobody takes. */
const MAX_BYTES = 16 * 1024
const LOOK_AT_DATES_EVERY = Duration.minutes(1)
const SOON_SECONDS = 900

export const make = (options: Options): Effect.Effect<Held, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { credentialChainFile, credentialFile, id } = options
    if (Option.isNone(credentialFile)) return none
    const clock = yield* Effect.clock
    const nowSeconds = () => Math.floor(clock.unsafeCurrentTimeMillis() / 1_000)
    let held: Read | undefined
    const reload = Effect.gen(function*() {
      const header = yield* textOf(credentialFile.value)
      // What is taken away from its place for a moment is held on to.
      if (header === undefined) return "no credential: its file is not there"
      const leaf = yield* parsed(credentialFile.value, credential.parse(header))
      const links = Option.isNone(credentialChainFile) ? undefined : yield* textOf(credentialChainFile.value)
      if (links !== undefined) yield* parsed(Option.getOrElse(credentialChainFile, () => ""), chain.parse(links))
      if (leaf.claims.subjectId !== id) {
        yield* Effect.logWarning(
          `the credential in ${credentialFile.value} is of ${leaf.claims.subjectId}, not of ${id}`
        )
      }
      const headers = { [credential.CREDENTIAL]: header, ...(links === undefined ? {} : { [chain.CHAIN]: links }) }
      held = { leaf, headers, atSeconds: nowSeconds() }
      return `the credential of ${leaf.claims.subjectId}`
    })
    yield* Effect.catchAll(reload, ({ message }) => Effect.logError(`no credential is shown: ${message}`))
    yield* watched.files([credentialFile.value, ...Option.toArray(credentialChainFile)], reload)
    options.alsoReload?.(reload)
    yield* watchingEnd(() => held, options.onFacts)
    return {
      headers: () => held === undefined || !credential.isNow(held.leaf, nowSeconds()) ? {} : held.headers
    }
  })

/** Where a node has none. */
const none: Held = { headers: () => ({}) }

const textOf = (file: string): Either.Either<string | undefined, KeyUnusable> =>
  attempt(file, () => fs.existsSync(file) ? smallFile.read(file, MAX_BYTES).toString("latin1").trim() : undefined)

const parsed = <A>(file: string, read: Either.Either<A, credential.Problem>): Either.Either<A, KeyUnusable> =>
  Either.mapLeft(read, (problem) => new KeyUnusable({ path: file, problem }))

/** Says when the credential is over, or soon will be: whoever issues them has to issue another one. */
const watchingEnd = (held: () => Read | undefined, onFacts: Options["onFacts"]) =>
  Effect.gen(function*() {
    const one = held()
    if (one === undefined) return
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1_000)
    const left = Number(one.leaf.claims.notAfter) - now
    onFacts({
      ageSeconds: Math.max(0, now - Number(one.leaf.claims.notBefore)),
      lagSeconds: Math.max(0, now - one.atSeconds)
    })
    if (left < 0) {
      yield* Effect.logWarning("the credential of this node has ended and is not shown: it needs another one")
    } else if (left <= SOON_SECONDS) yield* Effect.logInfo(`the credential of this node ends in ${left} s`)
  }).pipe(
    Effect.zipRight(Effect.sleep(LOOK_AT_DATES_EVERY)),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.tapErrorCause((cause) => Effect.logError("the end of the credential is not looked at any more", cause)),
    Effect.forkScoped
  )
