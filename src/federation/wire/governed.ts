import * as Effect from "effect/Effect"
import * as rules from "../../access/rules.js"
import * as Stamp from "../../domain/Stamp.js"
import { OutboundRules } from "../../store/OutboundRules.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { PeerFailed } from "./Peer.js"
import { PeerTransport } from "./PeerTransport.js"

/** Who asks to send, in the audit log, as in the original. */
const AGENT = "daemon:wire_action"

/** The way to peers, past the rules of the operator: they are asked before each attempt (identity.md 7.1). */
export const governed: Effect.Effect<PeerTransport["Type"], never, PeerTransport | OutboundRules | AuditLog> = Effect
  .gen(
    function*() {
      const transport = yield* PeerTransport
      const { judge } = yield* OutboundRules
      const audit = yield* AuditLog
      const clock = yield* Effect.clock

      return PeerTransport.of({
        request: (request) =>
          Effect.suspend(() => {
            const { hostname: host, protocol } = new URL(request.peer.url)
            const judged = judge(host)
            if (judged.decision !== "refuse") return transport.request(request)
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
            const detail = `governance refused outbound to ${host}: ${reason}`
            return new PeerFailed({ peer: request.peer.name, reason: "forbidden", detail })
          })
      })
    }
  )
