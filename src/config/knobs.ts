import * as Duration from "effect/Duration"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import { MAX_LIFETIME_SECONDS, type Settings, showWeights } from "./NodeConfig.js"

/** What the command line, the configuration file and `config show` know of one setting. */
export interface Knob {
  /** The flag without its dashes; the key in the file. The variable is `QUORATE_` and this in upper snake case. */
  readonly name: string
  /** What its value is called in the help; absent for a switch. */
  readonly metavar?: string
  readonly description: string
  /** The table of the file that it may stand in, too, there also with underscores for its dashes. */
  readonly table?: string
  /** The effective value as text; null where there is none. A secret is never shown. */
  readonly show: (settings: Settings) => string | null
}

const lifetime = (tier: string, setting: "shortTtl" | "midTtl" | "longTtl"): Knob => ({
  name: `${tier}-ttl-secs`,
  table: "ttl",
  metavar: "seconds",
  description: `How long a ${tier} memory lives that says nothing of it, 0..${MAX_LIFETIME_SECONDS}; 0 for ever.`,
  show: (settings) => String(Duration.toSeconds(settings[setting]))
})

const extension = (tier: string, setting: "shortExtend" | "midExtend"): Knob => ({
  name: `${tier}-extend-secs`,
  table: "ttl",
  metavar: "seconds",
  description: `How long a ${tier} memory lives from a recall on, at least, 0..${MAX_LIFETIME_SECONDS}; ` +
    "0 no longer than before.",
  show: (settings) => String(Duration.toSeconds(settings[setting]))
})

const lifetimes: ReadonlyArray<Knob> = [
  lifetime("short", "shortTtl"),
  lifetime("mid", "midTtl"),
  lifetime("long", "longTtl"),
  extension("short", "shortExtend"),
  extension("mid", "midExtend")
]

/** Every setting, in the order of the help. */
export const knobs: ReadonlyArray<Knob> = [
  { name: "host", metavar: "address", description: "Address of the client listener.", show: ({ host }) => host },
  {
    name: "port",
    metavar: "port",
    description: "Port of the client listener; 0 takes any free one.",
    show: ({ port }) => String(port)
  },
  {
    name: "db",
    metavar: "file",
    description: "SQLite file; `:memory:` forgets everything at exit.",
    show: ({ db }) => db
  },
  {
    name: "store",
    metavar: "url",
    description: "PostgreSQL database that has the memory of a site, whose daemons all are given it: " +
      "postgres://user@host:port,host:port/database; the password comes by PGPASSFILE. Default: --db has it alone.",
    show: ({ store }) => Option.getOrNull(Option.map(store, ({ text }) => text))
  },
  {
    name: "read-store",
    metavar: "url",
    description: "A standby of the database of --store, which this daemon asks before it answers a read.",
    show: ({ readStore }) => Option.getOrNull(Option.map(readStore, ({ text }) => text))
  },
  {
    name: "quorum-writes",
    metavar: "count",
    description: "Nodes that must hold a write before it is answered, this one included. " +
      "Default: a majority when peers are given. 0 turns federation off.",
    show: ({ quorumWrites }) => Option.getOrNull(Option.map(quorumWrites, String))
  },
  {
    name: "quorum-peers",
    metavar: "urls",
    description: "Base URLs of the other nodes, separated by commas.",
    show: ({ quorumPeers }) => quorumPeers.length === 0 ? null : quorumPeers.join(",")
  },
  {
    name: "quorum-timeout-ms",
    metavar: "milliseconds",
    description: "Deadline of a quorum write, 1..600000.",
    show: ({ quorumTimeout }) => String(Duration.toMillis(quorumTimeout))
  },
  {
    name: "quorum-client-cert",
    metavar: "file",
    description: "PEM certificate this node shows to its peers.",
    show: ({ quorumClientCert }) => Option.getOrNull(quorumClientCert)
  },
  {
    name: "quorum-client-key",
    metavar: "file",
    description: "PEM key of --quorum-client-cert.",
    show: ({ quorumClientKey }) => Option.getOrNull(quorumClientKey)
  },
  {
    name: "quorum-ca-cert",
    metavar: "file",
    description: "PEM certificate trusted for peers, beside the usual ones.",
    show: ({ quorumCaCert }) => Option.getOrNull(quorumCaCert)
  },
  {
    name: "tls-cert",
    metavar: "file",
    description: "PEM certificate of the listener; with --tls-key it speaks HTTPS.",
    show: ({ tlsCert }) => Option.getOrNull(tlsCert)
  },
  {
    name: "tls-key",
    metavar: "file",
    description: "PEM key of --tls-cert.",
    show: ({ tlsKey }) => Option.getOrNull(tlsKey)
  },
  {
    name: "mtls-allowlist",
    metavar: "file",
    description: "SHA-256 fingerprints of the client certificates that may connect, one a line.",
    show: ({ mtlsAllowlist }) => Option.getOrNull(mtlsAllowlist)
  },
  {
    name: "mtls-client-ca",
    metavar: "file",
    description:
      "PEM certificates of whoever issues those of nodes: a node is who its certificate says, spiffe://<domain>/<node id>.",
    show: ({ mtlsClientCa }) => Option.getOrNull(mtlsClientCa)
  },
  {
    name: "mtls-scope",
    metavar: "whose",
    description: "Of whom --mtls-allowlist and --mtls-client-ca ask for a certificate: all that connect, or peers.",
    show: ({ mtlsScope }) => mtlsScope
  },
  {
    name: "peer-listen",
    metavar: "host:port",
    description:
      "Where other nodes reach this one; clients do not, then, and nodes do not where clients do. Default: the " +
      "listener of clients.",
    show: ({ peerListen }) =>
      Option.getOrNull(Option.map(peerListen, ({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`))
  },
  {
    name: "peer-tls-cert",
    metavar: "file",
    description: "PEM certificate of --peer-listen. Default: --tls-cert.",
    show: ({ peerTlsCert }) => Option.getOrNull(peerTlsCert)
  },
  {
    name: "peer-tls-key",
    metavar: "file",
    description: "PEM key of --peer-tls-cert. Default: --tls-key.",
    show: ({ peerTlsKey }) => Option.getOrNull(peerTlsKey)
  },
  {
    name: "peer-mtls-allowlist",
    metavar: "file",
    description:
      "SHA-256 fingerprints of the certificates that nodes may show at --peer-listen, one a line. Default: " +
      "--mtls-allowlist.",
    show: ({ peerMtlsAllowlist }) => Option.getOrNull(peerMtlsAllowlist)
  },
  {
    name: "catchup-interval-secs",
    metavar: "seconds",
    description: "How often to compare with each peer, 0..86400; 0 never.",
    show: ({ catchupInterval }) => String(Duration.toSeconds(catchupInterval))
  },
  {
    name: "node-id",
    metavar: "id",
    description: "Identity of this node. Default: minted once and kept in the database.",
    show: ({ nodeId }) => Option.getOrNull(nodeId)
  },
  {
    name: "api-key-file",
    metavar: "file",
    description: "File with the API key that clients must send; the variable QUORATE_API_KEY holds the key itself.",
    show: ({ apiKey }) => Option.isSome(apiKey) ? "<redacted>" : null
  },
  {
    name: "api-keys-file",
    metavar: "file",
    description: "File with keys that open one thing each, as quorate keys makes it; it may change while the node " +
      "runs. The variable QUORATE_API_KEYS holds its text itself.",
    show: ({ apiKeys }) => Option.getOrNull(Option.map(apiKeys, (keys) => `<${keys.length} key(s)>`))
  },
  {
    name: "peer-api-key-file",
    metavar: "file",
    description: "File with the key that this node shows to its peers; the variable QUORATE_PEER_API_KEY holds the " +
      "key itself. Default: that of --api-key-file.",
    show: ({ peerApiKey }) => Option.isSome(peerApiKey) ? "<redacted>" : null
  },
  {
    name: "key-dir",
    metavar: "folder",
    description:
      "Folder of the keys of nodes, as quorate identity makes it: with a key of its own a node signs what it " +
      "says to others. Default: $XDG_CONFIG_HOME/quorate/keys, else ~/.config/quorate/keys.",
    show: ({ keyDir }) => Option.getOrNull(keyDir)
  },
  {
    name: "require-signatures",
    metavar: "whose",
    description: "Whose messages must be signed: enrolled for those of nodes whose key is in --key-dir, all for " +
      "everybody's, off for nobody's.",
    show: ({ requireSignatures }) => requireSignatures
  },
  {
    name: "require-nonces",
    metavar: "true|false",
    description: "A signed message must have a nonce, so that nobody can send it once more.",
    show: ({ requireNonces }) => String(requireNonces)
  },
  {
    name: "unsigned-pull",
    metavar: "ids",
    description: "Nodes whose questions need no signature although their key is there, separated by commas: those of " +
      "ai-memory never sign them.",
    show: ({ unsignedPull }) => unsignedPull.length === 0 ? null : unsignedPull.join(",")
  },
  {
    name: "operator-pubkey-file",
    metavar: "file",
    description: "File with the key by which the operator signs rules, as quorate rules keygen makes it; then others " +
      "do not count. The variable QUORATE_OPERATOR_PUBKEY holds the key itself. " +
      "Default: $XDG_CONFIG_HOME/quorate/operator.key.pub, where it is there.",
    show: ({ operatorKey }) => Option.getOrNull(Option.map(operatorKey, ({ raw }) => raw.toString("base64url")))
  },
  {
    name: "peer-attestation",
    metavar: "file",
    description:
      "What each peer may do, by its id: a file, or the JSON text itself. With it whoever is not named may " +
      "do nothing.",
    show: ({ peerAttestation }) => Option.getOrNull(peerAttestation)
  },
  {
    name: "trust-body-agent-id",
    metavar: "true|false",
    description: "With --peer-attestation: a push may name another sender than the peer that sends it.",
    show: ({ trustBodyAgentId }) => String(trustBodyAgentId)
  },
  {
    name: "trust-unlisted-pulls",
    metavar: "true|false",
    description: "With --peer-attestation: peers that are not named in it may ask for everything.",
    show: ({ trustUnlistedPulls }) => String(trustUnlistedPulls)
  },
  {
    name: "identity-dir",
    metavar: "folder",
    description:
      "Folder of this node with its key, credential and certificates: what is in it stands for --node-id, --key-dir, " +
      "--credential-file, the trust bundle and the certificates, and all peers must sign, unless they are given.",
    show: ({ identityDir }) => Option.getOrNull(identityDir)
  },
  {
    name: "credential-file",
    metavar: "file",
    description: "Credential of this node, which it shows to its peers; read again when it is another one.",
    show: ({ credentialFile }) => Option.getOrNull(credentialFile)
  },
  {
    name: "credential-chain-file",
    metavar: "file",
    description: "Credentials of the issuers between that of the credential and one of the trust bundle.",
    show: ({ credentialChainFile }) => Option.getOrNull(credentialChainFile)
  },
  {
    name: "trust-bundle-dir",
    metavar: "folder",
    description: "Folder of the public keys of issuers whose credentials and revocations count, <issuer>.pub.",
    show: ({ trustBundleDir }) => Option.getOrNull(trustBundleDir)
  },
  {
    name: "trust-domain",
    metavar: "name",
    description: "The domain that credentials must be of. Default: any.",
    show: ({ trustDomain }) => Option.getOrNull(trustDomain)
  },
  {
    name: "revocations-file",
    metavar: "file",
    description: "Keys that an issuer has revoked, one a line; nodes tell it each other, too.",
    show: ({ revocationsFile }) => Option.getOrNull(revocationsFile)
  },
  {
    name: "open-metrics",
    description: "Shows the metrics to who has no key, too.",
    show: ({ openMetrics }) => String(openMetrics)
  },
  {
    name: "allow-loopback-webhooks",
    description: "Sends webhooks to this machine itself, too, also by http: for a receiver beside the node.",
    show: ({ allowLoopbackWebhooks }) => String(allowLoopbackWebhooks)
  },
  {
    name: "rate-limit",
    metavar: "requests",
    description: "Requests of one key, or of one address where there are no keys, in a second, 0..1000000; more of " +
      "them are a 429. Who is refused is counted by its address. 0 for as many as there are. Peers are not counted.",
    show: ({ rateLimit }) => String(rateLimit)
  },
  {
    name: "concurrency-limit",
    metavar: "requests",
    description: "The same of those that are under way at the same time.",
    show: ({ concurrencyLimit }) => String(concurrencyLimit)
  },
  {
    name: "permissions-mode",
    metavar: "mode",
    description: "What the policies of namespaces do: enforce, advisory (only log) or off.",
    show: ({ permissionsMode }) => permissionsMode
  },
  {
    name: "secret-screen",
    metavar: "mode",
    description:
      "What is done with texts of clients that look like credentials: off (nothing), warn (in the answer) or " +
      "refuse.",
    show: ({ secretScreen }) => secretScreen
  },
  {
    name: "mcp-profile",
    metavar: "profile",
    description: "Tools that clients of the Model Context Protocol are shown: core (eight) or full.",
    show: ({ mcpProfile }) => mcpProfile
  },
  {
    name: "approvals-secret-file",
    metavar: "file",
    description: "File with the secret that signs decisions on pending actions; the variable " +
      "QUORATE_APPROVALS_SECRET holds the secret itself.",
    show: ({ approvalsSecret }) => Option.isSome(approvalsSecret) ? "<redacted>" : null
  },
  {
    name: "archive-on-gc",
    metavar: "true|false",
    description: "Archives memories that are forgotten or have expired; false deletes them.",
    show: ({ archiveOnGc }) => String(archiveOnGc)
  },
  ...lifetimes,
  {
    name: "embedder",
    metavar: "kind",
    description: "What recall understands meaning by: static, which is built in, minilm, openai, ollama or none.",
    show: ({ embedder }) => embedder
  },
  {
    name: "embedder-url",
    metavar: "url",
    description: "Base URL of the server of openai, or of ollama; that one's default is http://127.0.0.1:11434.",
    show: ({ embedderUrl }) => Option.getOrNull(embedderUrl)
  },
  {
    name: "embedder-model",
    metavar: "name",
    description: "What that server calls the model.",
    show: ({ embedderModel }) => Option.getOrNull(embedderModel)
  },
  {
    name: "embedder-key-file",
    metavar: "file",
    description:
      "File with the key that is sent to that server; the variable QUORATE_EMBEDDER_KEY holds the key itself.",
    show: ({ embedderKey }) => Option.isSome(embedderKey) ? "<redacted>" : null
  },
  {
    name: "embedder-dimensions",
    metavar: "count",
    description: "Numbers in a vector that are asked for, 1..8192. Default: as the model has them.",
    show: ({ embedderDimensions }) => Option.getOrNull(Option.map(embedderDimensions, String))
  },
  {
    name: "recall-weights",
    metavar: "weights",
    description:
      "How much meaning counts in a recall beside words, 0..1, and a time that fits and what was written beside, " +
      "0..2; those that are left out are as by default.",
    show: ({ recallWeights }) => showWeights(recallWeights)
  },
  {
    name: "namespace-language",
    metavar: "languages",
    description: "Languages of namespaces and of what is below them, such as team/nord=de,notes=fr. Default: guessed.",
    show: ({ namespaceLanguage }) =>
      namespaceLanguage.size === 0 ? null : Array.from(namespaceLanguage, (entry) => entry.join("=")).join(",")
  },
  {
    name: "check-rows-per-second",
    metavar: "rows",
    description: "How fast the standing check compares rows with the log, 0..10000; 0 never.",
    show: ({ checkRowsPerSecond }) => String(checkRowsPerSecond)
  },
  {
    name: "shutdown-grace-secs",
    metavar: "seconds",
    description: "Time for open requests to end at SIGTERM and SIGINT, 0..86400.",
    show: ({ shutdownGrace }) => String(Duration.toSeconds(shutdownGrace))
  },
  {
    name: "allowed-origins",
    metavar: "origins",
    description: "Origins of web pages that may write here and read answers, separated by commas; * is any.",
    show: ({ allowedOrigins }) => allowedOrigins.length === 0 ? null : allowedOrigins.join(",")
  },
  {
    name: "allowed-hosts",
    metavar: "hosts",
    description: "Names under which this node may be asked, separated by commas; * is any. " +
      "Default: any, or those of the loopback alone for a node that listens there.",
    show: ({ allowedHosts }) => allowedHosts.length === 0 ? null : allowedHosts.join(",")
  },
  {
    name: "insecure-bind",
    description: "Allows a --host that other machines can reach without an API key or client certificates.",
    show: ({ insecureBind }) => String(insecureBind)
  },
  {
    name: "log-level",
    metavar: "level",
    description: "all, trace, debug, info, warn, error, fatal or none.",
    show: ({ logLevel }) => logLevel === LogLevel.Warning ? "warn" : logLevel._tag.toLowerCase()
  },
  {
    name: "log-format",
    metavar: "format",
    description: "json or pretty. Default: pretty on a terminal, else json.",
    show: ({ logFormat }) => logFormat
  }
]

/** The variable of a flag: `quorum-peers` → `QUORATE_QUORUM_PEERS`. */
export const variableOf = (name: string): string => `QUORATE_${name.replaceAll("-", "_").toUpperCase()}`
