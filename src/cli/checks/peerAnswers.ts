import type { PeerAnswer } from "../../federation/wire/PeerTransport.js"

/** What a peer of ours or of the original says when it takes nothing, and which setting is to be changed on which side. */
const KNOWN: ReadonlyArray<readonly [said: string, meaning: string]> = [
  [
    "x_memory_sig_missing",
    "the key of this node is enrolled there, and this node has no secret of it: see --key-dir and --node-id here"
  ],
  ["x_memory_sig_no_enrolled_key", "it does not have the key of this node: enrol that there (identity import)"],
  [
    "peer_not_enrolled",
    "it takes signed messages alone, and does not have the key of this node: enrol that there (identity import)"
  ],
  [
    "x_memory_sig_bad_signature",
    "the key that it has of this node is another one: enrol the present one there (identity import --force)"
  ],
  ["x_memory_nonce_outside_window", "the clocks of the two are more than 60 s apart: set them"],
  ["x_memory_nonce", "it does not take the nonce of the message: see --require-nonces there"],
  [
    "x_peer_id_not_in_allowlist",
    "it has a list of peers, and this node is not on it: AI_MEMORY_FED_PEER_ATTESTATION there"
  ],
  ["peer_id_cert", "its certificates are bound to other ids: AI_MEMORY_FED_CERT_PEER_BINDING_MAP there"],
  [
    "sender_agent_id_mismatch",
    "this node may not push as its own id: allowed_sender_agent_ids in its list of peers there"
  ],
  ["peer_id_header_missing", "the x-peer-id of this node did not arrive: is there a proxy that takes it out?"],
  ["scope peer", "the API key of this node there has no scope peer: --peer-api-key-file here"],
  ["API key", "it does not know the API key of this node: --peer-api-key-file here, or its keys there"],
  ["api key", "it does not know the API key of this node: --peer-api-key-file here, or its keys there"]
]

const MAX_WORDS = 200

export const whyRefused = ({ body, status }: PeerAnswer): string => {
  const known = KNOWN.find(([said]) => body.includes(said))
  const words = body.replace(/[^\x20-\x7e]/g, "?").slice(0, MAX_WORDS)
  return known === undefined ? `http ${status}: ${words}` : `${known[1]} (http ${status})`
}
