import * as Effect from "effect/Effect"
import { secretsOf } from "../../domain/secrets.js"
import { SecretScreen } from "../../operations/writing/SecretScreen.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import type { Incoming } from "./Call.js"
import { Refused } from "./Refusal.js"
import * as Remarks from "./Remarks.js"

/**
 * Looks for texts that look like credentials in rows of memories that a client writes. `at` is where a row stands in the body, as
 * in `memories[3]`; empty where the body is the row. What is found is remarked upon, or refused; it is never repeated.
 */
export const screen = (
  { headers, remarks }: Incoming,
  rows: ReadonlyArray<{ readonly value: unknown; readonly at: string }>
): Effect.Effect<void, Refused, AuditLog> =>
  Effect.gen(function*() {
    const { mode } = yield* SecretScreen
    if (mode === "off") return
    const { record } = yield* AuditLog
    for (const { at, value } of rows) {
      for (const { field, isSure, kind } of secretsOf(value)) {
        const place = at === "" ? field : `${at}.${field}`
        const isRefused = mode === "refuse" && isSure
        const agentId = headers["x-agent-id"]
        yield* record({
          type: "memory.secret_found",
          agentId: typeof agentId === "string" ? agentId : "",
          payload: { field, kind, refused: isRefused }
        })
        if (isRefused) {
          const message = `${place} looks like a credential (${kind}): nothing was written`
          return yield* new Refused({ status: 422, message, field: place })
        }
        Remarks.note(remarks, warningOf(place, kind))
      }
    }
  })

const warningOf = (place: string, kind: string) =>
  `${place} looks like a credential (${kind})${
    kind === "api_key" ? "" : ": nodes of ai-memory 0.10 drop such a memory"
  }`
