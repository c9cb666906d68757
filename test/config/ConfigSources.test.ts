import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ConfigSources from "../../src/config/ConfigSources.js"
import { knobs, variableOf } from "../../src/config/knobs.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"

interface Given {
  readonly flags?: Record<string, string>
  readonly environment?: Record<string, string>
  /** Content of quorate.toml in the working directory. */
  readonly file?: string
  /** Other files there, by name. */
  readonly files?: Record<string, string>
  readonly isTerminal?: boolean
}

const directoryWith = (files: Record<string, string>) =>
  Effect.gen(function*() {
    const fileSystem = yield* FileSystem.FileSystem
    const directory = yield* fileSystem.makeTempDirectoryScoped()
    for (const [name, content] of Object.entries(files)) {
      const file = `${directory}/${name}`
      yield* fileSystem.makeDirectory(file.slice(0, file.lastIndexOf("/")), { recursive: true })
      yield* fileSystem.writeFileString(file, content)
      yield* fileSystem.chmod(file, 0o600)
    }
    return directory
  })

/** Reads a configuration in an empty directory of its own; `@` in a flag or variable stands for that directory. */
const read = (given: Given) =>
  Effect.gen(function*() {
    const directory = yield* Effect.orDie(directoryWith({
      ...given.files,
      ...(given.file === undefined ? {} : { "quorate.toml": given.file })
    }))
    const placed = (values: Record<string, string>) =>
      Object.entries(values).map(([name, value]) => [name, value.replace(/^@/, directory)] as const)
    return yield* ConfigSources.read({
      flags: new Map(placed(given.flags ?? {})),
      environment: Object.fromEntries(placed(given.environment ?? {})),
      workingDirectory: directory,
      isTerminal: given.isTerminal ?? false
    }).pipe(
      Effect.mapError((error) => error.message.replaceAll(directory, "@")),
      Effect.map((effective) => ({
        ...effective,
        sourceOf: (name: string) => effective.sourceOf(name).replaceAll(directory, "@"),
        warnings: effective.warnings.map((warning) => warning.replaceAll(directory, "@"))
      }))
    )
  })

const test = (name: string, body: Effect.Effect<void, unknown, NodeContext.NodeContext | Scope.Scope>) =>
  it.scoped(name, () => Effect.provide(body, NodeContext.layer))

const refusal = (given: Given) => Effect.flip(read(given))

describe("precedence", () => {
  test(
    "nothing said: the defaults, of which each names itself",
    Effect.gen(function*() {
      const { settings, sourceOf, warnings } = yield* read({})
      assert.deepStrictEqual(settings, NodeConfig.defaults)
      for (const { name } of knobs) assert.strictEqual(sourceOf(name), "default")
      assert.deepStrictEqual(warnings, [])
    })
  )

  test(
    "flag over environment over file over default",
    Effect.gen(function*() {
      const file = "port = 1\ndb = \"file.db\"\nnode-id = \"file\"\n"
      const environment = { QUORATE_PORT: "2", QUORATE_DB: "environment.db" }
      const { settings, sourceOf } = yield* read({ file, environment, flags: { port: "3" } })
      assert.strictEqual(settings.port, 3)
      assert.strictEqual(sourceOf("port"), "flag --port")
      assert.strictEqual(settings.db, "environment.db")
      assert.strictEqual(sourceOf("db"), "environment QUORATE_DB")
      assert.deepStrictEqual(settings.nodeId, Option.some("file"))
      assert.strictEqual(sourceOf("node-id"), "file @/quorate.toml key node-id")
      assert.strictEqual(settings.host, "127.0.0.1")
      assert.strictEqual(sourceOf("host"), "default")
    })
  )

  it.scoped.prop(
    "each setting comes from the first source that has it",
    { given: FastCheck.subarray(["flag", "environment", "file"] as const) },
    ({ given }) =>
      Effect.gen(function*() {
        const { settings } = yield* read({
          ...(given.includes("flag") ? { flags: { port: "1" } } : {}),
          ...(given.includes("environment") ? { environment: { QUORATE_PORT: "2" } } : {}),
          ...(given.includes("file") ? { file: "port = 3" } : {})
        })
        const expected = given.includes("flag")
          ? 1
          : given.includes("environment")
          ? 2
          : given.includes("file")
          ? 3
          : 9077
        assert.strictEqual(settings.port, expected)
      }).pipe(Effect.provide(NodeContext.layer)),
    { fastCheck: { numRuns: 16 } }
  )

  test(
    "a malformed value is an error even where a worse source has a good one",
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal({ file: "port = 1", environment: { QUORATE_PORT: "tcp://10.0.0.1:9077" } }),
        "environment QUORATE_PORT: expected a whole number 0..65535, got \"tcp://10.0.0.1:9077\""
      )
    })
  )

  test(
    "a good flag hides a malformed variable",
    Effect.gen(function*() {
      const { settings } = yield* read({ environment: { QUORATE_PORT: "x" }, flags: { port: "7" } })
      assert.strictEqual(settings.port, 7)
    })
  )
})

describe("values", () => {
  test(
    "every setting can be given in the environment",
    Effect.gen(function*() {
      const values: Record<string, string> = {
        "host": "localhost",
        "port": "0",
        "db": ":memory:",
        "store": "postgres://me@a,b:5433/memory?sslmode=require",
        "read-store": "postgres://me@c/memory",
        "quorum-writes": "2",
        "quorum-peers": "http://b:9077, https://c:9077/x",
        "quorum-timeout-ms": "600000",
        "quorum-client-cert": "a.pem",
        "quorum-client-key": "b.pem",
        "quorum-ca-cert": "c.pem",
        "tls-cert": "d.pem",
        "tls-key": "e.pem",
        "mtls-allowlist": "f.txt",
        "mtls-client-ca": "j.pem",
        "mtls-scope": "peers",
        "peer-listen": "[::1]:9078",
        "peer-tls-cert": "g.pem",
        "peer-tls-key": "h.pem",
        "peer-mtls-allowlist": "i.txt",
        "catchup-interval-secs": "0",
        "node-id": "ai:node-1@host/x",
        "api-key-file": "@/key",
        "api-keys-file": "@/keys",
        "peer-api-key-file": "@/peer",
        "open-metrics": "true",
        "allow-loopback-webhooks": "true",
        "identity-dir": "@",
        "credential-file": "k",
        "credential-chain-file": "l",
        "trust-bundle-dir": "m",
        "trust-domain": "fleet.example",
        "revocations-file": "n",
        "key-dir": "keys",
        "require-signatures": "all",
        "require-nonces": "false",
        "unsigned-pull": "host:a, host:b",
        "operator-pubkey-file": "@/operator",
        "peer-attestation": "peers.json",
        "trust-body-agent-id": "true",
        "trust-unlisted-pulls": "true",
        "rate-limit": "1000000",
        "concurrency-limit": "0",
        "archive-on-gc": "false",
        "short-ttl-secs": "1",
        "mid-ttl-secs": "0",
        "long-ttl-secs": "315360000",
        "short-extend-secs": "60",
        "mid-extend-secs": "0",
        "permissions-mode": "advisory",
        "secret-screen": "refuse",
        "mcp-profile": "full",
        "approvals-secret-file": "@/secret",
        embedder: "openai",
        "embedder-url": "https://models.example/v1",
        "embedder-model": "BAAI/bge-m3:latest",
        "embedder-key-file": "@/embedder",
        "embedder-dimensions": "8192",
        "recall-weights": "context=2, semantic=0.25",
        "namespace-language": "team/nord=de, notes=fr,a=b=ja",
        "check-rows-per-second": "10000",
        "shutdown-grace-secs": "86400",
        "allowed-origins": "https://App.example:8443, http://[::1]:3000",
        "allowed-hosts": "Memory.example,10.0.0.1,::1",
        "insecure-bind": "true",
        "log-level": "warn",
        "log-format": "pretty"
      }
      const { settings } = yield* read({
        files: {
          key: "secret\r\n",
          keys: "{\"keys\":[]}\n",
          "node.json": `{"node_id":"another","trust_domain":"another.example"}`,
          peer: "to-peers",
          secret: "of-approvals\n",
          embedder: "of-models\n",
          operator: "ebVWLo_mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ\n"
        },
        environment: Object.fromEntries(knobs.map(({ name }) => [variableOf(name), values[name] ?? "missing"]))
      })
      const apiKeysFile = Option.map(settings.apiKeysFile, (file) => file.slice(file.lastIndexOf("/") + 1))
      const operatorKey = Option.map(settings.operatorKey, ({ raw }) => raw.toString("base64url"))
      assert.deepStrictEqual({ ...settings, apiKeysFile, operatorKey, identityDir: Option.none() }, {
        host: "localhost",
        port: 0,
        db: ":memory:",
        store: Option.some({
          text: "postgres://me@a,b:5433/memory?sslmode=require",
          servers: ["postgres://me@a/memory?sslmode=require", "postgres://me@b:5433/memory?sslmode=require"]
        }),
        readStore: Option.some({ text: "postgres://me@c/memory", servers: ["postgres://me@c/memory"] }),
        quorumWrites: Option.some(2),
        quorumPeers: ["http://b:9077", "https://c:9077/x"],
        quorumTimeout: Duration.millis(600_000),
        quorumClientCert: Option.some("a.pem"),
        quorumClientKey: Option.some("b.pem"),
        quorumCaCert: Option.some("c.pem"),
        tlsCert: Option.some("d.pem"),
        tlsKey: Option.some("e.pem"),
        mtlsAllowlist: Option.some("f.txt"),
        mtlsClientCa: Option.some("j.pem"),
        mtlsScope: "peers",
        peerListen: Option.some({ host: "::1", port: 9078 }),
        peerTlsCert: Option.some("g.pem"),
        peerTlsKey: Option.some("h.pem"),
        peerMtlsAllowlist: Option.some("i.txt"),
        catchupInterval: Duration.zero,
        nodeId: Option.some(NodeId.make("ai:node-1@host/x")),
        apiKey: Option.some(Redacted.make("secret")),
        apiKeys: Option.some([]),
        apiKeysFile: Option.some("keys"),
        peerApiKey: Option.some(Redacted.make("to-peers")),
        identityDir: Option.none(),
        credentialFile: Option.some("k"),
        credentialChainFile: Option.some("l"),
        trustBundleDir: Option.some("m"),
        trustDomain: Option.some("fleet.example"),
        revocationsFile: Option.some("n"),
        openMetrics: true,
        allowLoopbackWebhooks: true,
        keyDir: Option.some("keys"),
        requireSignatures: "all",
        requireNonces: false,
        unsignedPull: ["host:a", "host:b"],
        operatorKey: Option.some("ebVWLo_mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ"),
        peerAttestation: Option.some("peers.json"),
        trustBodyAgentId: true,
        trustUnlistedPulls: true,
        rateLimit: 1_000_000,
        concurrencyLimit: 0,
        permissionsMode: "advisory",
        secretScreen: "refuse",
        mcpProfile: "full",
        approvalsSecret: Option.some(Redacted.make("of-approvals")),
        archiveOnGc: false,
        shortTtl: Duration.seconds(1),
        midTtl: Duration.zero,
        longTtl: Duration.seconds(315_360_000),
        shortExtend: Duration.seconds(60),
        midExtend: Duration.zero,
        embedder: "openai",
        embedderUrl: Option.some("https://models.example/v1"),
        embedderModel: Option.some("BAAI/bge-m3:latest"),
        embedderKey: Option.some(Redacted.make("of-models")),
        embedderDimensions: Option.some(8192),
        recallWeights: { semantic: 0.25, time: 0.75, context: 2 },
        namespaceLanguage: new Map([["team/nord", "de"], ["notes", "fr"], ["a=b", "ja"]] as const),
        checkRowsPerSecond: 10_000,
        shutdownGrace: Duration.seconds(86_400),
        allowedOrigins: ["https://app.example:8443", "http://[::1]:3000"],
        allowedHosts: ["memory.example", "10.0.0.1", "::1"],
        insecureBind: true,
        logLevel: LogLevel.Warning,
        logFormat: "pretty"
      })
    })
  )

  test(
    "the file takes numbers, switches and lists as TOML writes them",
    Effect.gen(function*() {
      const { settings } = yield* read({
        file:
          "port = 9_100\ninsecure-bind = true\nhost = \"0.0.0.0\"\nquorum-peers = [\"http://b:1\", \"http://c:1\"]\n"
      })
      assert.strictEqual(settings.port, 9100)
      assert.isTrue(settings.insecureBind)
      assert.deepStrictEqual(settings.quorumPeers, ["http://b:1", "http://c:1"])
    })
  )

  test(
    "an empty list of peers overrides a list",
    Effect.gen(function*() {
      const { settings } = yield* read({
        file: "quorum-peers = [\"http://b:1\"]",
        environment: { QUORATE_QUORUM_PEERS: "" }
      })
      assert.deepStrictEqual(settings.quorumPeers, [])
    })
  )

  const outOfBounds: ReadonlyArray<readonly [name: string, value: string, expected: string]> = [
    ["port", "65536", "a whole number 0..65535"],
    ["port", "-1", "a whole number 0..65535"],
    ["port", "", "a whole number 0..65535"],
    ["port", "80.5", "a whole number 0..65535"],
    ["port", "0x50", "a whole number 0..65535"],
    ["port", " 80", "a whole number 0..65535"],
    ["quorum-timeout-ms", "0", "a whole number 1..600000"],
    ["quorum-timeout-ms", "600001", "a whole number 1..600000"],
    ["quorum-writes", "-1", "a whole number 0..1000"],
    ["catchup-interval-secs", "86401", "a whole number 0..86400"],
    ["archive-on-gc", "no", "true or false"],
    ["short-ttl-secs", "-1", "a whole number 0..315360000"],
    ["mid-ttl-secs", "315360001", "a whole number 0..315360000"],
    ["mid-extend-secs", "1d", "a whole number 0..315360000"],
    ["check-rows-per-second", "10001", "a whole number 0..10000"],
    ["shutdown-grace-secs", "1e3", "a whole number 0..86400"],
    ["node-id", "a b", "1..128 of the characters A-Z a-z 0-9 _ : @ . / -"],
    ["node-id", "x".repeat(129), "1..128 of the characters A-Z a-z 0-9 _ : @ . / -"],
    ["insecure-bind", "yes", "true or false"],
    ["embedder", "minilm-l6", "one of static, minilm, openai, ollama, none"],
    ["embedder-url", "models.example", "an http or https URL without a user, a query or a fragment"],
    ["embedder-url", "file:///models", "an http or https URL"],
    ["embedder-url", "https://ann:secret@models.example", "an http or https URL without a user"],
    ["embedder-url", "https://models.example/v1?key=secret", "an http or https URL without a user, a query"],
    ["embedder-model", "two words", "1..200 printable ASCII characters without spaces"],
    ["embedder-dimensions", "0", "a whole number 1..8192"],
    ["recall-weights", "0.5", "such as semantic=0.6,time=0.75,context=0.7, got \"0.5\""],
    ["recall-weights", "semantic=1.01", "semantic from 0 to 1, got \"1.01\""],
    ["recall-weights", "time=-1", "time from 0 to 2"],
    ["recall-weights", "context=2.1", "context from 0 to 2"],
    ["recall-weights", "keyword=1", "expected semantic, time or context, got \"keyword\""],
    ["recall-weights", "time=1,time=1", "each once, got time twice"],
    ["namespace-language", "nord", "such as team/nord=de, got \"nord\""],
    ["namespace-language", "nord=xx", "a language of en, de, fr, es"],
    ["namespace-language", "nord=", "got \"\" for nord"],
    ["namespace-language", "a//b=de", "must have no empty level"],
    ["namespace-language", "=de", "must not be blank"],
    ["namespace-language", "a=de,a=fr", "each once, got a twice"],
    ["namespace-language", Array.from({ length: 65 }, (_, at) => `n${at}=de`).join(), "at most 64"],
    ["log-level", "constructor", "one of all, trace, debug, info, warn, error, fatal, none"],
    ["log-format", "xml", "json or pretty"],
    ["host", "a b", "a host name or an address"],
    ["peer-listen", "9078", "host:port"],
    ["peer-listen", "a:65536", "host:port"],
    ["peer-listen", "::1:9078", "host:port"],
    ["db", " ", "a path"],
    ["store", "mysql://me@a/memory", "expected postgres://"],
    ["store", "quorate.db", "expected postgres://"],
    ["read-store", "quorate.db", "expected postgres://"],
    ["store", "", "expected postgres://"],
    ["store", "postgres://me:secret@a/memory", "expected no password in it: give that by PGPASSFILE"],
    ["store", "postgres://me@a/memory?password=secret", "expected no password in it"],
    [
      "store",
      `postgres://${Array.from({ length: 17 }, (_, at) => `h${at}`).join()}/memory`,
      "expected at most 16 servers"
    ],
    ["store", "postgres://a:one/memory", "expected servers of the form host:port"],
    ["store", "postgres://a/memory?target_session_attrs=any", "expected target_session_attrs to be read-write"],
    ["tls-cert", "", "a path"],
    ["quorum-peers", "http://b:1,,http://c:1", ""],
    ["quorum-peers", Array.from({ length: 65 }, (_, index) => `http://b:${index}`).join(","), ""]
  ]
  for (const [name, value, expected] of outOfBounds) {
    test(
      `${name} ${JSON.stringify(value.slice(0, 40))} is refused by name`,
      Effect.gen(function*() {
        const problem = yield* refusal({ flags: { [name]: value } })
        assert.isTrue(problem.startsWith(`flag --${name}: expected `), problem)
        assert.include(problem, expected)
        if (name === "store") assert.notInclude(problem, "secret")
      })
    )
  }

  test(
    "all malformed values are told at once",
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal({ flags: { port: "x" }, environment: { QUORATE_LOG_FORMAT: "y" } }),
        "flag --port: expected a whole number 0..65535, got \"x\"; " +
          "environment QUORATE_LOG_FORMAT: expected json or pretty, got \"y\""
      )
    })
  )

  test(
    "logs are pretty on a terminal unless something else is said",
    Effect.gen(function*() {
      assert.strictEqual((yield* read({ isTerminal: true })).settings.logFormat, "pretty")
      assert.strictEqual((yield* read({ isTerminal: true, file: "log-format = \"json\"" })).settings.logFormat, "json")
      assert.strictEqual((yield* read({})).settings.logFormat, "json")
    })
  )
})

describe("the file", () => {
  test(
    "--config is taken before QUORATE_CONFIG before the usual places",
    Effect.gen(function*() {
      const files = { "a.toml": "port = 1", "b.toml": "port = 2" }
      const file = "port = 3"
      const environment = { QUORATE_CONFIG: "b.toml" }
      const port = (given: Given) => Effect.map(read(given), ({ settings }) => settings.port)
      assert.strictEqual(yield* port({ files, file, environment, flags: { config: "a.toml" } }), 1)
      assert.strictEqual(yield* port({ files, file, environment }), 2)
      assert.strictEqual(yield* port({ files, file }), 3)
    })
  )

  test(
    "the one of the user is read where the working directory has none",
    Effect.gen(function*() {
      const files = { "xdg/quorate/config.toml": "port = 4", "home/.config/quorate/config.toml": "port = 5" }
      const port = (given: Given) => Effect.map(read(given), ({ settings }) => settings.port)
      assert.strictEqual(yield* port({ files, environment: { XDG_CONFIG_HOME: "@/xdg", HOME: "@/home" } }), 4)
      assert.strictEqual(yield* port({ files, environment: { HOME: "@/home" } }), 5)
      assert.strictEqual(yield* port({ files, environment: { XDG_CONFIG_HOME: "xdg" } }), 9077)
      assert.strictEqual(yield* port({ files, file: "port = 6", environment: { HOME: "@/home" } }), 6)
    })
  )

  test(
    "a named file that is not there is an error",
    Effect.gen(function*() {
      assert.strictEqual(yield* refusal({ flags: { config: "x.toml" } }), "flag --config: file x.toml does not exist")
      assert.strictEqual(
        yield* refusal({ environment: { QUORATE_CONFIG: "x.toml" } }),
        "environment QUORATE_CONFIG: file x.toml does not exist"
      )
      assert.strictEqual(yield* refusal({ flags: { config: "" } }), "flag --config: expected a path, got \"\"")
    })
  )

  test(
    "errors name the file, and the key or the line",
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal({ file: "port = \"many\"" }),
        "file @/quorate.toml key port: expected a whole number 0..65535, got \"many\""
      )
      assert.match(yield* refusal({ file: "port = 1\nhost = \n" }), /^file @\/quorate\.toml line 2 column \d+: /)
      assert.strictEqual(
        yield* refusal({ file: "quorum_peers = []\nprot = 1\nzzz = 1" }),
        "file @/quorate.toml key quorum_peers: no such setting; did you mean quorum-peers?; " +
          "file @/quorate.toml key prot: no such setting; did you mean port?; " +
          "file @/quorate.toml key zzz: no such setting"
      )
      const times = yield* read({ file: "[ttl]\nshort_ttl_secs = 5\nmid-ttl-secs = 6\n" })
      assert.deepStrictEqual(times.settings.shortTtl, Duration.seconds(5))
      assert.deepStrictEqual(times.settings.midTtl, Duration.seconds(6))
      assert.strictEqual(
        yield* refusal({ file: "short-ttl-secs = 1\n[ttl]\nmid_ttl_secs = 6\nmid-ttl-secs = 7\nshort_ttl_secs = 2\n" }),
        "file @/quorate.toml keys ttl.mid_ttl_secs and ttl.mid-ttl-secs: both are mid-ttl-secs, give one of them; " +
          "file @/quorate.toml keys short-ttl-secs and ttl.short_ttl_secs: both are short-ttl-secs, give one of them"
      )
      assert.deepStrictEqual((yield* read({ file: "mid-ttl-secs = 7" })).settings.midTtl, Duration.seconds(7))
      assert.strictEqual(
        yield* refusal({ file: "[ttl]\nport = 5\nmid_tll_secs = 6\nlong_ttl_secs = -1\n" }),
        "file @/quorate.toml key ttl.port: no such setting; " +
          "file @/quorate.toml key ttl.mid_tll_secs: no such setting; did you mean mid-ttl-secs?"
      )
      assert.strictEqual(
        yield* refusal({ file: "[ttl]\nlong_ttl_secs = -1\n" }),
        "file @/quorate.toml key ttl.long_ttl_secs: expected a whole number 0..315360000, got \"-1\""
      )
      assert.strictEqual(
        yield* refusal({ file: "[port]\na = 1" }),
        "file @/quorate.toml key port: expected a single value"
      )
      assert.strictEqual(
        yield* refusal({ file: "quorum-peers = [\"http://b,c\"]" }),
        "file @/quorate.toml key quorum-peers: expected a single value or a list of URLs"
      )
    })
  )

  test(
    "the key itself does not belong there",
    Effect.gen(function*() {
      const problem = yield* refusal({ file: "api-key = \"secret\"" })
      assert.include(problem, "api-key-file")
      assert.notInclude(problem, "secret")
    })
  )

  test(
    "a directory in its place is an error, not an absence",
    Effect.gen(function*() {
      assert.match(yield* refusal({ flags: { config: "@" } }), /^file @: cannot be read: /)
    })
  )
})

describe("the environment", () => {
  test(
    "variables of our prefix that mean nothing are told, and others are not looked at",
    Effect.gen(function*() {
      const { warnings } = yield* read({
        environment: { QUORATE_PROT: "1", QUORATE_ELSE: "", QUORATE_QUORUM_PEER: "x", PROT: "1" }
      })
      assert.deepStrictEqual(warnings, [
        "environment QUORATE_PROT: no such setting, it is ignored; did you mean QUORATE_PORT?",
        "environment QUORATE_ELSE: no such setting, it is ignored",
        "environment QUORATE_QUORUM_PEER: no such setting, it is ignored; did you mean QUORATE_QUORUM_PEERS?"
      ])
    })
  )
})

describe("the API key", () => {
  const keyOf = (given: Given) =>
    Effect.map(
      read({ files: { key: "from-file\n" }, ...given }),
      ({ settings }) => Option.getOrNull(Option.map(settings.apiKey, Redacted.value))
    )

  test(
    "comes from the variable or from a file, by precedence",
    Effect.gen(function*() {
      assert.strictEqual(yield* keyOf({ environment: { QUORATE_API_KEY: "from-variable" } }), "from-variable")
      assert.strictEqual(yield* keyOf({ flags: { "api-key-file": "@/key" } }), "from-file")
      assert.strictEqual(
        yield* keyOf({ flags: { "api-key-file": "@/key" }, environment: { QUORATE_API_KEY: "from-variable" } }),
        "from-file"
      )
    })
  )

  test(
    "in the variable wins over a file that the configuration file names",
    Effect.gen(function*() {
      const { settings, sourceOf } = yield* read({
        file: "api-key-file = \"/nowhere\"",
        environment: { QUORATE_API_KEY: "from-variable" }
      })
      assert.deepStrictEqual(Option.map(settings.apiKey, Redacted.value), Option.some("from-variable"))
      assert.strictEqual(sourceOf("api-key-file"), "environment QUORATE_API_KEY")
    })
  )

  test(
    "given twice in the environment is refused",
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal({ environment: { QUORATE_API_KEY: "a", QUORATE_API_KEY_FILE: "@/key" } }),
        "environment QUORATE_API_KEY and environment QUORATE_API_KEY_FILE are both set: give one of them"
      )
    })
  )

  test(
    "must be there, not empty, and fit into a header; the error does not repeat it",
    Effect.gen(function*() {
      const flags = { "api-key-file": "@/key" }
      assert.strictEqual(yield* refusal({ flags }), "flag --api-key-file: file @/key cannot be read: it does not exist")
      assert.strictEqual(
        yield* refusal({ flags, files: { key: "\n" } }),
        "flag --api-key-file: file @/key is empty, expected the API key"
      )
      const twoLines = yield* refusal({ flags, files: { key: "one\ntwo\n" } })
      assert.include(twoLines, "printable ASCII")
      assert.notInclude(twoLines, "one")
      const blank = yield* refusal({ environment: { QUORATE_API_KEY: "" } })
      assert.include(blank, "environment QUORATE_API_KEY: expected 1..1024")
      assert.include(yield* refusal({ environment: { QUORATE_API_KEY: "x".repeat(1025) } }), "expected 1..1024")
    })
  )

  test(
    "in a file that everyone can read is worth a warning",
    Effect.gen(function*() {
      const fileSystem = yield* FileSystem.FileSystem
      const file = yield* fileSystem.makeTempFileScoped()
      yield* fileSystem.writeFileString(file, "key")
      yield* fileSystem.chmod(file, 0o644)
      const { warnings } = yield* read({ flags: { "api-key-file": file } })
      assert.deepStrictEqual(warnings, [
        `flag --api-key-file: every user of this machine can read ${file}; take that away with chmod 600`
      ])
      yield* fileSystem.chmod(file, 0o600)
      assert.deepStrictEqual((yield* read({ flags: { "api-key-file": file } })).warnings, [])
    })
  )

  test(
    "the secret that signs approvals is one more of its kind",
    Effect.gen(function*() {
      const secretOf = (given: Given) =>
        Effect.map(
          read({ files: { secret: "from-file\n" }, ...given }),
          ({ settings }) => Option.getOrNull(Option.map(settings.approvalsSecret, Redacted.value))
        )
      assert.isNull(yield* secretOf({}))
      assert.strictEqual(
        yield* secretOf({ environment: { QUORATE_APPROVALS_SECRET: "from-variable" } }),
        "from-variable"
      )
      assert.strictEqual(yield* secretOf({ flags: { "approvals-secret-file": "@/secret" } }), "from-file")
      assert.strictEqual(
        yield* refusal({ flags: { "approvals-secret-file": "@/secret" }, files: { secret: "\n" } }),
        "flag --approvals-secret-file: file @/secret is empty, expected the secret"
      )
      assert.include(yield* refusal({ file: "approvals-secret = \"x\"" }), "approvals-secret-file")
    })
  )

  test(
    "the mode of permissions is one of three words",
    Effect.gen(function*() {
      for (const mode of ["enforce", "advisory", "off"]) {
        assert.strictEqual((yield* read({ flags: { "permissions-mode": mode } })).settings.permissionsMode, mode)
      }
      assert.strictEqual(
        yield* refusal({ file: "permissions-mode = \"loose\"" }),
        "file @/quorate.toml key permissions-mode: expected enforce, advisory or off, got \"loose\""
      )
    })
  )

  it("is shown by no knob", () => {
    const secret = Option.some(Redacted.make("secret"))
    const settings = { ...NodeConfig.defaults, apiKey: secret, approvalsSecret: secret, embedderKey: secret }
    const shown = knobs.map(({ show }) => show(settings))
    assert.strictEqual(shown.filter((text) => text === "<redacted>").length, 3)
    assert.notInclude(shown.join(), "secret")
  })
})

describe("combinations", () => {
  const halves = [
    ["tls-cert", "tls-key"],
    ["tls-key", "tls-cert"],
    ["quorum-client-cert", "quorum-client-key"],
    ["quorum-client-key", "quorum-client-cert"]
  ] as const
  for (const [given, missing] of halves) {
    test(
      `${given} needs ${missing}`,
      Effect.gen(function*() {
        assert.strictEqual(
          yield* refusal({ flags: { [given]: "x.pem" } }),
          `${given} is given without ${missing}: both are needed`
        )
      })
    )
  }

  test(
    "an allowlist needs TLS",
    Effect.gen(function*() {
      assert.include(yield* refusal({ flags: { "mtls-allowlist": "x" } }), "client certificates need TLS")
    })
  )

  const embedders: ReadonlyArray<readonly [flags: Record<string, string>, problem: string]> = [
    [{ embedder: "openai" }, "embedder openai is given without embedder-url and embedder-model"],
    [{ embedder: "openai", "embedder-model": "m" }, "embedder openai is given without embedder-url"],
    [{ embedder: "ollama" }, "embedder ollama is given without embedder-model"],
    [{ "embedder-url": "http://a" }, "embedder-url given with embedder static, which asks no server"],
    [{ embedder: "minilm", "embedder-model": "m" }, "embedder-model given with embedder minilm"],
    [{ embedder: "none", "embedder-dimensions": "8" }, "embedder-dimensions given with embedder none"]
  ]
  for (const [flags, problem] of embedders) {
    test(
      `${Object.entries(flags).flat().join(" ")} makes no sense`,
      Effect.gen(function*() {
        assert.include(yield* refusal({ flags }), problem)
      })
    )
  }

  test(
    "an embedder's key comes from a variable or a file, and goes with a server alone",
    Effect.gen(function*() {
      const environment = { QUORATE_EMBEDDER_KEY: "secret" }
      const problem = yield* refusal({ environment })
      assert.include(problem, "embedder-key given with embedder static")
      assert.notInclude(problem, "secret")
      const { settings } = yield* read({ environment, flags: { embedder: "ollama", "embedder-model": "m" } })
      assert.deepStrictEqual(settings.embedderKey, Option.some(Redacted.make("secret")))
      const password = yield* refusal({ flags: { "embedder-url": "https://ann:secret@models.example" } })
      assert.notInclude(password, "secret")
      assert.include(yield* refusal({ file: "embedder-key = \"x\"" }), "embedder-key-file")
    })
  )

  for (const host of ["0.0.0.0", "::", "192.168.1.4", "memory.example", "127.0.0.1.example", "1270.0.0.1"]) {
    test(
      `${host} is refused without a guard, and taken with one`,
      Effect.gen(function*() {
        const problem = yield* refusal({ flags: { host } })
        assert.include(problem, `host ${host} can be reached from outside`)
        assert.include(problem, "--insecure-bind")
        const guards: ReadonlyArray<Given> = [
          { flags: { host, "insecure-bind": "true" } },
          { flags: { host }, environment: { QUORATE_API_KEY: "key" } },
          { flags: { host, "tls-cert": "a", "tls-key": "b", "mtls-allowlist": "c" } }
        ]
        for (const guard of guards) assert.strictEqual((yield* read(guard)).settings.host, host)
        assert.include(yield* refusal({ flags: { host, "tls-cert": "a", "tls-key": "b" } }), "can be reached")
      })
    )
  }

  for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) {
    test(
      `${host} needs no guard`,
      Effect.gen(function*() {
        assert.strictEqual((yield* read({ flags: { host } })).settings.host, host)
      })
    )
  }
})

describe("the folder of a node", () => {
  const files = { "own/node.json": `{"node_id":"region/one","trust_domain":"fleet.example"}` }
  const flags = { "identity-dir": "@/own" }

  it.scoped("stands for what is not said", () =>
    Effect.gen(function*() {
      const { settings, sourceOf } = yield* read({ files, flags })
      assert.strictEqual(Option.getOrNull(settings.nodeId), "region/one")
      assert.strictEqual(Option.getOrNull(settings.trustDomain), "fleet.example")
      assert.match(Option.getOrElse(settings.keyDir, () => ""), /\/own\/keys$/)
      assert.match(Option.getOrElse(settings.tlsKey, () => ""), /\/own\/tls\.key$/)
      assert.deepStrictEqual(settings.tlsCert, settings.quorumClientCert)
      assert.deepStrictEqual(settings.mtlsClientCa, settings.quorumCaCert)
      assert.strictEqual(settings.requireSignatures, "all")
      assert.strictEqual(sourceOf("node-id"), "flag --identity-dir, its folder")
      const said = { ...flags, "node-id": "two", "key-dir": "elsewhere", "require-signatures": "enrolled" }
      const other = (yield* read({ files, flags: said })).settings
      assert.strictEqual(Option.getOrNull(other.nodeId), "two")
      assert.strictEqual(Option.getOrNull(other.keyDir), "elsewhere")
      assert.strictEqual(other.requireSignatures, "enrolled")
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("must say whose it is", () =>
    Effect.gen(function*() {
      assert.match(yield* refusal({ flags }), /^flag --identity-dir: @\/own\/node\.json: ENOENT/)
      for (const text of ["", "{}", `{"node_id":"..","trust_domain":"d"}`, `{"node_id":"a","trust_domain":""}`]) {
        assert.match(
          yield* refusal({ files: { "own/node.json": text }, flags }),
          /^flag --identity-dir: @\/own\/node\.json: it does not say whose folder this is/
        )
      }
    }).pipe(Effect.provide(NodeContext.layer)))
})

describe("the settings of ai-memory", () => {
  const HOME = "@/home"
  const file = "home/.config/ai-memory/config.toml"
  const keyOf = ({ settings }: { readonly settings: NodeConfig.Settings }) =>
    Option.getOrNull(Option.map(settings.apiKey, Redacted.value))

  it.scoped("hold where they have a meaning, and are named where they have none", () =>
    Effect.gen(function*() {
      const environment = {
        AI_MEMORY_DB: "other.db",
        AI_MEMORY_API_KEY: "its-key",
        AI_MEMORY_PERMISSIONS_MODE: "advisory",
        AI_MEMORY_PROFILE: "core",
        AI_MEMORY_AGENT_ID: "me"
      }
      const effective = yield* read({ environment })
      assert.strictEqual(effective.settings.db, "other.db")
      assert.strictEqual(effective.settings.permissionsMode, "advisory")
      assert.strictEqual(keyOf(effective), "its-key")
      assert.strictEqual(effective.sourceOf("db"), "environment AI_MEMORY_DB")
      assert.deepStrictEqual(effective.warnings, [
        "environment AI_MEMORY_PROFILE: a setting of ai-memory that means nothing here, it is ignored"
      ])
      const own = yield* read({ environment: { ...environment, QUORATE_DB: "own.db", QUORATE_API_KEY: "own-key" } })
      assert.strictEqual(own.settings.db, "own.db")
      assert.strictEqual(keyOf(own), "own-key")
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("say who a node is and whom it believes", () =>
    Effect.gen(function*() {
      const environment = {
        AI_MEMORY_FED_CRED_PATH: " /run/cred ",
        AI_MEMORY_FED_CRED_CHAIN_PATH: "/run/chain",
        AI_MEMORY_FED_TRUST_BUNDLE_DIR: "/etc/trust",
        AI_MEMORY_FED_TRUST_DOMAIN: "fleet.example",
        AI_MEMORY_FED_IDENTITY: "region/nyc/node-1"
      }
      const { settings } = yield* read({ environment })
      assert.deepStrictEqual(
        [settings.credentialFile, settings.credentialChainFile, settings.trustBundleDir, settings.trustDomain].map(
          Option.getOrNull
        ),
        ["/run/cred", "/run/chain", "/etc/trust", "fleet.example"]
      )
      assert.strictEqual(Option.getOrNull(settings.nodeId), "region/nyc/node-1")
      const blank = yield* read({ environment: Record.map(environment, () => " ") })
      assert.deepStrictEqual(blank.settings, NodeConfig.defaults)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("are read from its file as the last, and its database is not opened", () =>
    Effect.gen(function*() {
      const ttl = "[ttl]\nmid_ttl_secs = 60\nshort_ttl_secs = -1\nlong_ttl_secs = 999999999\nshort_extend_secs = 7\n"
      const content = `api_key = "its-key"\ndb = "/its.db"\ntier = "semantic"\n${ttl}` +
        `[permissions]\nmode = "off"\n[hooks.subscription]\nhmac_secret = "its-secret"\n`
      const effective = yield* read({ files: { [file]: content }, environment: { HOME } })
      assert.strictEqual(keyOf(effective), "its-key")
      assert.strictEqual(effective.settings.permissionsMode, "off")
      assert.isTrue(Option.isSome(effective.settings.approvalsSecret))
      assert.strictEqual(effective.settings.db, NodeConfig.defaults.db)
      const { longTtl, midExtend, midTtl, shortExtend, shortTtl } = effective.settings
      assert.deepStrictEqual(
        [shortTtl, midTtl, longTtl, shortExtend, midExtend].map(Duration.toSeconds),
        [0, 60, 315_360_000, 7, 86_400]
      )
      assert.deepStrictEqual(effective.warnings, [
        `file @/${file} of ai-memory: api_key, ttl.mid_ttl_secs, ttl.short_ttl_secs, ttl.long_ttl_secs, ` +
        "ttl.short_extend_secs, permissions.mode, hooks.subscription.hmac_secret taken from it",
        `file @/${file} of ai-memory: db, tier mean nothing here and are ignored`
      ])
      const files = { [file]: content, "own.key": "own-key" }
      const own = yield* read({
        files,
        file: `permissions-mode = "enforce"\n[ttl]\nmid_ttl_secs = 61\n`,
        environment: { HOME, QUORATE_API_KEY_FILE: "@/own.key" }
      })
      assert.deepStrictEqual(own.settings.midTtl, Duration.seconds(61))
      assert.strictEqual(own.settings.permissionsMode, "enforce")
      assert.strictEqual(keyOf(own), "own-key")
      const without = yield* read({ files: { [file]: content }, environment: { HOME, AI_MEMORY_NO_CONFIG: "1" } })
      assert.isNull(keyOf(without))
      assert.deepStrictEqual(without.warnings, [])
      const broken = yield* read({ files: { [file]: "api_key = " }, environment: { HOME } })
      assert.deepStrictEqual(broken.warnings, [`file @/${file} of ai-memory: not TOML, it is ignored`])
    }).pipe(Effect.provide(NodeContext.layer)))
})
