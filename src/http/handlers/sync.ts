import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type { Sender } from "../../access/gate.js"
import * as receive from "../../federation/inbound/receive.js"
import * as serveCatchup from "../../federation/inbound/serveCatchup.js"
import * as serveVectors from "../../federation/inbound/serveVectors.js"
import { Senders } from "../../operations/federation/Senders.js"
import { answer, bytes, text } from "../calls/answer.js"
import * as Body from "../calls/body.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import { Refused } from "../calls/Refusal.js"
import { senderOf, untaken } from "../calls/senders.js"
import * as Streamed from "../calls/streamed.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/sync.js"

export const layer = HttpApiBuilder.group(Api, "sync", (handlers) =>
  handlers
    .handleRaw(...Call.write(contract.push, push))
    .handleRaw(...Call.read(contract.hello, hello))
    .handleRaw(...Call.read(contract.since, since))
    .handleRaw(...Call.read(contract.sinceVector, sinceVector))
    .handleRaw(...Call.read(contract.digests, digests))
    .handleRaw(...Call.read(contract.vectors, vectors)))

/** The endpoints of other nodes. Their headers may hold anything: an original sends ids with arrows as keys. */
export const push = ({ incoming }: Call.Call<typeof contract.push>) =>
  Effect.gen(function*() {
    const sender = yield* senderOf(incoming)
    const { body, headers } = incoming
    const value = yield* Body.parse(headers, body)
    yield* sentBy(sender, value)
    return answer(contract.push, yield* receive.push(value, peerOf(headers)))
  }).pipe(
    Effect.catchTag("PushRefused", ({ error, field, status }) =>
      new Refused({ status, message: error, ...(field === undefined ? {} : { field }) }))
  )

const hello = ({ incoming }: Call.Call<typeof contract.hello>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    const found = yield* serveCatchup.hello(peerOf(incoming.headers))
    return answer(contract.hello, serveCatchup.encodeHello(found))
  })

const since = ({ incoming, urlParams }: Call.Call<typeof contract.since>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    const headers = peerOf(incoming.headers)
    return urlParams.vv === undefined
      ? Streamed.byRow(contract.since, yield* serveCatchup.rowsSince(paramsOf(urlParams), headers))
      : text(contract.since, yield* serveCatchup.since(urlParams.vv, headers))
  })

const sinceVector = ({ incoming }: Call.Call<typeof contract.sinceVector>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    const { body, headers } = incoming
    const value = yield* Body.parse(headers, body)
    return text(contract.sinceVector, yield* serveCatchup.sinceVector(value, peerOf(headers)))
  })

const vectorsOf = Call.bodyOf(contract.vectors)

const vectors = ({ incoming }: Call.Call<typeof contract.vectors>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    const asked = yield* vectorsOf(incoming)
    return bytes(contract.vectors, yield* serveVectors.answer(asked))
  })

const digests = ({ incoming }: Call.Call<typeof contract.digests>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    return answer(contract.digests, yield* serveCatchup.digests)
  })

/**
 * Who is proved to send a push does not say that it is another one's, and who is not says so of nobody who has to prove it.
 */
const sentBy = ({ isProved, peerId }: Sender, push: unknown): Effect.Effect<void, Refused, Senders> =>
  Effect.gen(function*() {
    const claimed = Predicate.isRecord(push) ? push["sender_agent_id"] : undefined
    if (claimed === undefined || (isProved && claimed === peerId)) return
    if (isProved) return yield* mismatch
    const { mustSign } = yield* Senders
    if (Predicate.isString(claimed) && mustSign(claimed)) return yield* untaken("x_memory_sig_missing")
  })

const mismatch = new Refused({
  status: 403,
  message: "sender_agent_id_mismatch",
  note: "sender_agent_id names another node than the one whose signature this is"
})

const peerOf = (headers: Call.Incoming["headers"]): receive.Headers => ({
  "x-peer-id": Caller.single(headers["x-peer-id"]),
  "x-agent-id": Caller.single(headers["x-agent-id"]),
  "x-peer-run": Caller.single(headers["x-peer-run"])
})

const paramsOf = (given: Record.ReadonlyRecord<string, string | undefined>): URLSearchParams =>
  new URLSearchParams(Record.filter(given, Predicate.isString))
