import * as Effect from "effect/Effect"
import * as rules from "../../access/rules.js"
import * as Stamp from "../../domain/Stamp.js"
import { OutboundRules } from "../../store/OutboundRules.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { PeerFailed } from "./Peer.js"
import { PeerTransport } from "./PeerTransport.js"

/** Who asks to send, in the audit log, as in the original. */
const AGENT = "daemon:wire_action"

/** What asks the rules of the operator before each attempt (identity.md 7.1): why it may not be made, or nothing. */
export const asking: Effect.Effect<(url: URL) => string | undefined, never, OutboundRules | AuditLog> = Effect.gen(
  function*() {
    const { judge } = yield* OutboundRules
    const audit = yield* AuditLog
    const clock = yield* Effect.clock

    return ({ hostname: host, protocol }) => {
      const judged = judge(host)
      if (judged.decision !== "refuse") return undefined
      const { reason, ruleId } = judged
      audit.note({
        type: "governance.refusal",
        agentId: AGENT,
        payload: {
          action: { host, kind: rules.NETWORK, scheme: protocol.replace(":", "") },
          agent_id: AGENT,
          decision: { decision: "refuse", reason, rule_id: ruleId },
          timestamp: Stamp.fromMillis(clock.unsafeCurrentTimeMillis())
        }
      })
      return `governance refused outbound to ${host}: ${reason}`
    }
  }
)

/** The way to peers, past the rules of the operator. */
export const governed: Effect.Effect<PeerTransport["Type"], never, PeerTransport | OutboundRules | AuditLog> = Effect
  .gen(
    function*() {
      const transport = yield* PeerTransport
      const ask = yield* asking

      return PeerTransport.of({
        request: (request) =>
          Effect.suspend(() => {
            const refused = ask(new URL(request.peer.url))
            return refused === undefined
              ? transport.request(request)
              : new PeerFailed({ peer: request.peer.name, reason: "forbidden", detail: refused })
          })
      })
    }
  )
