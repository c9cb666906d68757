import { createHash } from "node:crypto"
import { sign, signBody } from "../../access/webhooks.js"
import * as Change from "../../domain/Change.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Subscription } from "../../domain/Subscription.js"
import { version } from "../../domain/version.js"

/** What is sent of a change to the receiver of a subscription: contract.md 2.11, and 9 for the second signature. */
export const messageOf = (
  change: Change.Change,
  { id, secret }: Pick<Subscription, "id" | "secret">,
  millis: number
) => {
  const correlationId = correlationOf(change, id)
  const { agent_id, event, memory_id, namespace, ...rest } = Change.shown(change)
  const body = JSON.stringify({
    event,
    memory_id,
    namespace,
    agent_id,
    delivered_at: Stamp.fromMillis(millis),
    correlation_id: correlationId,
    ...rest
  })
  const timestamp = String(Math.floor(millis / 1000))
  return {
    body,
    headers: {
      "content-type": "application/json",
      "user-agent": `quorate/${version}`,
      "x-ai-memory-timestamp": timestamp,
      "x-ai-memory-correlation-id": correlationId,
      ...(secret === undefined ? {} : {
        "x-ai-memory-signature": sign(secret, timestamp, body),
        "x-ai-memory-signature-v0": signBody(secret, body)
      })
    }
  }
}

/** A UUID of version 7: the same for each attempt at an event, by whichever node. Its time is that of the write. */
const correlationOf = ({ at, id }: Change.Change, subscriptionId: string): string => {
  const time = Math.max(0, Stamp.toMillis(at)).toString(16).padStart(12, "0").slice(-12)
  const chance = createHash("sha256").update(JSON.stringify([id, subscriptionId])).digest("hex")
  const variant = ((Number.parseInt(chance.charAt(3), 16) & 3) | 8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${chance.slice(0, 3)}-${variant}${chance.slice(4, 7)}-${
    chance.slice(7, 19)
  }`
}
