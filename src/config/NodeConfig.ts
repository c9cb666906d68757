import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ApiKey } from "../access/ApiKey.js"
import { type PublicKey, publicKeyOfText } from "../access/ed25519.js"
import * as keyDocument from "../access/keyDocument.js"
import { areAsked } from "../access/Keys.js"
import { isLanguage, type Language, languages } from "../domain/analysis/languages.js"
import type { NamespaceLanguages } from "../domain/analysis/namespaceLanguages.js"
import { NodeId } from "../domain/ids.js"
import { usual } from "../domain/Lifetimes.js"
import { MAX_DIMENSIONS } from "../domain/limits.js"
import { usual as usualWeights, type Weights } from "../domain/recall/rank.js"
import * as validate from "../domain/validate.js"
import type { StoreAddress } from "./storeAddress.js"
import * as storeAddress from "./storeAddress.js"

/** Everything an operator can set. The names are those of the flags: `quorumWrites` is `--quorum-writes`. */
export interface Settings {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Path of the SQLite file, or `:memory:`. */
  readonly db: string
  /** The database that has the log of a site, of which this is one daemon. Absent: a node by itself. */
  readonly store: Option.Option<StoreAddress>
  /** A standby of that database, which what only reads is asked of. Absent: the database itself. */
  readonly readStore: Option.Option<StoreAddress>
  /** W, the local commit included. Absent: a majority of all nodes. `0`: federation is off. */
  readonly quorumWrites: Option.Option<number>
  /** Base URLs as given, self not included. */
  readonly quorumPeers: ReadonlyArray<string>
  /** The one deadline of a quorum write. */
  readonly quorumTimeout: Duration.Duration
  readonly quorumClientCert: Option.Option<string>
  readonly quorumClientKey: Option.Option<string>
  readonly quorumCaCert: Option.Option<string>
  readonly tlsCert: Option.Option<string>
  readonly tlsKey: Option.Option<string>
  readonly mtlsAllowlist: Option.Option<string>
  /** Certificates of whoever issues those of nodes: a node is known by the one that it shows. */
  readonly mtlsClientCa: Option.Option<string>
  /** Of whom certificates are asked: of all that connect, or of nodes. */
  readonly mtlsScope: "all" | "peers"
  /** Where other nodes reach this one, if that is another place; and what it shows there, where that is something else. */
  readonly peerListen: Option.Option<{ readonly host: string; readonly port: number }>
  readonly peerTlsCert: Option.Option<string>
  readonly peerTlsKey: Option.Option<string>
  readonly peerMtlsAllowlist: Option.Option<string>
  /** Zero disables the periodic part of catch-up. */
  readonly catchupInterval: Duration.Duration
  /** Absent: minted once and kept in the database. */
  readonly nodeId: Option.Option<NodeId>
  /** One key, which opens everything. */
  readonly apiKey: Option.Option<Redacted.Redacted>
  /** Keys that open one thing each, as they were at the start; absent where there is no list of them. */
  readonly apiKeys: Option.Option<ReadonlyArray<ApiKey>>
  /** The file that has them, which may change. */
  readonly apiKeysFile: Option.Option<string>
  /** What this node shows to its peers. Absent: the one key that opens everything. */
  readonly peerApiKey: Option.Option<Redacted.Redacted>
  /** The folder of the keys by which nodes sign what they say to each other; without one nothing is signed. */
  readonly keyDir: Option.Option<string>
  /** Of whom signatures are required: of nodes whose key is in that folder, of all, or of nobody. */
  readonly requireSignatures: "off" | "enrolled" | "all"
  /** A signed message has a nonce. */
  readonly requireNonces: boolean
  /** Nodes whose questions need no signature though their key is there. */
  readonly unsignedPull: ReadonlyArray<string>
  /** The key by which the operator signs rules. Absent: rules need no signature. */
  readonly operatorKey: Option.Option<PublicKey>
  /** What each peer may do: a JSON object, or else the file that has it, which may change. Absent: all may do everything. */
  readonly peerAttestation: Option.Option<string>
  /** The sender that a push names need not be the peer that sends it, nor one that it may speak for. */
  readonly trustBodyAgentId: boolean
  /** Peers that stand in no row of the list may ask for everything. */
  readonly trustUnlistedPulls: boolean
  /** What this node shows of its key: the word of an issuer, and those of who made that one an issuer. */
  readonly credentialFile: Option.Option<string>
  readonly credentialChainFile: Option.Option<string>
  /** The folder of the keys of issuers whose word on keys of nodes counts, and the domain that it is about. */
  readonly trustBundleDir: Option.Option<string>
  readonly trustDomain: Option.Option<string>
  /** The file of keys that issuers have revoked. */
  readonly revocationsFile: Option.Option<string>
  /** The folder of a node: what is in it is what is not set otherwise. */
  readonly identityDir: Option.Option<string>
  /** Metrics are shown to who has no key. */
  readonly openMetrics: boolean
  /** Webhooks may be sent to this machine itself, also without TLS. */
  readonly allowLoopbackWebhooks: boolean
  /** Requests of one caller in a second, and at the same time; 0: as many as there are. */
  readonly rateLimit: number
  readonly concurrencyLimit: number
  /** What is done with the policies of namespaces. */
  readonly permissionsMode: PermissionsMode
  /** What is done with texts of clients that look like credentials: nothing, a warning in the answer, or a refusal. */
  readonly secretScreen: SecretScreenMode
  /** The tools that clients of the Model Context Protocol are shown who do not say which: those of every day, or all. */
  readonly mcpProfile: McpProfile
  /** With what decisions sent to `/api/v1/approvals` are signed. Without it none is taken. */
  readonly approvalsSecret: Option.Option<Redacted.Redacted>
  /** Memories that are forgotten or have expired are archived; otherwise they are deleted. */
  readonly archiveOnGc: boolean
  /** How long a memory of the tier lives that says nothing of it; zero: for ever. The same on all nodes. */
  readonly shortTtl: Duration.Duration
  readonly midTtl: Duration.Duration
  readonly longTtl: Duration.Duration
  /** How long it lives from a recall on, at least; zero: no longer than before. */
  readonly shortExtend: Duration.Duration
  readonly midExtend: Duration.Duration
  /** What makes vectors of memories and questions. */
  readonly embedder: EmbedderKind
  /** Base URL of the server that is asked for vectors, and what it calls the model. */
  readonly embedderUrl: Option.Option<string>
  readonly embedderModel: Option.Option<string>
  readonly embedderKey: Option.Option<Redacted.Redacted>
  /** Numbers in a vector, asked for of the model. Absent: those that it has by itself. */
  readonly embedderDimensions: Option.Option<number>
  /** How much each part of a score counts in a recall. */
  readonly recallWeights: Weights
  /** The languages of namespaces, where they are not to be guessed. */
  readonly namespaceLanguage: NamespaceLanguages
  /** Rows that the standing check goes through in a second; 0 turns it off. */
  readonly checkRowsPerSecond: number
  /** Drain time of open requests and links on SIGTERM and SIGINT. */
  readonly shutdownGrace: Duration.Duration
  /** Origins of pages that may write here and read what is answered, such as `https://app.example`; `*` is any. */
  readonly allowedOrigins: ReadonlyArray<string>
  /**
   * Names under which this node may be asked, in lower case and without a port; `*` is any. Where there are none: those of the
   * loopback alone for a node that listens there, any for every other.
   */
  readonly allowedHosts: ReadonlyArray<string>
  /** Allows a bind that others can reach without an API key or mTLS. */
  readonly insecureBind: boolean
  readonly logLevel: LogLevel.LogLevel
  readonly logFormat: "json" | "pretty"
}

/** Policies hold, or only the log says what they would have done, or nobody looks at them. */
export type McpProfile = "core" | "full"
export type SecretScreenMode = "off" | "warn" | "refuse"

export type PermissionsMode = "enforce" | "advisory" | "off"

/**
 * `static` is built in, `minilm` runs in a thread where its packages are installed, `openai` and `ollama` ask a server, `none`
 * finds memories by their words alone.
 */
export type EmbedderKind = (typeof EMBEDDERS)[number]
const EMBEDDERS = ["static", "minilm", "openai", "ollama", "none"] as const

export class NodeConfig extends Context.Tag("quorate/config/NodeConfig")<NodeConfig, Settings>() {}

/** What holds where nothing is said. */
export const defaults: Settings = {
  host: "127.0.0.1",
  port: 9077,
  db: "quorate.db",
  store: Option.none(),
  readStore: Option.none(),
  quorumWrites: Option.none(),
  quorumPeers: [],
  quorumTimeout: Duration.millis(2000),
  quorumClientCert: Option.none(),
  quorumClientKey: Option.none(),
  quorumCaCert: Option.none(),
  tlsCert: Option.none(),
  tlsKey: Option.none(),
  mtlsAllowlist: Option.none(),
  mtlsClientCa: Option.none(),
  mtlsScope: "all",
  peerListen: Option.none(),
  peerTlsCert: Option.none(),
  peerTlsKey: Option.none(),
  peerMtlsAllowlist: Option.none(),
  catchupInterval: Duration.seconds(30),
  nodeId: Option.none(),
  apiKey: Option.none(),
  apiKeys: Option.none(),
  apiKeysFile: Option.none(),
  peerApiKey: Option.none(),
  keyDir: Option.none(),
  requireSignatures: "enrolled",
  requireNonces: true,
  unsignedPull: [],
  operatorKey: Option.none(),
  peerAttestation: Option.none(),
  trustBodyAgentId: false,
  trustUnlistedPulls: false,
  credentialFile: Option.none(),
  credentialChainFile: Option.none(),
  trustBundleDir: Option.none(),
  trustDomain: Option.none(),
  revocationsFile: Option.none(),
  identityDir: Option.none(),
  openMetrics: false,
  allowLoopbackWebhooks: false,
  rateLimit: 0,
  concurrencyLimit: 0,
  permissionsMode: "enforce",
  secretScreen: "warn",
  mcpProfile: "core",
  approvalsSecret: Option.none(),
  archiveOnGc: true,
  shortTtl: usual.created.short,
  midTtl: usual.created.mid,
  longTtl: usual.created.long,
  shortExtend: usual.recalled.short,
  midExtend: usual.recalled.mid,
  embedder: "static",
  embedderUrl: Option.none(),
  embedderModel: Option.none(),
  embedderKey: Option.none(),
  embedderDimensions: Option.none(),
  recallWeights: usualWeights,
  namespaceLanguage: new Map(),
  checkRowsPerSecond: 50,
  shutdownGrace: Duration.seconds(30),
  allowedOrigins: [],
  allowedHosts: [],
  insecureBind: false,
  logLevel: LogLevel.Info,
  logFormat: "json"
}

/** As they are given. */
export const showWeights = ({ context, semantic, time }: Weights): string =>
  `semantic=${semantic},time=${time},context=${context}`

/** For embedders and tests: the defaults, with some of them replaced. */
export const layerWith = (settings: Partial<Settings> = {}): Layer.Layer<NodeConfig> =>
  Layer.succeed(NodeConfig, { ...defaults, ...settings })

/**
 * Reads the settings, under the names of their flags, from the current `ConfigProvider`. `ConfigSources` makes one of flags,
 * environment and file. Fails with every value that is malformed, and with combinations that make no sense.
 */
export const read: Effect.Effect<Settings, ConfigError.ConfigError> = Effect.suspend(() => settings)

export const layer: Layer.Layer<NodeConfig, ConfigError.ConfigError> = Layer.effect(NodeConfig, read)

/** Peers at most: each has a link, a queue and labels of its own. */
const MAX_PEERS = 63
const PLACE = /^(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})$/
const NODE_ID = /^[A-Za-z0-9_:@./-]{1,128}$/
/** A day: longer is a mistake in the unit. */
const MAX_SECONDS = 86_400
/** Ten years, as with the original. */
export const MAX_LIFETIME_SECONDS = 315_360_000
const MAX_QUORUM_TIMEOUT_MILLIS = 600_000
/** More than the check gets through beside anything else. */
const MAX_CHECKED_ROWS = 10_000
const MAX_SECRET_CHARS = 1024
/** More than a node answers. */
const MAX_RATE = 1_000_000
const MAX_MODEL_CHARS = 200
const MAX_DOMAIN_CHARS = 255
/** Origins, and names of this node, at most. */
const MAX_LISTED = 64

const LOG_LEVELS = new Map([
  ["all", LogLevel.All],
  ["trace", LogLevel.Trace],
  ["debug", LogLevel.Debug],
  ["info", LogLevel.Info],
  ["warn", LogLevel.Warning],
  ["warning", LogLevel.Warning],
  ["error", LogLevel.Error],
  ["fatal", LogLevel.Fatal],
  ["none", LogLevel.None]
])

/** A value from its text; the problem says what was expected, and never repeats a secret. */
const parsed = <A>(name: string, expected: string, parse: (text: string) => A | undefined): Config.Config<A> =>
  Config.mapOrFail(Config.string(name), (text) => {
    const value = parse(text)
    return value === undefined ? problem(`expected ${expected}, got ${JSON.stringify(text)}`) : Either.right(value)
  })

const problem = (message: string) => Either.left(ConfigError.InvalidData([], message))

const integer = (name: string, bounds: { readonly least: number; readonly most: number }) =>
  parsed(name, `a whole number ${bounds.least}..${bounds.most}`, (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= bounds.least && value <= bounds.most ? value : undefined
  })

const boolean = (name: string) =>
  parsed(name, "true or false", (text) => text === "true" ? true : text === "false" ? false : undefined)

const seconds = (name: string) => Config.map(integer(name, { least: 0, most: MAX_SECONDS }), Duration.seconds)

/** Of a tier. */
const lifetime = (name: string) => Config.map(integer(name, { least: 0, most: MAX_LIFETIME_SECONDS }), Duration.seconds)

const path = (name: string) =>
  parsed(name, "a path", (text) => text.trim() === "" || text.includes("\0") ? undefined : text)

/** Of a server. It is shown and logged, so that no secret may stand in it; and is not repeated where one might. */
const baseUrl = (name: string) =>
  Config.mapOrFail(Config.string(name), (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    return url !== undefined && /^https?:$/.test(url.protocol) &&
        url.username + url.password + url.search + url.hash === ""
      ? Either.right(text)
      : problem("expected an http or https URL without a user, a query or a fragment")
  })

const peers = Config.mapOrFail(Config.string("quorum-peers"), (text) => {
  const urls = text.trim() === "" ? [] : text.split(",").map((url) => url.trim())
  if (urls.includes("")) {
    return problem(`expected base URLs separated by commas, got an empty one in ${JSON.stringify(text)}`)
  }
  return urls.length > MAX_PEERS
    ? problem(`expected at most ${MAX_PEERS} peers, got ${urls.length}`)
    : Either.right(urls)
})

/** Things separated by commas, in lower case; each must be of the form. */
const listed = (name: string, expected: string, form: RegExp) =>
  parsed(name, `${expected}, separated by commas`, (text) => {
    const items = text.trim() === "" ? [] : text.toLowerCase().split(",").map((item) => item.trim())
    return items.length <= MAX_LISTED && items.every((item) => item === "*" || form.test(item)) ? items : undefined
  })

/** Of `name=value`, separated by commas, each name once. The reader of one tells what is wrong with it. */
const named = <A>(
  name: string,
  example: string,
  read: (name: string, value: string) => Either.Either<A, string>
): Config.Config<ReadonlyMap<string, A>> =>
  Config.mapOrFail(Config.string(name), (text) => {
    const items = text.trim() === "" ? [] : text.split(",").map((item) => item.trim())
    if (items.length > MAX_LISTED) return problem(`expected at most ${MAX_LISTED} of them, got ${items.length}`)
    const values = new Map<string, A>()
    for (const item of items) {
      const at = item.lastIndexOf("=")
      const own = item.slice(0, Math.max(0, at)).trim()
      if (at < 0) return problem(`expected such as ${example}, got ${JSON.stringify(item)}`)
      if (values.has(own)) return problem(`expected each once, got ${own} twice`)
      const value = read(own, item.slice(at + 1).trim())
      if (Either.isLeft(value)) return problem(value.left)
      values.set(own, value.right)
    }
    return Either.right(values)
  })

/** Above them a part leaves nothing of the others; meaning is a share. */
const MOST_WEIGHT = { semantic: 1, time: 2, context: 2 }
const isWeight = (name: string): name is keyof Weights => Object.hasOwn(MOST_WEIGHT, name)

const weights = named("recall-weights", showWeights(usualWeights), (name, value) => {
  if (!isWeight(name)) return Either.left(`expected semantic, time or context, got ${JSON.stringify(name)}`)
  const most = MOST_WEIGHT[name]
  return /^[0-9]{1,3}(?:\.[0-9]{1,6})?$/.test(value) && Number(value) <= most
    ? Either.right(Number(value))
    : Either.left(`expected ${name} from 0 to ${most}, got ${JSON.stringify(value)}`)
}).pipe(Config.map((given): Weights => ({ ...usualWeights, ...Object.fromEntries(given) })))

const namespaceLanguage = named(
  "namespace-language",
  "team/nord=de",
  (name, value): Either.Either<Language, string> => {
    const namespace = validate.namespace(name)
    if (Either.isLeft(namespace)) {
      return Either.left(
        `expected a namespace, got ${JSON.stringify(name)}: it ${namespace.left.message}`
      )
    }
    return isLanguage(value)
      ? Either.right(value)
      : Either.left(`expected a language of ${languages.join(", ")}, got ${JSON.stringify(value)} for ${name}`)
  }
)

/** An API key is sent as a header, so only what a header can carry; the other secrets are alike. */
const secret = (name: string) =>
  Config.mapOrFail(
    Config.string(name),
    (text) =>
      /^[\x21-\x7e]+$/.test(text) && text.length <= MAX_SECRET_CHARS
        ? Either.right(Redacted.make(text))
        : problem(`expected 1..${MAX_SECRET_CHARS} printable ASCII characters without spaces`)
  )

/** It is not repeated where it is wrong: a password may stand in it. */
const database = (name: string) =>
  Config.option(
    Config.mapOrFail(
      Config.string(name),
      (text) => Either.mapLeft(storeAddress.parse(text), (wrong) => ConfigError.InvalidData([], wrong))
    )
  )

const all = Config.all({
  host: parsed("host", "a host name or an address", (text) => /^[A-Za-z0-9_.:%-]+$/.test(text) ? text : undefined).pipe(
    Config.withDefault(defaults.host)
  ),
  port: integer("port", { least: 0, most: 65_535 }).pipe(Config.withDefault(defaults.port)),
  db: path("db").pipe(Config.withDefault(defaults.db)),
  store: database("store"),
  readStore: database("read-store"),
  quorumWrites: Config.option(integer("quorum-writes", { least: 0, most: 1_000 })),
  quorumPeers: peers.pipe(Config.withDefault(defaults.quorumPeers)),
  quorumTimeout: integer("quorum-timeout-ms", { least: 1, most: MAX_QUORUM_TIMEOUT_MILLIS }).pipe(
    Config.map(Duration.millis),
    Config.withDefault(defaults.quorumTimeout)
  ),
  quorumClientCert: Config.option(path("quorum-client-cert")),
  quorumClientKey: Config.option(path("quorum-client-key")),
  quorumCaCert: Config.option(path("quorum-ca-cert")),
  tlsCert: Config.option(path("tls-cert")),
  tlsKey: Config.option(path("tls-key")),
  mtlsAllowlist: Config.option(path("mtls-allowlist")),
  mtlsClientCa: Config.option(path("mtls-client-ca")),
  mtlsScope: parsed("mtls-scope", "all or peers", (text) => text === "all" || text === "peers" ? text : undefined).pipe(
    Config.withDefault(defaults.mtlsScope)
  ),
  peerListen: Config.option(parsed("peer-listen", "host:port, such as 10.0.0.1:9078 or [::1]:9078", (text) => {
    const [, bracketed, host = bracketed, port] = PLACE.exec(text) ?? []
    return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) }
  })),
  peerTlsCert: Config.option(path("peer-tls-cert")),
  peerTlsKey: Config.option(path("peer-tls-key")),
  peerMtlsAllowlist: Config.option(path("peer-mtls-allowlist")),
  catchupInterval: seconds("catchup-interval-secs").pipe(Config.withDefault(defaults.catchupInterval)),
  nodeId: Config.option(
    parsed(
      "node-id",
      "1..128 of the characters A-Z a-z 0-9 _ : @ . / -",
      (text) => NODE_ID.test(text) ? NodeId.make(text) : undefined
    )
  ),
  apiKey: Config.option(secret("api-key")),
  apiKeys: Config.option(
    Config.mapOrFail(
      Config.string("api-keys"),
      (text) =>
        Either.mapLeft(keyDocument.parse(text), (wrong) => ConfigError.InvalidData([], `no list of API keys: ${wrong}`))
    )
  ),
  // Empty where the keys themselves were given.
  apiKeysFile: Config.string("api-keys-file").pipe(
    Config.withDefault(""),
    Config.map(Option.liftPredicate((file) => file !== ""))
  ),
  peerApiKey: Config.option(secret("peer-api-key")),
  keyDir: Config.option(path("key-dir")),
  requireSignatures: parsed(
    "require-signatures",
    "off, enrolled or all",
    (text) => text === "off" || text === "enrolled" || text === "all" ? text : undefined
  ).pipe(Config.withDefault(defaults.requireSignatures)),
  requireNonces: boolean("require-nonces").pipe(Config.withDefault(defaults.requireNonces)),
  unsignedPull: parsed("unsigned-pull", `at most ${MAX_PEERS} ids of nodes, separated by commas`, (text) => {
    const ids = text.trim() === "" ? [] : text.split(",").map((id) => id.trim())
    return ids.length <= MAX_PEERS && ids.every((id) => NODE_ID.test(id)) ? ids : undefined
  }).pipe(Config.withDefault(defaults.unsignedPull)),
  operatorKey: Config.option(
    Config.mapOrFail(Config.string("operator-pubkey"), (text) =>
      Option.match(publicKeyOfText(text), {
        onNone: () => problem("expected a public key of Ed25519: 32 bytes in base64"),
        onSome: Either.right
      }))
  ),
  // What can not be read refuses every peer, and stops no start: the node still serves its clients.
  peerAttestation: Config.option(Config.string("peer-attestation")),
  trustBodyAgentId: boolean("trust-body-agent-id").pipe(Config.withDefault(defaults.trustBodyAgentId)),
  trustUnlistedPulls: boolean("trust-unlisted-pulls").pipe(Config.withDefault(defaults.trustUnlistedPulls)),
  credentialFile: Config.option(path("credential-file")),
  credentialChainFile: Config.option(path("credential-chain-file")),
  trustBundleDir: Config.option(path("trust-bundle-dir")),
  trustDomain: Config.option(
    parsed(
      "trust-domain",
      `1..${MAX_DOMAIN_CHARS} printable ASCII characters without spaces`,
      (text) => /^[\x21-\x7e]+$/.test(text) && text.length <= MAX_DOMAIN_CHARS ? text : undefined
    )
  ),
  revocationsFile: Config.option(path("revocations-file")),
  identityDir: Config.option(path("identity-dir")),
  openMetrics: boolean("open-metrics").pipe(Config.withDefault(defaults.openMetrics)),
  allowLoopbackWebhooks: boolean("allow-loopback-webhooks").pipe(Config.withDefault(defaults.allowLoopbackWebhooks)),
  rateLimit: integer("rate-limit", { least: 0, most: MAX_RATE }).pipe(Config.withDefault(defaults.rateLimit)),
  concurrencyLimit: integer("concurrency-limit", { least: 0, most: MAX_RATE }).pipe(
    Config.withDefault(defaults.concurrencyLimit)
  ),
  permissionsMode: parsed(
    "permissions-mode",
    "enforce, advisory or off",
    (text) => text === "enforce" || text === "advisory" || text === "off" ? text : undefined
  ).pipe(Config.withDefault(defaults.permissionsMode)),
  secretScreen: parsed(
    "secret-screen",
    "off, warn or refuse",
    (text) => text === "off" || text === "warn" || text === "refuse" ? text : undefined
  ).pipe(Config.withDefault(defaults.secretScreen)),
  mcpProfile: parsed("mcp-profile", "core or full", (text) => text === "core" || text === "full" ? text : undefined)
    .pipe(
      Config.withDefault(defaults.mcpProfile)
    ),
  approvalsSecret: Config.option(secret("approvals-secret")),
  archiveOnGc: boolean("archive-on-gc").pipe(Config.withDefault(defaults.archiveOnGc)),
  shortTtl: lifetime("short-ttl-secs").pipe(Config.withDefault(defaults.shortTtl)),
  midTtl: lifetime("mid-ttl-secs").pipe(Config.withDefault(defaults.midTtl)),
  longTtl: lifetime("long-ttl-secs").pipe(Config.withDefault(defaults.longTtl)),
  shortExtend: lifetime("short-extend-secs").pipe(Config.withDefault(defaults.shortExtend)),
  midExtend: lifetime("mid-extend-secs").pipe(Config.withDefault(defaults.midExtend)),
  embedder: parsed(
    "embedder",
    `one of ${EMBEDDERS.join(", ")}`,
    (text) => EMBEDDERS.find((kind) => kind === text)
  ).pipe(Config.withDefault(defaults.embedder)),
  embedderUrl: Config.option(baseUrl("embedder-url")),
  embedderModel: Config.option(
    parsed(
      "embedder-model",
      `1..${MAX_MODEL_CHARS} printable ASCII characters without spaces`,
      (text) => /^[\x21-\x7e]+$/.test(text) && text.length <= MAX_MODEL_CHARS ? text : undefined
    )
  ),
  embedderKey: Config.option(secret("embedder-key")),
  embedderDimensions: Config.option(integer("embedder-dimensions", { least: 1, most: MAX_DIMENSIONS })),
  recallWeights: weights.pipe(Config.withDefault(defaults.recallWeights)),
  namespaceLanguage: namespaceLanguage.pipe(Config.withDefault(defaults.namespaceLanguage)),
  checkRowsPerSecond: integer("check-rows-per-second", { least: 0, most: MAX_CHECKED_ROWS }).pipe(
    Config.withDefault(defaults.checkRowsPerSecond)
  ),
  shutdownGrace: seconds("shutdown-grace-secs").pipe(Config.withDefault(defaults.shutdownGrace)),
  allowedOrigins: listed(
    "allowed-origins",
    "origins such as https://app.example:8443, or *",
    /^https?:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/
  ).pipe(Config.withDefault(defaults.allowedOrigins)),
  allowedHosts: listed("allowed-hosts", "host names or addresses without a port, or *", /^[a-z0-9_.:-]+$/).pipe(
    Config.withDefault(defaults.allowedHosts)
  ),
  insecureBind: boolean("insecure-bind").pipe(Config.withDefault(defaults.insecureBind)),
  logLevel: parsed(
    "log-level",
    "one of all, trace, debug, info, warn, error, fatal, none",
    (text) => LOG_LEVELS.get(text)
  ).pipe(
    Config.withDefault(defaults.logLevel)
  ),
  logFormat: parsed("log-format", "json or pretty", (text) => text === "json" || text === "pretty" ? text : undefined)
    .pipe(
      Config.withDefault(defaults.logFormat)
    )
})

const settings: Config.Config<Settings> = Config.mapOrFail(all, (value) => {
  const found = contradiction(value)
  return found === undefined ? Either.right(value) : problem(found)
})

/** What no single value can be blamed for. */
const contradiction = (settings: Settings): string | undefined => {
  const alone = [
    halfOf("tls-cert", settings.tlsCert, "tls-key", settings.tlsKey),
    halfOf("quorum-client-cert", settings.quorumClientCert, "quorum-client-key", settings.quorumClientKey),
    halfOf("peer-tls-cert", settings.peerTlsCert, "peer-tls-key", settings.peerTlsKey)
  ].find((half) => half !== undefined)
  if (alone !== undefined) return alone
  const embedder = contradictionOfEmbedder(settings)
  if (embedder !== undefined) return embedder
  const hasTls = Option.isSome(settings.tlsCert)
  if (Option.isSome(settings.mtlsAllowlist) && !hasTls) {
    return "mtls-allowlist is given without tls-cert and tls-key: client certificates need TLS"
  }
  if (Option.isSome(settings.mtlsClientCa) && !hasTls && Option.isNone(settings.peerTlsCert)) {
    return "mtls-client-ca is given without tls-cert and tls-key: client certificates need TLS"
  }
  const peers = contradictionOfPeers(settings)
  if (peers !== undefined) return peers
  const guarded = areAsked(settings) || (settings.mtlsScope === "all" && asksForCertificates(settings))
  return guarded || settings.insecureBind || isLoopback(settings.host)
    ? undefined
    : unguarded(`host ${settings.host}`)
}

/** What other nodes could reach that nobody guards. */
const unguarded = (what: string) =>
  `${what} can be reached from outside this machine without a key: give an API key ` +
  "(--api-key-file, QUORATE_API_KEY or --api-keys-file), --mtls-allowlist or --mtls-client-ca, or allow it with --insecure-bind"

/** The same of the place where nodes come: what is set for that is of no use without it. */
const contradictionOfPeers = (settings: Settings): string | undefined => {
  const { insecureBind, peerListen, peerMtlsAllowlist, peerTlsCert, tlsCert } = settings
  const hasTls = Option.isSome(peerTlsCert) || Option.isSome(tlsCert)
  if (Option.isNone(peerListen)) {
    return Option.isSome(peerTlsCert) || Option.isSome(peerMtlsAllowlist)
      ? "peer-tls-cert or peer-mtls-allowlist is given without peer-listen: there is no listener of nodes"
      : undefined
  }
  if (Option.isSome(peerMtlsAllowlist) && !hasTls) {
    return "peer-mtls-allowlist is given without peer-tls-cert and peer-tls-key: client certificates need TLS"
  }
  const { host, port } = peerListen.value
  if (port !== 0 && port === settings.port && host === settings.host) {
    return `peer-listen ${host}:${port} is where clients come: give another port, or leave it out`
  }
  const guarded = areAsked(settings) || Option.isSome(peerMtlsAllowlist) || asksForCertificates(settings)
  return guarded || insecureBind || isLoopback(host) ? undefined : unguarded(`peer-listen ${host}`)
}

/** Whether who connects has to show a certificate. */
const asksForCertificates = ({ mtlsAllowlist, mtlsClientCa, tlsCert, peerTlsCert }: Settings): boolean =>
  Option.isSome(mtlsAllowlist) ||
  (Option.isSome(mtlsClientCa) && (Option.isSome(tlsCert) || Option.isSome(peerTlsCert)))

/** Only a server is told a model, and asked as somebody. */
const contradictionOfEmbedder = (
  { embedder, embedderDimensions, embedderKey, embedderModel, embedderUrl }: Settings
): string | undefined => {
  const given = [
    ...Option.isSome(embedderUrl) ? ["embedder-url"] : [],
    ...Option.isSome(embedderModel) ? ["embedder-model"] : [],
    ...Option.isSome(embedderKey) ? ["embedder-key"] : [],
    ...Option.isSome(embedderDimensions) ? ["embedder-dimensions"] : []
  ]
  if (embedder !== "openai" && embedder !== "ollama") {
    return given.length === 0
      ? undefined
      : `${
        given.join(", ")
      } given with embedder ${embedder}, which asks no server: give --embedder openai or ollama, or leave it out`
  }
  const needed = embedder === "openai" ? ["embedder-url", "embedder-model"] : ["embedder-model"]
  const missing = needed.filter((name) => !given.includes(name))
  return missing.length === 0 ? undefined : `embedder ${embedder} is given without ${missing.join(" and ")}`
}

const halfOf = (left: string, a: Option.Option<string>, right: string, b: Option.Option<string>) =>
  Option.isSome(a) === Option.isSome(b)
    ? undefined
    : Option.isSome(a)
    ? `${left} is given without ${right}: both are needed`
    : `${right} is given without ${left}: both are needed`

/** Whether only this machine reaches it. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.[0-9]{1,3}){3}$/.test(host)
