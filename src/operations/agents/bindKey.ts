import * as Either from "effect/Either"
import { publicKeyOfText } from "../../access/ed25519.js"
import * as Agent from "../../domain/Agent.js"
import * as validate from "../../domain/validate.js"
import { AgentNotFound } from "../errors.js"
import * as Write from "../writing/Write.js"

interface Bound extends Write.Acknowledged {
  readonly agentId: string
  /** The key in base64 as it is stored: url-safe and without padding. */
  readonly key: string
}

/** Registers the key by which an agent signs what it writes, in the place of the one before, on all nodes. */
export const bindKey = (
  agentId: string,
  key: string,
  caller = Write.anonymous
): Write.Verb<Bound, validate.Invalid | AgentNotFound> =>
  Write.one({
    name: "bindKey",
    counts: "updated",
    caller,
    request: [agentId, key],
    governed: "ungoverned",
    prepare: () =>
      Either.flatMap(validate.agentId(agentId), () =>
        Either.map(
          Either.fromOption(publicKeyOfText(key), () => unusable),
          ({ raw }) => raw.toString("base64url")
        )),
    decide: (now, text) => {
      const known = now.holder(Agent.NAMESPACE, Agent.titleOf(agentId))
      return known === null ? Either.left(new AgentNotFound()) : Either.right({
        payload: { kind: "store", memory: Agent.bind(known.memory, text, now.stamp) },
        baseHlc: known.version.hlc,
        covers: now.claims(known.memory.namespace, known.memory.title)
      })
    },
    answer: ({ acknowledged }, text) => ({ ...acknowledged, agentId, key: text })
  })

const unusable = new validate.Invalid({
  field: "pubkey_b64",
  message:
    "pubkey_b64 must be an Ed25519 key of 32 bytes in base64, and a point of the curve that is not of small order"
})
