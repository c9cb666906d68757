import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { Authors } from "./Authors.js"
import * as Revocations from "./Revocations.js"
import * as trustBundle from "./trustBundle.js"
import * as Vouched from "./Vouched.js"
import * as watched from "./watched.js"

/** Whose word on keys counts here, and which keys are not good any more. */
export class Trust extends Context.Tag("quorate/access/Trust")<Trust, {
  /** As it is now: its folder is read again when it is another one. */
  readonly bundle: () => trustBundle.TrustBundle
  readonly revocations: Revocations.Revocations
  /** The keys that nodes are known to have had by their credentials. */
  readonly vouched: Vouched.Vouched
  /** Reads the folder now, and whatever is read with it; answers what was read. What can not be read stays as before. */
  readonly reload: Effect.Effect<string, Error>
  /** Something that is read again with the folder: what its issuers say may count from then on. */
  readonly alsoReload: (reload: Effect.Effect<string, Error>) => void
}>() {}

interface Options {
  readonly trustBundleDir: Option.Option<string>
  readonly trustDomain: Option.Option<string>
}

const make = ({ trustBundleDir, trustDomain }: Options) =>
  Effect.gen(function*() {
    const domain = Option.getOrElse(trustDomain, () => "")
    let bundle: trustBundle.TrustBundle = { ...trustBundle.none, domain }
    const log = Runtime.runFork(yield* Effect.runtime())
    const others: Array<Effect.Effect<string, Error>> = []
    const readBundle = Option.match(trustBundleDir, {
      onNone: () => Effect.succeed("no issuers: there is no folder of them"),
      onSome: (folder) =>
        Effect.suspend(() =>
          Either.map(
            trustBundle.load(folder, domain, (problem) => void log(Effect.logWarning(`no issuer: ${problem}`))),
            (read) => {
              bundle = read
              return `${read.anchors.size} issuer(s)`
            }
          )
        )
    })
    const reload = Effect.suspend(() => Effect.forEach([readBundle, ...others], Effect.either)).pipe(
      // All are read, whichever of them can not be.
      Effect.flatMap((read) => Effect.all(read)),
      Effect.map((what) => what.join(", "))
    )
    yield* watched.files(() => Option.toArray(trustBundleDir).flatMap(trustBundle.filesOf), reload, { atOnce: true })
    // It counts from the first message on.
    yield* Effect.catchAll(readBundle, ({ message }) => Effect.logError(`nobody's word on keys counts: ${message}`))
    return Trust.of({
      bundle: () => bundle,
      revocations: Revocations.make(() => bundle),
      vouched: Vouched.make(() => bundle),
      reload,
      alsoReload: (other) => void others.push(other)
    })
  })

/** Who is an author also by its credentials, and none with a key beyond what its revocation lets stand. */
export const vouching = (
  authors: Authors,
  { revocations, vouched }: Pick<Trust["Type"], "revocations" | "vouched">
): Authors => ({
  ...authors,
  keysOf: (nodeId) =>
    [...vouched.keysOf(nodeId), ...authors.keysOf(nodeId)].filter(({ raw }) => !revocations.isKey(raw)),
  mustSeal: (nodeId) => revocations.isOfNode(nodeId) || authors.mustSeal(nodeId),
  lastOf: (key, origin) =>
    Option.orElse(revocations.lastValid(Buffer.from(key, "hex"), origin), () => authors.lastOf(key, origin))
})

export const layer = (options: Options): Layer.Layer<Trust> => Layer.scoped(Trust, make(options))
