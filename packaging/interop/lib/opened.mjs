// What a node of the original is started with, so that nothing but its own work holds a write up.

/** What opens a node of 0.10.0 to peers that are not enrolled. Releases before that do not know these. */
export const OPENED = {
  AI_MEMORY_FED_REQUIRE_SIG: "0",
  AI_MEMORY_FED_ALLOW_UNENROLLED_PEERS: "1",
  AI_MEMORY_FED_TRUST_BODY_AGENT_ID: "1",
  AI_MEMORY_FED_SYNC_TRUST_PEER: "1",
  AI_MEMORY_REQUIRE_AGENT_ATTESTATION: "0",
  // Without an API key nobody is an administrator but by the header that says so.
  AI_MEMORY_ADMIN_HEADER_TRUST: "1"
}

/** Room for the load of this run, and the rules of namespaces as ours have them. No gate of a peer. */
export const ROOM = {
  AI_MEMORY_PERMISSIONS_MODE: "enforce",
  AI_MEMORY_MAX_MEMORIES_PER_DAY: "10000000",
  AI_MEMORY_MAX_STORAGE_BYTES: "100000000000"
}

/** Without a model to load: there may be no network. Later releases take decisions only with a signature. */
export const SECRET = "5e0d".repeat(16)
export const API_KEY = "the-key-of-all-nodes-and-clients-of-this-run"
/** Those of 0.6 send no API key to their peers. */
export const configOf = (gates) =>
  [
    "tier = \"keyword\"",
    ...(gates === "open" ? [] : [`api_key = "${API_KEY}"`]),
    "[admin]\nagent_ids = [\"alice\", \"bob\"]",
    `[hooks.subscription]\nhmac_secret = "${SECRET}"\n`
  ].join("\n")
