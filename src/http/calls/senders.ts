import * as Effect from "effect/Effect"
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { CHAIN } from "../../access/chain.js"
import { CREDENTIAL } from "../../access/credential.js"
import type { Sender } from "../../access/gate.js"
import { NONCE, PEER_ID, SIGNATURE, type Tag } from "../../access/messages.js"
import { Senders } from "../../operations/federation/Senders.js"
import type { Incoming } from "./Call.js"
import { malformed, Refused } from "./Refusal.js"

/*
 * Who a message between nodes is from. Its signature is of the line and the body as they stood on the wire, which nothing that
 * is decoded tells any more.
 */

/** The line of a request, and where it came from. */
interface Line {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly from: string
  /** The connection proves that the node is the one in `x-peer-id`. */
  readonly isCertified: boolean
}

/** By the headers of their requests, which all that handle them have. */
const lines = new WeakMap<IncomingHttpHeaders, Line>()

/** Of a repeated one nobody could tell which was meant. */
const ONCE = [SIGNATURE, NONCE, PEER_ID, CREDENTIAL, CHAIN]

/** Keeps the line of a request that should be a node's, or says what is wrong with its head. */
export const note = (request: IncomingMessage, target: Omit<Line, "method" | "from">): Refused | undefined => {
  const repeated = ONCE.find((name) => (request.headersDistinct[name]?.length ?? 0) > 1)
  if (repeated !== undefined) return malformed(`a request must not have two ${repeated} headers`)
  const { headers, method = "", socket: { remoteAddress: from = "" } } = request
  lines.set(headers, { ...target, method, from })
  return undefined
}

/** Who sent it, or why it is not taken. */
export const senderOf = ({ body, headers }: Incoming): Effect.Effect<Sender, Refused, Senders> =>
  Effect.gen(function*() {
    const { admit } = yield* Senders
    const { from, isCertified, ...line } = lines.get(headers) ?? NOBODYS
    const received = {
      ...line,
      body,
      peerId: textOf(headers[PEER_ID]),
      signature: textOf(headers[SIGNATURE]),
      nonce: textOf(headers[NONCE]),
      credential: textOf(headers[CREDENTIAL]),
      chain: textOf(headers[CHAIN])
    }
    const sender = yield* admit(received, from)
    return { ...sender, isProved: sender.isProved || isCertified }
  }).pipe(Effect.mapError(({ tag }) => untaken(tag)))

/** Of what came by no listener. */
const NOBODYS: Line = { method: "", path: "", query: "", from: "", isCertified: false }

export const untaken = (tag: Tag): Refused => new Refused({ status: 401, message: tag, note: NOTES[tag] })

/** What is no plain text counts as not sent. */
const textOf = (value: string | Array<string> | undefined): string | undefined =>
  typeof value === "string" && /^[\x20-\x7e]*$/.test(value) ? value : undefined

/** For who reads it on the other side: what to do about it. */
const NOTES: Readonly<Record<Tag, string>> = {
  x_memory_sig_missing: "the key of this node is enrolled here, so its messages must be signed",
  x_memory_sig_unknown_algorithm: "the signature must begin with ed25519=",
  x_memory_sig_malformed: "the signature must be 64 bytes in standard base64 with its padding",
  x_memory_sig_bad_signature: "the signature is not of these bytes by the key that is enrolled here",
  x_memory_sig_no_enrolled_key:
    "no key is enrolled at this node under the id in x-peer-id: quorate identity import does it",
  x_memory_nonce_missing: "a signed message must have a nonce",
  x_memory_nonce_replay: "this message was taken before",
  x_memory_sig_revoked_key: "the key of this node is revoked: it may speak again when it is issued another one",
  x_memory_nonce_outside_window: "the time in the nonce is more than 60 s away from the clock of this node",
  peer_not_enrolled:
    "this node takes signed messages alone, and no key is enrolled at it under the id in x-peer-id: quorate identity import does it"
}
