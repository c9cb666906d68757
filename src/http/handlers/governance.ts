import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { NodeConfig } from "../../config/NodeConfig.js"
import { decoder, type ShapeError } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { ApprovalFeed, type Heard } from "../../operations/governance/ApprovalFeed.js"
import * as decide from "../../operations/governance/decide.js"
import { pendingPage } from "../../operations/governance/pending.js"
import { clearStandard as clear, setStandard as set } from "../../operations/governance/setStandard.js"
import {
  type FoundStandard,
  type NoStandard,
  standardOf,
  standardsChain
} from "../../operations/governance/standards.js"
import { namespaces as listNamespaces } from "../../operations/node/namespaces.js"
import type { Acknowledged } from "../../operations/writing/Written.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Claims from "../calls/claims.js"
import { Drain } from "../calls/Drain.js"
import { Refused } from "../calls/Refusal.js"
import { isSigned } from "../calls/signature.js"
import { texts } from "../calls/streamed.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/governance.js"

export const layer = HttpApiBuilder.group(Api, "governance", (handlers) =>
  handlers
    .handleRaw(...Call.read(contract.namespaces, namespaces))
    .handleRaw(...Call.read(contract.getStandard, getStandard))
    .handleRaw(...Call.write(contract.setStandard, setStandard))
    .handleRaw(...Call.write(contract.setStandardAt, setStandardAt))
    .handleRaw(...Call.write(contract.clearStandard, clearStandard))
    .handleRaw(...Call.write(contract.clearStandardAt, clearStandardAt))
    .handleRaw(...Call.read(contract.pending, pending))
    .handleRaw(...Call.write(contract.approve, approve))
    .handleRaw(...Call.write(contract.reject, reject))
    .handleRaw(...Call.read(contract.stream, stream))
    .handleRaw(...Call.write(contract.decide, decideSigned)))

const namespaces = ({ urlParams: { inherit, namespace } }: Call.Call<typeof contract.namespaces>) =>
  Effect.gen(function*() {
    if (namespace !== undefined) return answer(contract.namespaces, yield* standardAt(namespace, inherit))
    return answer(contract.namespaces, { namespaces: yield* listNamespaces })
  })

const getStandard = ({ path, urlParams }: Call.Call<typeof contract.getStandard>) =>
  Effect.map(standardAt(path.namespace, urlParams.inherit), (found) => answer(contract.getStandard, found))

const standardAt = (namespace: string, inherit: boolean | undefined) =>
  Effect.gen(function*() {
    if (inherit === true) {
      const { chain, standards } = yield* standardsChain(namespace)
      return { namespace, chain, standards: standards.map(shown), count: standards.length }
    }
    const standard = yield* standardOf(namespace)
    return standard.standardId === null ? none(standard) : shown(standard)
  })

const shown = ({ governance, memory, namespace, standardId }: FoundStandard) => ({
  namespace,
  standard_id: standardId,
  title: memory.title,
  content: memory.content,
  priority: memory.priority,
  governance
})

const none = ({ missing, namespace, standardId }: NoStandard) => ({
  namespace,
  standard_id: standardId,
  ...(missing === null ? {} : { warning: `the memory ${missing} was set as the standard, and is not there` })
})

/** A policy that is none is an answer to a question of rules, not of shape, as the original has it. */
const standardOfBody = Call.decodeBody(
  contract.setStandard,
  (body) => Either.mapLeft(decodeStandard(body), ruleOf)
)
const standardOfBodyAt = Call.decodeBody(
  contract.setStandardAt,
  (body) => Either.mapLeft(decodeStandardAt(body), ruleOf)
)
const decodeStandard = decoder(contract.SetStandard)
const decodeStandardAt = decoder(contract.SetStandardAt)

const ruleOf = (error: ShapeError): ShapeError | validate.Invalid =>
  /^(?:standard\.)?governance/.test(error.field)
    ? new validate.Invalid({ field: error.field, message: error.message })
    : error

const namespaceMissing = new validate.Invalid({ field: "namespace", message: "namespace is required" })
const otherNamespace = new validate.Invalid({
  field: "standard.namespace",
  message: "standard.namespace must be the namespace that is named already, or be left out"
})

/** The namespace stands beside the standard, in it, or in the path; named twice it is the same. */
const namespaceOf = (
  outer: string | undefined,
  inner: string | undefined
): Either.Either<string, validate.Invalid> => {
  const namespace = outer ?? inner
  if (namespace === undefined) return Either.left(namespaceMissing)
  return inner === undefined || inner === namespace ? Either.right(namespace) : Either.left(otherNamespace)
}

const setStandard = ({ headers, incoming }: Call.Call<typeof contract.setStandard>) =>
  Effect.gen(function*() {
    const { namespace, standard: { namespace: inner, ...standard } = {}, ...wished } = yield* standardOfBody(incoming)
    const wanted = { namespace: yield* namespaceOf(namespace, inner), ...wished, ...standard }
    const done = yield* set(wanted, yield* Caller.fromHeaders(headers))
    return answer(contract.setStandard, shownSet(done), opIdOf(done))
  })

const setStandardAt = ({ headers, incoming, path }: Call.Call<typeof contract.setStandardAt>) =>
  Effect.gen(function*() {
    const { standard: { namespace: inner, ...standard } = {}, ...wished } = yield* standardOfBodyAt(incoming)
    const wanted = { namespace: yield* namespaceOf(path.namespace, inner), ...wished, ...standard }
    const done = yield* set(wanted, yield* Caller.fromHeaders(headers))
    return answer(contract.setStandardAt, shownSet(done), opIdOf(done))
  })

const shownSet = (done: Effect.Effect.Success<ReturnType<typeof set>>) => ({
  set: true as const,
  namespace: done.namespace,
  standard_id: done.standardId,
  ...(done.parent === null ? {} : { parent: done.parent }),
  ...(done.governance === null ? {} : { governance: done.governance }),
  ...Call.acksOf(done)
})

const clearStandard = ({ headers, urlParams }: Call.Call<typeof contract.clearStandard>) =>
  Effect.gen(function*() {
    const done = yield* clear(urlParams.namespace, yield* Caller.fromHeaders(headers))
    return answer(contract.clearStandard, shownCleared(done), opIdOf(done))
  })

const clearStandardAt = ({ headers, path }: Call.Call<typeof contract.clearStandardAt>) =>
  Effect.gen(function*() {
    const done = yield* clear(path.namespace, yield* Caller.fromHeaders(headers))
    return answer(contract.clearStandardAt, shownCleared(done), opIdOf(done))
  })

const shownCleared = (done: Effect.Effect.Success<ReturnType<typeof clear>>) => ({
  cleared: done.cleared,
  namespace: done.namespace,
  ...Call.acksOf(done)
})

const opIdOf = ({ opId }: Acknowledged) => ({ "x-op-id": opId })

export const pending = ({ urlParams }: Call.Call<typeof contract.pending>) =>
  Effect.map(
    pendingPage(urlParams),
    ({ rows, truncated }) =>
      answer(contract.pending, { count: rows.length, pending: rows, ...(truncated ? { truncated } : {}) })
  )

export const approve = ({ headers, path }: Call.Call<typeof contract.approve>) =>
  Effect.gen(function*() {
    const done = yield* decide.approve(path.id, yield* Caller.fromHeaders(headers))
    return done._tag === "Approved"
      ? answer(contract.approve, approved(done), opIdOf(done))
      : answer(contract.approve, voted(done), opIdOf(done), 202)
  })

export const reject = ({ headers, path }: Call.Call<typeof contract.reject>) =>
  Effect.gen(function*() {
    const done = yield* decide.reject(path.id, yield* Caller.fromHeaders(headers))
    return answer(contract.reject, rejected(done), opIdOf(done))
  })

const approved = (done: decide.Approved) => ({
  approved: true as const,
  id: done.id,
  decided_by: done.decidedBy,
  executed: done.memoryId !== null,
  memory_id: done.memoryId,
  ...Call.acksOf(done)
})

const voted = (done: decide.Voted) => ({
  approved: false as const,
  status: "pending" as const,
  id: done.id,
  votes: done.votes,
  quorum: done.quorum,
  reason: "consensus threshold not yet reached",
  ...Call.acksOf(done)
})

const rejected = (done: decide.Rejected) => ({
  rejected: true as const,
  id: done.id,
  decided_by: done.decidedBy,
  ...Call.acksOf(done)
})

const decisionOf = Call.bodyOf(contract.decide)

/** Who decides by a signed request that names no agent: one name, so that it can be tried again. */
const SIGNER = "approvals"

const unsigned = new Refused({ status: 401, message: "missing or invalid signature" })

/** Nothing of a request without a good signature is looked at. */
const decideSigned = ({ headers, incoming, path }: Call.Call<typeof contract.decide>) =>
  Effect.gen(function*() {
    const { approvalsSecret } = yield* NodeConfig
    if (!isSigned(approvalsSecret, incoming, yield* Clock.currentTimeMillis)) return yield* unsigned
    const { agentId, idempotencyKey } = yield* Caller.fromHeaders(headers)
    const { decision } = yield* decisionOf(incoming)
    const caller = { idempotencyKey, agentId: Option.orElseSome(agentId, () => SIGNER) }
    if (decision === "deny") {
      const done = yield* decide.reject(path.id, caller)
      return answer(contract.decide, { ...rejected(done), remember: "once" }, opIdOf(done))
    }
    const done = yield* decide.approve(path.id, caller)
    return done._tag === "Approved"
      ? answer(contract.decide, { ...approved(done), remember: "once" }, opIdOf(done))
      : answer(contract.decide, voted(done), opIdOf(done), 202)
  })

/** Proxies close what is silent for longer. */
const KEEP_ALIVE = Duration.seconds(15)

/** An answer without an end: it ends with its client, or when the node drains. */
const stream = ({ headers, incoming, urlParams }: Call.Call<typeof contract.stream>) =>
  Effect.gen(function*() {
    yield* Claims.ofAll(incoming.headers)
    const caller = yield* Caller.fromHeaders(headers)
    const feed = yield* ApprovalFeed
    const drain = yield* Drain
    const agentId = Option.getOrElse(caller.agentId, () => urlParams.agent_id)
    if (agentId !== undefined) yield* validate.agentId(agentId)
    // Until the request ends, which is when its answer does. Nothing concerns somebody without a name.
    const next = agentId === undefined ? Effect.never : yield* feed.listen(agentId)
    // One after the other, so that no more is written than is read.
    const events = Stream.repeatEffect(next).pipe(
      Stream.mapConcat((heard) => heard),
      Stream.rechunk(1),
      Stream.map(encode)
    )
    const comments = Stream.repeatEffect(Effect.as(Effect.sleep(KEEP_ALIVE), ": keep-alive\n\n"))
    return texts(
      contract.stream,
      Stream.make(": listening\n\n").pipe(
        Stream.concat(Stream.merge(events, comments)),
        Stream.interruptWhen(drain.begun)
      ),
      { "cache-control": "no-cache", connection: "close" }
    )
  })

/** As the original tells it: nothing of what an action would write, for who hears of it may not see that. */
const encode = (heard: Heard): string => {
  switch (heard.type) {
    case "requested": {
      const { action_type, id, namespace, requested_at, requested_by } = heard.action
      return event("approval_requested", { pending_id: id, action_type, namespace, requested_by, requested_at })
    }
    case "decided": {
      const { action: { namespace, requested_by }, decision } = heard
      return event("approval_decided", {
        pending_id: decision.id,
        decision: decision.approved ? "approve" : "deny",
        decided_by: decision.decider,
        remember: "once",
        namespace,
        requested_by
      })
    }
    case "lagged":
      return event("lagged", { lagged: heard.missed })
  }
}

const event = (name: string, data: object): string =>
  `event: ${name}\ndata: ${JSON.stringify(name === "lagged" ? data : { event: name, ...data })}\n\n`
