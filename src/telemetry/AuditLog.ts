import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { AuditEvent } from "../domain/AuditEvent.js"

/**
 * What is written down of what concerns security: rows that are never changed (`store/AuditLog`). The same event again is counted.
 * No key, no secret and no text of a memory belongs in a payload.
 */
export class AuditLog extends Context.Tag("quorate/telemetry/AuditLog")<AuditLog, {
  /** Takes it at once and writes it within a second; never fails. */
  readonly record: (event: AuditEvent) => Effect.Effect<void>
  /** The same for what is no effect. */
  readonly note: (event: AuditEvent) => void
  /**
   * The same for what stands somewhere until it is written down: `after` runs in the transaction that writes the last row of these,
   * and may be run again. Answers once it was tried.
   */
  readonly tell: (events: ReadonlyArray<AuditEvent>, after: () => void) => Effect.Effect<void>
  /** Writes what has been taken, now. */
  readonly flush: Effect.Effect<void>
}>() {}
