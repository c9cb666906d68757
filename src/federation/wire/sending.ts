import * as Effect from "effect/Effect"
import type { Message, Tag } from "../../access/messages.js"
import type { Sign } from "../../access/signing.js"
import type { Peer } from "./Peer.js"
import type { PeerAnswer, PeerTransport } from "./PeerTransport.js"

type Request = Parameters<PeerTransport["Type"]["request"]>[0]

/** By what this node is known to its peers. */
export interface Identity {
  /** Headers with the signature of a request, of the very bytes that are sent; none where the node has no key. */
  readonly sign: Sign
  /** Headers with its credential, which is shown with a signature and without: by it a peer may ask for one. */
  readonly shown: () => Record<string, string>
}

/** Sends a request to one peer. */
export type Send = (asked: Omit<Request, "peer">) => ReturnType<PeerTransport["Type"]["request"]>

/**
 * Sends with a signature, and without one to a peer that has no key of this node: such a peer refuses what is signed (as the
 * original does), and may take what is not. What it wants is seen by what it refuses, so keys can be made and enrolled on one
 * node after the other. A peer that takes neither is answered for by what it says of the signature.
 */
export const sending = (peer: Peer, { sign, shown }: Identity, transport: PeerTransport["Type"]): Send => {
  let isSigning = true
  return (asked) =>
    Effect.suspend(() => {
      const send = (signature: Record<string, string>) =>
        transport.request({ ...asked, peer, headers: { ...asked.headers, ...signature, ...shown() } })
      const signature = () => sign(() => messageOf(peer, asked))
      const isFirstSigned = isSigning
      const first = isFirstSigned ? signature() : {}
      return Effect.flatMap(send(first), (answer) => {
        if (!isRefused(answer, isFirstSigned ? SIGNED_REFUSED : UNSIGNED_REFUSED)) return Effect.succeed(answer)
        const second = isFirstSigned ? {} : signature()
        // Without a key there is one way alone.
        if (Object.keys(isFirstSigned ? first : second).length === 0) return Effect.succeed(answer)
        return Effect.flatMap(send(second), (other) => {
          if (other.status === 401) return Effect.succeed(isFirstSigned ? answer : other)
          // Of requests that are under way together the first one says it.
          if (isSigning === !isFirstSigned) return Effect.succeed(other)
          isSigning = !isFirstSigned
          return Effect.as(
            Effect.logInfo(`federation: peer ${peer.name} ${isSigning ? NOW_ENROLLED : NOT_ENROLLED}`),
            other
          )
        })
      })
    })
}

const NOT_ENROLLED = "has no key of this node: what it is sent is not signed"
const NOW_ENROLLED = "has the key of this node now: what it is sent is signed"

const SIGNED_REFUSED: ReadonlyArray<Tag> = ["x_memory_sig_no_enrolled_key"]
const UNSIGNED_REFUSED: ReadonlyArray<Tag> = ["x_memory_sig_missing", "peer_not_enrolled"]

const isRefused = ({ body, status }: PeerAnswer, tags: ReadonlyArray<Tag>): boolean =>
  status === 401 && tags.some((tag) => body.includes(`"${tag}"`))

/** What a request is on the wire. */
const messageOf = (peer: Peer, { body, method, path }: Pick<Request, "body" | "method" | "path">): Message => {
  const [own = "", query = ""] = path.split("?", 2)
  const prefix = new URL(peer.url).pathname
  return { method, path: `${prefix === "/" ? "" : prefix}${own}`, query, body: Buffer.from(body ?? "") }
}
