import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeConfig, type SecretScreenMode } from "../../config/NodeConfig.js"
import { type Found, secretsOf } from "../../domain/secrets.js"
import { AuditLog } from "../../telemetry/AuditLog.js"

/** What is done with texts of clients that look like credentials. Nothing that nodes bring is looked at. */
export class SecretScreen extends Context.Reference<SecretScreen>()("quorate/operations/SecretScreen", {
  defaultValue: (): { readonly mode: SecretScreenMode } => ({ mode: "warn" })
}) {}

export const layer: Layer.Layer<SecretScreen, never, NodeConfig> = Layer.effect(
  SecretScreen,
  Effect.map(NodeConfig, ({ secretScreen }) => ({ mode: secretScreen }))
)

/** A field with such a text, by its place in a request. */
interface Screened {
  readonly place: string
  readonly kind: Found["kind"]
  /** Nothing is to be written. */
  readonly isRefused: boolean
}

/**
 * Looks for them in rows of memories that a client writes. `at` is where a row stands in the request, as in `memories[3]`; empty
 * where the request is the row.
 */
export const screening: Effect.Effect<Screen, never, AuditLog> = Effect.gen(function*() {
  const { mode } = yield* SecretScreen
  const { note } = yield* AuditLog
  return (rows, agentId) =>
    mode === "off" ? [] : rows.flatMap(({ at, value }) =>
      secretsOf(value).map(({ field, isSure, kind }) => {
        const isRefused = mode === "refuse" && isSure
        note({ type: "memory.secret_found", agentId, payload: { field, kind, refused: isRefused } })
        return { place: at === "" ? field : `${at}.${field}`, kind, isRefused }
      })
    )
})

type Screen = (
  rows: ReadonlyArray<{ readonly value: unknown; readonly at: string }>,
  agentId: string
) => ReadonlyArray<Screened>
