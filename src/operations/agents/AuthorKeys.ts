import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type PublicKey, publicKeyOfText } from "../../access/ed25519.js"
import * as KeyRing from "../../access/KeyRing.js"
import { Trust } from "../../access/Trust.js"
import { AgentReader } from "../../store/read/AgentReader.js"
import type { ReadFailed } from "../errors.js"

/** The keys by which agents sign what they write. */
export class AuthorKeys extends Context.Tag("quorate/operations/AuthorKeys")<AuthorKeys, {
  /**
   * The key that an agent is registered with, or else the one of its file in the folder of keys. One that is no sound key, or was
   * revoked, is none.
   */
  readonly find: (agentId: string) => Effect.Effect<Option.Option<PublicKey>, ReadFailed>
}>() {}

const make = Effect.gen(function*() {
  const { keyOf } = yield* AgentReader
  const { revocations } = yield* Trust
  const keys = yield* KeyRing.Ring
  const isGood = ({ raw }: PublicKey) => !revocations.isKey(raw)
  return AuthorKeys.of({
    find: (agentId) =>
      Effect.map(keyOf(agentId), (text) =>
        text.pipe(
          Option.flatMap(publicKeyOfText),
          Option.filter(isGood),
          Option.orElse(() => Option.filter(Option.fromNullable(keys.find(agentId)?.publicKey), isGood))
        ))
  })
})

export const layer: Layer.Layer<AuthorKeys, never, AgentReader | Trust | KeyRing.Ring> = Layer.effect(AuthorKeys, make)
