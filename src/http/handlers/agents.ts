import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { decoder, ShapeError } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { bindKey as bind } from "../../operations/agents/bindKey.js"
import { inbox as readInbox, type Received } from "../../operations/agents/inbox.js"
import { type Message, notify as send } from "../../operations/agents/notify.js"
import { listAgents, registerAgent } from "../../operations/agents/registerAgent.js"
import { capabilities as capable } from "../../operations/node/capabilities.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Claims from "../calls/claims.js"
import * as contract from "../contract/agents.js"
import { Api } from "../contract/Api.js"
import { describe, schemaOf } from "./capabilities.js"

export const layer = HttpApiBuilder.group(Api, "agents", (handlers) =>
  handlers
    .handleRaw(...Call.write(contract.register, register))
    .handleRaw(...Call.write(contract.bindKey, bindKey))
    .handleRaw(...Call.read(contract.list, list))
    .handleRaw(...Call.write(contract.notify, notify))
    .handleRaw(...Call.read(contract.inbox, inbox))
    .handleRaw(...Call.read(contract.capabilities, capabilities)))

const registrationOf = Call.bodyOf(contract.register)

const register = ({ headers, incoming }: Call.Call<typeof contract.register>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { agent, id, ...acknowledged } = yield* registerAgent(yield* registrationOf(incoming), caller)
    return answer(contract.register, { registered: true, id, ...agent, ...Call.acksOf(acknowledged) }, {
      "x-op-id": acknowledged.opId
    })
  })

const keyOf = Call.bodyOf(contract.bindKey)

const bindKey = ({ headers, incoming, path }: Call.Call<typeof contract.bindKey>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { pubkey_b64 } = yield* keyOf(incoming)
    const { agentId, key, ...acknowledged } = yield* bind(path.id, pubkey_b64, caller)
    return answer(contract.bindKey, { bound: true, agent_id: agentId, pubkey_b64: key, ...Call.acksOf(acknowledged) }, {
      "x-op-id": acknowledged.opId
    })
  })

const list = ({ urlParams }: Call.Call<typeof contract.list>) =>
  Effect.map(listAgents(urlParams), (agents) => answer(contract.list, { count: agents.length, agents }))

export const notify = ({ headers, incoming }: Call.Call<typeof contract.notify>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { from, memory, to, ...acknowledged } = yield* send(yield* messageOf(incoming), caller)
    return answer(contract.notify, {
      sent: true,
      id: memory.id,
      from,
      to,
      namespace: memory.namespace,
      tier: memory.tier,
      delivered_at: memory.created_at,
      ...Call.acksOf(acknowledged)
    }, Call.writtenHeaders(memory, acknowledged))
  })

const decodeNotify = decoder(contract.Notify)

/**
 * What is needed may have the names of the original or those of the SDKs. These send the text as `body`, and then the
 * payload goes with it; otherwise the payload is the text.
 */
const messageOf = Call.decodeBody(
  contract.notify,
  (value): Either.Either<Message, ShapeError | validate.Invalid> =>
    Either.flatMap(decodeNotify(value), (given) =>
      Either.gen(function*() {
        const { agent_id, body, memory_id, metadata, priority, subject, target_agent_id, tier, title, to } = given
        const payload = given.payload ?? given.content
        const text = body ?? payload
        const named = {
          to: yield* required("target_agent_id", target_agent_id ?? to),
          title: yield* required("title", title ?? subject)
        }
        // As the original has it: what has no text is of the right shape, and says nothing.
        if (text === undefined) {
          return yield* Either.left(new validate.Invalid({ field: "payload", message: "payload is required" }))
        }
        return {
          ...named,
          payload: textOf(text),
          attachment: body === undefined && typeof payload === "string" ? undefined : payload,
          memoryId: memory_id,
          metadata,
          priority,
          tier,
          from: agent_id
        }
      }))
)

const required = <A>(field: string, value: A | undefined): Either.Either<A, ShapeError> =>
  value === undefined
    ? Either.left(new ShapeError({ field, message: `${field} is required` }))
    : Either.right(value)

const textOf = (payload: unknown): string => typeof payload === "string" ? payload : JSON.stringify(payload)

export const inbox = ({ headers, incoming, urlParams }: Call.Call<typeof contract.inbox>) =>
  Effect.gen(function*() {
    const { agent_id, limit, offset, since, unread, unread_only } = urlParams
    const caller = yield* Caller.fromHeaders(headers)
    yield* Claims.ofParameter(incoming.headers, "agent_id", agent_id)
    const unreadOnly = unread_only ?? unread ?? false
    const found = yield* readInbox({ agentId: agent_id, unreadOnly, since, limit, offset }, caller)
    const messages = found.messages.map((message) => shown(message, found.agentId))
    return answer(contract.inbox, {
      agent_id: found.agentId,
      namespace: found.namespace,
      count: messages.length,
      unread: messages.filter((message) => message.unread).length,
      unread_only: unreadOnly,
      messages,
      ...(found.truncated ? { truncated: true } : {})
    })
  })

const shown = ({ from, id, memory, memoryId, metadata, payload, read, title }: Received, to: string) => ({
  id,
  from,
  to,
  title,
  subject: title,
  payload,
  body: memory.content,
  memory_id: memoryId,
  metadata,
  priority: memory.priority,
  tier: memory.tier,
  created_at: memory.created_at,
  received_at: memory.created_at,
  read,
  unread: !read,
  access_count: memory.access_count
})

export const capabilities = ({ headers }: Call.Call<typeof contract.capabilities>) =>
  Effect.map(
    capable,
    (found) => answer(contract.capabilities, describe(schemaOf(headers["accept-capabilities"]), found))
  )
