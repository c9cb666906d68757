import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { IncomingHttpHeaders } from "node:http"
import { NodeConfig } from "../../config/NodeConfig.js"
import { decoder } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { ApprovalFeed, type Heard } from "../../operations/governance/ApprovalFeed.js"
import * as decide from "../../operations/governance/decide.js"
import { asOf, listPending } from "../../operations/governance/pending.js"
import {
  clearStandard as clear,
  type SetStandard,
  setStandard as set
} from "../../operations/governance/setStandard.js"
import {
  type FoundStandard,
  type NoStandard,
  standardOf,
  standardsChain
} from "../../operations/governance/standards.js"
import { namespaces as listNamespaces } from "../../operations/node/namespaces.js"
import type { Acknowledged } from "../../operations/writing/Written.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/governance.js"
import * as Answer from "../server/answer.js"
import * as Caller from "../server/Caller.js"
import { Drain } from "../server/Drain.js"
import { Refused } from "../server/Refusal.js"
import * as Reply from "../server/Reply.js"
import { isSigned } from "../server/signature.js"
import * as Call from "./Call.js"

export const layer = HttpApiBuilder.group(Api, "governance", (handlers) =>
  handlers
    .handle("namespaces", ({ urlParams }) => Answer.refusals(namespaces(urlParams)))
    .handle("getStandard", ({ path, urlParams }) => Answer.refusals(getStandard(path.namespace, urlParams.inherit)))
    .handleRaw("setStandard", ({ request }) => Call.writeBody(request, setStandard))
    .handleRaw("setStandardAt", ({ path, request }) => Call.writeBody(request, setStandardAt, path.namespace))
    .handleRaw("clearStandard", ({ request, urlParams }) =>
      Call.write(clearStandard(Call.of(request, urlParams.namespace))))
    .handleRaw("clearStandardAt", ({ path, request }) =>
      Call.write(clearStandard(Call.of(request, path.namespace))))
    .handle("pending", ({ urlParams }) => Answer.refusals(pending(urlParams)))
    .handleRaw("approve", ({ path, request }) => Call.write(approve(Call.of(request, path.id))))
    .handleRaw("reject", ({ path, request }) => Call.write(reject(Call.of(request, path.id))))
    .handleRaw(
      "stream",
      ({ request, urlParams }) => Answer.refusals(stream(Call.headersOf(request), urlParams.agent_id))
    )
    .handleRaw("decide", ({ path, request }) => Call.writeBody(request, decideSigned, path.id)))

const namespaces = ({ inherit, namespace }: typeof contract.NamespacesQuery.Type) =>
  Effect.gen(function*() {
    if (namespace !== undefined) return yield* getStandard(namespace, inherit)
    return { namespaces: yield* listNamespaces }
  })

const getStandard = (namespace: string, inherit: boolean | undefined) =>
  Effect.gen(function*() {
    if (inherit === true) {
      const { chain, standards } = yield* standardsChain(namespace)
      return { namespace, chain, standards: standards.map(shown), count: standards.length }
    }
    const standard = yield* standardOf(namespace)
    return standard.standardId === null ? none(standard) : shown(standard)
  })

export const shown = ({ content, governance, namespace, priority, standardId, title }: FoundStandard) => ({
  namespace,
  standard_id: standardId,
  title,
  content,
  priority,
  governance
})

const none = ({ missing, namespace, standardId }: NoStandard) => ({
  namespace,
  standard_id: standardId,
  ...(missing === null ? {} : { warning: `the memory ${missing} was set as the standard, and is not there` })
})

const decodeSetStandard = decoder(contract.SetStandard)
const decodeSetStandardAt = decoder(contract.SetStandardAt)

const setStandard = (call: Call.Call) =>
  Effect.gen(function*() {
    const { namespace, standard, ...wished } = yield* Call.decodeBody(decodeSetStandard, call)
    return yield* answerSet({ namespace, ...wished, ...standard }, call)
  })

const setStandardAt = (call: Call.Call) =>
  Effect.gen(function*() {
    const { standard, ...wished } = yield* Call.decodeBody(decodeSetStandardAt, call)
    return yield* answerSet({ namespace: call.id, ...wished, ...standard }, call)
  })

const answerSet = (request: SetStandard, { headers }: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const done = yield* set(request, caller)
    return written(201, done, {
      set: true,
      namespace: done.namespace,
      standard_id: done.standardId,
      ...(done.parent === null ? {} : { parent: done.parent }),
      ...(done.governance === null ? {} : { governance: done.governance })
    })
  })

const clearStandard = ({ headers, id }: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const done = yield* clear(id, caller)
    return written(200, done, { cleared: done.cleared, namespace: done.namespace })
  })

const pending = (asked: typeof contract.PendingQuery.Type) =>
  Effect.map(listPending(asked), (actions) => ({ count: actions.length, pending: actions }))

const approve = ({ headers, id }: Call.Call) =>
  Effect.flatMap(Caller.fromHeaders(headers), (caller) => Effect.map(decide.approve(id, caller), approval))

const reject = ({ headers, id }: Call.Call) =>
  Effect.flatMap(Caller.fromHeaders(headers), (caller) => Effect.map(decide.reject(id, caller), rejection))

const approval = (done: decide.Approved | decide.Voted, more: object = {}): Reply.Reply =>
  done._tag === "Approved"
    ? written(200, done, {
      approved: true,
      id: done.id,
      decided_by: done.decidedBy,
      executed: done.memoryId !== null,
      memory_id: done.memoryId,
      ...more
    })
    : written(202, done, {
      approved: false,
      status: "pending",
      id: done.id,
      votes: done.votes,
      quorum: done.quorum,
      reason: "consensus threshold not yet reached"
    })

const rejection = (done: decide.Rejected, more: object = {}): Reply.Reply =>
  written(200, done, { rejected: true, id: done.id, decided_by: done.decidedBy, ...more })

const written = (status: number, done: Acknowledged, body: object): Reply.Reply =>
  Reply.json(status, { ...body, ...Call.acksOf(done) }, { "x-op-id": done.opId })

const decodeDecide = decoder(contract.Decide)

/** Who decides by a signed request that names no agent: one name, so that it can be tried again. */
const SIGNER = "approvals"

const unsigned = new Refused({ status: 401, message: "missing or invalid signature" })

/** Nothing of a request without a good signature is looked at. */
const decideSigned = (call: Call.Call) =>
  Effect.gen(function*() {
    const { approvalsSecret } = yield* NodeConfig
    if (!isSigned(approvalsSecret, call, yield* Clock.currentTimeMillis)) return yield* unsigned
    const { agentId, idempotencyKey } = yield* Caller.fromHeaders(call.headers)
    const { decision } = yield* Call.decodeBody(decodeDecide, call)
    const caller = { idempotencyKey, agentId: Option.orElseSome(agentId, () => SIGNER) }
    return decision === "approve"
      ? approval(yield* decide.approve(call.id, caller), remembered)
      : rejection(yield* decide.reject(call.id, caller), remembered)
  })

const remembered = { remember: "once" }

/** Proxies close what is silent for longer. */
const KEEP_ALIVE = Duration.seconds(15)

/** An answer without an end: it ends with its client, or when the node drains. */
const stream = (headers: IncomingHttpHeaders, agentParameter: string | undefined) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const feed = yield* ApprovalFeed
    const drain = yield* Drain
    const agentId = Option.getOrElse(caller.agentId, () => agentParameter ?? ANONYMOUS)
    yield* validate.agentId(agentId)
    // Until the request ends, which is when its answer does.
    const next = yield* feed.listen(agentId)
    const events = Stream.repeatEffect(next).pipe(
      Stream.mapEffect((heard) =>
        Effect.map(Clock.currentTimeMillis, (now) => heard.map((one) => encode(one, now)).join(""))
      )
    )
    const comments = Stream.repeatEffect(Effect.as(Effect.sleep(KEEP_ALIVE), ": keep-alive\n\n"))
    return HttpServerResponse.stream(
      Stream.make(": listening\n\n").pipe(
        Stream.concat(Stream.merge(events, comments)),
        Stream.interruptWhen(drain.begun),
        Stream.encodeText
      ),
      { contentType: "text/event-stream", headers: { "cache-control": "no-cache", connection: "close" } }
    )
  })

/** Hears of what anybody may decide. */
const ANONYMOUS = "anonymous"

const encode = (heard: Heard, nowMillis: number): string => {
  switch (heard.type) {
    case "requested":
      return event("approval_requested", asOf({ action: heard.action, votes: [], decision: null }, nowMillis))
    case "decided": {
      const { action: { action_type, memory_id, namespace, requested_by }, decision } = heard
      return event("approval_decided", {
        id: decision.id,
        approved: decision.approved,
        status: decision.approved ? "approved" : "rejected",
        decided_by: decision.decider,
        decided_at: decision.decided_at,
        action_type,
        memory_id: decision.memory?.id ?? memory_id,
        namespace,
        requested_by
      })
    }
    case "lagged":
      return event("lagged", { missed: heard.missed })
  }
}

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
