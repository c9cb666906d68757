import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { PeerUrl } from "../../src/domain/ids.js"
import * as FederationConfig from "../../src/federation/FederationConfig.js"

const build = (
  peers: ReadonlyArray<string>,
  { host = "10.0.0.1", port = 9077, tls = false, w }: {
    readonly w?: number
    readonly host?: string
    readonly port?: number
    readonly tls?: boolean
  } = {}
) =>
  FederationConfig.build({
    quorumWrites: Option.fromNullable(w),
    peers,
    ackTimeout: Duration.millis(500),
    self: { host, port, tls }
  })

const built = (...args: Parameters<typeof build>) => Option.getOrThrow(Either.getOrThrow(build(...args)))
const refused = (...args: Parameters<typeof build>) => Either.getOrThrow(Either.flip(build(...args)))

const peersOf = (count: number) => Array.from({ length: count }, (_, i) => `http://peer-${i}:9077`)

describe("FederationConfig.build", () => {
  it("is off when W is 0, whatever the peers are", () => {
    assert.deepStrictEqual(build(["http://example.com"], { w: 0 }), Either.right(Option.none()))
    assert.deepStrictEqual(build(["nonsense"], { w: 0 }), Either.right(Option.none()))
  })

  it("is off without peers, and refuses a W that only peers could meet", () => {
    assert.deepStrictEqual(build([]), Either.right(Option.none()))
    for (const w of [0, 1]) assert.deepStrictEqual(build([], { w }), Either.right(Option.none()))
    assert.include(
      refused([], { w: 2 }).message,
      "--quorum-writes: 2 nodes are to hold a write, and no other node is listed"
    )
  })

  it("counts this node in N, and keeps the deadline", () => {
    const { clampedFrom, policy } = built(["http://b:9077", "http://c:9077"], { w: 2 })
    assert.deepStrictEqual([policy.n, policy.w, Duration.toMillis(policy.ackTimeout)], [3, 2, 500])
    assert.deepStrictEqual(clampedFrom, Option.none())
  })

  it("asks for a majority by default", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 5, 6].map((count) => built(peersOf(count)).policy.w), [2, 2, 3, 3, 4, 4])
  })

  it("clamps W to N, and tells what was asked for", () => {
    const { clampedFrom, policy } = built(peersOf(2), { w: 9 })
    assert.strictEqual(policy.w, 3)
    assert.deepStrictEqual(clampedFrom, Option.some(9))
  })

  it("refuses a W that is no whole number", () => {
    const error = refused(peersOf(2), { w: 1.5 })
    assert.include(error.message, "--quorum-writes: 1.5 ")
  })

  it("normalises scheme, host, default port and trailing slashes, and keeps the path", () => {
    const { peers } = built([
      "HTTP://B.Example:80/",
      "https://c.example:443",
      "http://d.example:9077///",
      "https://E.example/Mesh/Node/",
      "http://[2001:DB8::1]:9077"
    ])
    assert.deepStrictEqual(peers, [
      { url: PeerUrl.make("http://b.example"), name: "b.example:80" },
      { url: PeerUrl.make("https://c.example"), name: "c.example:443" },
      { url: PeerUrl.make("http://d.example:9077"), name: "d.example:9077" },
      { url: PeerUrl.make("https://e.example/Mesh/Node"), name: "e.example:443" },
      { url: PeerUrl.make("http://[2001:db8::1]:9077"), name: "[2001:db8::1]:9077" }
    ])
  })

  it.each([
    "http://169.254.169.254",
    "http://0.0.0.0:9078",
    "http://[fe80::1]:9077",
    "https://0xe0000001",
    "http://[::]:1"
  ])(
    "refuses %j, where no peer can be",
    (text) => {
      const error = refused(["http://b:9077", text])
      assert.strictEqual(error.reason, "forbidden_address")
      assert.include(error.message, "is an address where no peer can be")
    }
  )

  it("gives peers behind one address names of their own", () => {
    const names = built(["http://gate/a", "http://gate/b", "http://c"]).peers.map(({ name }) => name)
    assert.deepStrictEqual(names, ["gate:80/a", "gate:80/b", "c:80"])
  })

  it.each([
    ["the same text", "http://b:9077", "http://b:9077"],
    ["a trailing slash", "http://b:9077", "http://b:9077/"],
    ["another case", "http://B:9077", "HTTP://b:9077"],
    ["a default port", "http://b", "http://b:80/"],
    ["a trailing slash after a path", "http://b/mesh", "http://b/mesh/"],
    ["another scheme on one port", "http://b:9077", "https://b:9077"],
    ["another form of an address", "http://10.0.0.2:9077", "http://0xa000002:9077"]
  ])("refuses a peer listed twice: %s", (_, first, second) => {
    const error = refused([first, "http://c:9077", second])
    assert.strictEqual(error.reason, "duplicate")
    assert.include(error.message, "is listed twice")
  })

  it("tells paths and ports apart", () => {
    assert.lengthOf(built(["http://b/x", "http://b/X", "http://b:81/x", "http://b"]).peers, 4)
  })

  it.each(["", "peer-1", "http://", "http://a:99999", "//b:9077", "http://a b"])(
    "refuses %j, which is no URL",
    (text) => {
      const error = refused([text])
      assert.strictEqual(error.reason, "not_a_url")
      assert.include(error.message, JSON.stringify(text))
      assert.include(error.message, "write http://host:port")
    }
  )

  it.each(["ftp://b:9077", "ws://b", "localhost:9077", "b:9077:1", "file:///tmp/x"])(
    "refuses %j, which is not http",
    (text) => {
      const error = refused([text])
      assert.strictEqual(error.reason, "not_http")
      assert.include(error.message, JSON.stringify(text))
    }
  )

  it.each([
    "http://user:hush@b:9077",
    "https://hush@b:9077/",
    "http://:hush@b",
    "http://us:hush/x@b",
    "ftp://u:hush@b"
  ])(
    "refuses %j without repeating what is secret in it",
    (text) => {
      assert.notInclude(refused([text]).message, "hush")
    }
  )

  it.each(["http://b:9077?hush=1", "http://b:9077/?", "http://b:9077/x#hush", "http://b#"])("refuses %j", (text) => {
    const error = refused([text])
    assert.strictEqual(error.reason, "has_query")
    assert.include(error.message, "\"http://b")
    assert.notInclude(error.message, "hush")
  })

  it.each([
    ["10.0.0.1", 9077, "http://10.0.0.1:9077"],
    ["10.0.0.1", 9077, "https://10.0.0.1:9077/"],
    ["Node-A.example", 80, "http://node-a.EXAMPLE"],
    ["node-a", 443, "https://node-a"],
    ["localhost", 9077, "http://127.0.0.1:9077"],
    ["127.0.0.1", 9077, "http://localhost:9077"],
    ["127.0.0.1", 9077, "http://[::1]:9077"],
    ["::1", 9077, "http://[0:0:0:0:0:0:0:1]:9077"],
    ["::1", 9077, "http://localhost:9077"],
    ["0.0.0.0", 9077, "http://127.0.0.2:9077"],
    ["0.0.0.0", 9077, "http://localhost:9077"],
    ["0.0.0.0", 9077, "http://0.0.0.0:9077"],
    ["::", 9077, "http://[::1]:9077"],
    ["::", 9077, "http://127.0.0.1:9077"],
    ["127.0.0.1", 9077, "http://0.0.0.0:9077"]
  ])("on %s:%d it refuses its own address %s", (host, port, url) => {
    const error = refused(["http://b:9077", url], { host, port })
    assert.strictEqual(error.reason, "own_address")
    assert.include(error.message, "is this node's own address")
  })

  it.each([
    ["127.0.0.1", 9077, "http://127.0.0.1:9078"],
    ["127.0.0.1", 9077, "http://127.0.0.2:9077"],
    ["0.0.0.0", 9077, "http://10.0.0.2:9077"],
    ["0.0.0.0", 9077, "http://127.0.0.1:9078"],
    ["10.0.0.1", 9077, "http://127.0.0.1:9077"],
    ["10.0.0.1", 9077, "https://10.0.0.1"],
    ["127.0.0.1", 9077, "http://127.example:9077"]
  ])("on %s:%d it takes %s for another node", (host, port, url) => {
    assert.lengthOf(built([url], { host, port }).peers, 1)
  })

  it("takes 63 peers, and not one more", () => {
    assert.strictEqual(built(peersOf(63)).policy.n, 64)
    const error = refused(peersOf(64))
    assert.strictEqual(error.reason, "too_many")
    assert.include(error.message, "--quorum-peers: 64 peers are too many; list at most 63")
  })
})
