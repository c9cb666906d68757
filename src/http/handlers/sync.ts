import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type { Mismatch } from "../../access/allowList.js"
import type { Sender } from "../../access/gate.js"
import { isSpeaker } from "../../access/keyDirectory.js"
import * as receive from "../../federation/inbound/receive.js"
import * as serveCatchup from "../../federation/inbound/serveCatchup.js"
import * as serveVectors from "../../federation/inbound/serveVectors.js"
import { PeerLimits } from "../../federation/PeerLimits.js"
import { Revoking } from "../../federation/Revoking.js"
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
    .handleRaw(...Call.read(contract.vectors, vectors))
    .handleRaw(...Call.write(contract.revocations, revocations)))

/** The endpoints of other nodes. Their headers may hold anything: an original sends ids with arrows as keys. */
export const push = ({ incoming }: Call.Call<typeof contract.push>) =>
  Effect.gen(function*() {
    const { body, headers } = incoming
    const { "x-peer-id": peerId } = peerOf(headers)
    // Who names itself must be listed; who does not is looked at with the sender that it names.
    if (peerId !== undefined && isSpeaker(peerId)) yield* listed(peerId)
    const sender = yield* senderOf(incoming)
    const value = yield* Body.parse(headers, body)
    yield* sentBy(sender, value)
    yield* attested(peerId, value)
    return answer(contract.push, yield* receive.push(value, peerOf(headers)))
  }).pipe(
    Effect.catchTag("PushRefused", ({ error, field, status }) =>
      new Refused({ status, message: error, ...(field === undefined ? {} : { field }) }))
  )

const hello = ({ incoming }: Call.Call<typeof contract.hello>) =>
  Effect.gen(function*() {
    yield* askedBy(incoming)
    const found = yield* serveCatchup.hello(peerOf(incoming.headers))
    return answer(contract.hello, serveCatchup.encodeHello(found))
  })

const since = ({ incoming, urlParams }: Call.Call<typeof contract.since>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    const headers = peerOf(incoming.headers)
    if (urlParams.vv !== undefined) yield* mayPull(headers["x-peer-id"])
    return urlParams.vv === undefined
      ? Streamed.byRow(contract.since, yield* serveCatchup.rowsSince(paramsOf(urlParams), headers))
      : text(contract.since, yield* serveCatchup.since(urlParams.vv, headers))
  })

const sinceVector = ({ incoming }: Call.Call<typeof contract.sinceVector>) =>
  Effect.gen(function*() {
    yield* askedBy(incoming)
    const { body, headers } = incoming
    const value = yield* Body.parse(headers, body)
    return text(contract.sinceVector, yield* serveCatchup.sinceVector(value, peerOf(headers)))
  })

const vectorsOf = Call.bodyOf(contract.vectors)

const vectors = ({ incoming }: Call.Call<typeof contract.vectors>) =>
  Effect.gen(function*() {
    yield* askedBy(incoming)
    const asked = yield* vectorsOf(incoming)
    return bytes(contract.vectors, yield* serveVectors.answer(asked, peerOf(incoming.headers)["x-peer-id"]))
  })

const revocationsOf = Call.bodyOf(contract.revocations)

const revocations = ({ incoming }: Call.Call<typeof contract.revocations>) =>
  Effect.gen(function*() {
    yield* senderOf(incoming)
    const told = yield* revocationsOf(incoming)
    const { exchange } = yield* Revoking
    return answer(contract.revocations, yield* exchange(told))
  })

const digests = ({ incoming }: Call.Call<typeof contract.digests>) =>
  Effect.gen(function*() {
    yield* askedBy(incoming)
    const { ofPulls } = yield* PeerLimits
    if (Option.isSome(ofPulls(peerOf(incoming.headers)["x-peer-id"]))) return yield* sumsWithheld
    return answer(contract.digests, yield* serveCatchup.digests)
  })

const sumsWithheld = new Refused({
  status: 403,
  message: "not_allowed",
  note: "this peer may not see all namespaces, and these sums are over all of them"
})

/** A question of a node of ours. */
const askedBy = (incoming: Call.Incoming) =>
  Effect.zipRight(senderOf(incoming), Effect.suspend(() => mayPull(peerOf(incoming.headers)["x-peer-id"])))

/** Whether a peer is here to be told anything. */
const mayPull = (peerId: string | undefined) =>
  Effect.flatMap(
    PeerLimits,
    ({ isListed, ofPulls }) =>
      isListed(peerId) || Option.isNone(ofPulls(peerId)) ? Effect.void : turnedAway(peerId, notListed)
  )

const listed = (peerId: string) =>
  Effect.flatMap(PeerLimits, ({ isListed }) => isListed(peerId) ? Effect.void : turnedAway(peerId, notListed))

const turnedAway = (peerId: string | undefined, refused: Refused) =>
  Effect.flatMap(PeerLimits, (limits) => Effect.zipRight(limits.turnedAway(peerId, refused.message), refused))

const notListed = new Refused({
  status: 401,
  message: "x_peer_id_not_in_allowlist",
  note: "there is no row for the id in x-peer-id in the list of peers of this node (--peer-attestation)"
})

/** Whether who sends a push may do so for the sender that it names. */
const attested = (peerId: string | undefined, push: unknown) =>
  Effect.gen(function*() {
    const claimed = Predicate.isRecord(push) ? push["sender_agent_id"] : undefined
    if (!Predicate.isString(claimed)) return
    const checked = (yield* PeerLimits).checkSender(peerId, claimed)
    if (Either.isRight(checked)) return
    const tag = checked.left
    return yield* turnedAway(peerId, new Refused({ status: 403, message: tag, note: ATTESTATION_NOTES[tag] }))
  })

const ATTESTATION_NOTES: Readonly<Record<Mismatch, string>> = {
  peer_id_header_missing:
    "a push must name its peer in x-peer-id, as this node has a list of peers (--peer-attestation)",
  sender_agent_id_mismatch: "the row of this peer does not say that it may push for the sender in sender_agent_id"
}

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
