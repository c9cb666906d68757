import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { Authors } from "./Authors.js"
import type { KeyUnusable } from "./keyDirectory.js"
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
  /** Reads the folder now; answers what was read. Fails and keeps the bundle of before. */
  readonly reload: Effect.Effect<string, KeyUnusable>
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
    const reload = Option.match(trustBundleDir, {
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
    yield* watched.files(() => Option.toArray(trustBundleDir).flatMap(trustBundle.filesOf), reload, { atOnce: true })
    // It counts from the first message on.
    yield* Effect.catchAll(reload, ({ message }) => Effect.logError(`nobody's word on keys counts: ${message}`))
    return Trust.of({
      bundle: () => bundle,
      revocations: Revocations.make(() => bundle),
      vouched: Vouched.make(() => bundle),
      reload
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
