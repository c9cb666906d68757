import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type ApiKey, mint, type Scope } from "../../src/access/ApiKey.js"

export interface Made {
  readonly key: ApiKey
  readonly secret: string
}

/** A key as it is minted, and what is shown for it. */
export const made = (name: string, scopes: ReadonlyArray<Scope>, more: Partial<ApiKey> = {}): Made => {
  const { key, secret } = Effect.runSync(
    mint({
      name,
      scopes: new Set(scopes),
      agentId: Option.none(),
      namespaces: Option.none(),
      expiresAt: Option.none(),
      ...more
    })
  )
  return { key, secret: Redacted.value(secret) }
}
