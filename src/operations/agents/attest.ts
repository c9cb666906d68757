import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as writeSignature from "../../access/writeSignature.js"
import * as AgentId from "../../domain/AgentId.js"
import * as Attestation from "../../domain/Attestation.js"
import { withDefaults } from "../../domain/CreateMemory.js"
import * as SignedMemory from "../../domain/SignedMemory.js"
import { Invalid } from "../../domain/validate.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { AttestationFailed, type ReadFailed } from "../errors.js"
import type { Caller } from "../writing/Written.js"
import { AuthorKeys } from "./AuthorKeys.js"

/**
 * What is known of the signature of a request: nothing where it has none. It must be over the texts that would be stored, by the
 * agent as the body says, or else the caller (identity.md 9.1).
 */
export const attest = (
  request: SignedMemory.SignedMemory,
  caller: Pick<Caller, "agentId">
): Effect.Effect<
  Option.Option<Attestation.Attested>,
  Invalid | AttestationFailed | ReadFailed,
  AuthorKeys | AuditLog
> =>
  Effect.gen(function*() {
    const { signature: text } = request
    if (text === undefined) return Option.none()
    const signature = writeSignature.parse(text)
    if (signature === undefined) return yield* misspelt
    const createdAt = yield* SignedMemory.createdAt(request, yield* Clock.currentTimeMillis)
    const signed = { signature: text, signedAt: request.created_at ?? createdAt, createdAt }
    const agentId = request.agent_id ?? Option.getOrElse(caller.agentId, () => "")
    const { find } = yield* AuthorKeys
    const key = AgentId.is(agentId) ? yield* find(agentId) : Option.none()
    if (Option.isNone(key)) return Option.some(Attestation.attested(signed, "claimed"))
    const { content, namespace, title } = withDefaults(request)
    const write = { agentId, namespace, title, content, kind: Attestation.KIND, createdAt: signed.signedAt }
    if (writeSignature.isSigned(key.value, write, signature)) {
      return Option.some(Attestation.attested(signed, "agent_attested"))
    }
    const { note } = yield* AuditLog
    note({ type: "access.attestation_refused", agentId, payload: { namespace } })
    return yield* new AttestationFailed({ detail: "the signature is not that of the key of this agent" })
  })

const misspelt = new Invalid({
  field: "signature",
  message: "signature must be 64 bytes in standard base64, with its padding"
})
