import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as validate from "../../src/domain/validate.js"
import { memory } from "./arbitraries.js"

type Check = Either.Either<unknown, validate.Invalid>

const accepts = (check: Check) => assert.isTrue(Either.isRight(check), Either.isLeft(check) ? check.left.message : "")

const refuses = (check: Check, field: string, words?: string) => {
  assert.isTrue(Either.isLeft(check), `${field} was accepted`)
  const invalid = Either.getOrThrow(Either.flip(check))
  assert.strictEqual(invalid.field, field)
  assert.isTrue(invalid.message.startsWith(field), invalid.message)
  if (words !== undefined) assert.include(invalid.message, words)
}

const DUCK = "🦆"
const nested = (levels: number): Record<string, unknown> => levels === 1 ? {} : { a: nested(levels - 1) }

describe("title", () => {
  it("has at most 512 code points", () => {
    accepts(validate.title("x".repeat(512)))
    refuses(validate.title("x".repeat(513)), "title", "512")
    accepts(validate.title(DUCK.repeat(512)))
    refuses(validate.title(DUCK.repeat(513)), "title", "512")
    accepts(validate.title(DUCK.repeat(511) + "x"))
    refuses(validate.title(DUCK.repeat(511) + "xx"), "title", "512")
  })

  it("is measured without the white space around it and stored with it", () => {
    const padded = ` \r\n\u0085\u2003${"x".repeat(512)}\u3000\r\n `
    assert.strictEqual(Either.getOrThrow(validate.title(padded)), padded)
    refuses(validate.title(` ${"x".repeat(513)} `), "title", "512")
  })

  it.each(["", " ", "\r\n", "\u00a0\u2028\u3000\u0085"])("is not blank (%j)", (blank) => {
    refuses(validate.title(blank), "title", "blank")
  })

  it("may be a mark that is invisible but not white space", () => accepts(validate.title("\ufeff")))

  it("has 8192 bytes with the white space around it", () => {
    accepts(validate.title(`${"x".repeat(512)}${" ".repeat(8192 - 512)}`))
    refuses(validate.title(`${"x".repeat(512)}${" ".repeat(8193 - 512)}`), "title", "8192")
    accepts(validate.namespace(`n${" ".repeat(8191)}`))
    refuses(validate.namespace(`n${" ".repeat(8192)}`), "namespace", "8192")
  })
})

describe("clean text", () => {
  it.each(["a\nb", "a\tb", "é", DUCK, "\u200b", "\u2028", "\ufeff", "\ufffd", "\u{10ffff}"])("may have %j", (text) => {
    accepts(validate.content(`a${text}b`))
  })

  const dirty = ["\r", "\0", "\u0001", "\u0008", "\u000b", "\u000c", "\u001b", "\u001f", "\u007f", "\u0085", "\u009f"]
  it.each([...dirty, "\ud800", "\udc00", "\udc00\ud800"])("may not have %j", (bad) => {
    refuses(validate.title(`a${bad}b`), "title", "control character")
    refuses(validate.content(`a${bad}b`), "content", "control character")
    refuses(validate.tags(["a", `a${bad}b`]), "tags[1]", "control character")
    refuses(validate.memoryId(`a${bad}b`), "id", "control character")
  })

  it("is checked to its very ends where it is not trimmed", () => {
    refuses(validate.content("a\r"), "content")
    refuses(validate.tags(["a\r"]), "tags[0]")
    accepts(validate.title("a\r"))
    accepts(validate.namespace("a\r"))
  })
})

describe("content", () => {
  it("has at most 65 536 bytes", () => {
    accepts(validate.content("x".repeat(65_536)))
    refuses(validate.content("x".repeat(65_537)), "content", "65536 bytes")
    accepts(validate.content("é".repeat(32_768)))
    refuses(validate.content("é".repeat(32_768) + "x"), "content", "65536 bytes")
    accepts(validate.content(DUCK.repeat(16_384)))
    refuses(validate.content(DUCK.repeat(16_384) + "x"), "content", "65536 bytes")
    accepts(validate.content("€".repeat(21_845) + "x"))
    refuses(validate.content("€".repeat(21_845) + "xx"), "content", "65536 bytes")
  })

  it.each(["", " \n\t ", "\u3000"])(
    "is not blank (%j)",
    (blank) => refuses(validate.content(blank), "content", "blank")
  )
})

describe("namespace", () => {
  const levels = (count: number) => Array.from({ length: count }, () => "a").join("/")

  it("has at most 512 code points", () => {
    accepts(validate.namespace("x".repeat(512)))
    refuses(validate.namespace("x".repeat(513)), "namespace", "512")
    accepts(validate.namespace(DUCK.repeat(512)))
    refuses(validate.namespace(DUCK.repeat(513)), "namespace", "512")
  })

  it("has at most 8 levels", () => {
    accepts(validate.namespace(levels(8)))
    refuses(validate.namespace(levels(9)), "namespace", "8 levels")
    accepts(validate.namespace(levels(8).replaceAll("a", "ä")))
    refuses(validate.namespace(levels(9).replaceAll("a", "ä")), "namespace", "8 levels")
  })

  it.each(["global", "Proj/Sub", "_agents", "a.b", "...", "a/.b/..c", " padded ", "*", "日本/東京", "a\u00a0b"])(
    "may be %j",
    (name) => {
      assert.strictEqual(Either.getOrThrow(validate.namespace(name)), name)
    }
  )

  it.each([
    "",
    "  ",
    "a b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\tb",
    "a\rb",
    "a\ud800b",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/./b"
  ])(
    "may not be %j",
    (name) => refuses(validate.namespace(name), "namespace")
  )

  it.each(["a/../b", "../a", "a/.."])(
    "may not climb (%j)",
    (name) => refuses(validate.namespace(name), "namespace", "..")
  )
})

describe("tags", () => {
  it("are at most 50", () => {
    accepts(validate.tags(Array.from({ length: 50 }, () => "x")))
    refuses(validate.tags(Array.from({ length: 51 }, () => "x")), "tags", "50")
    accepts(validate.tags([]))
  })

  it("have 1 to 128 bytes each", () => {
    accepts(validate.tags(["x", "x".repeat(128), "é".repeat(64)]))
    refuses(validate.tags(["x", ""]), "tags[1]", "128")
    refuses(validate.tags(["x".repeat(129)]), "tags[0]", "128")
    refuses(validate.tags(["é".repeat(64) + "x"]), "tags[0]", "128")
  })
})

describe("numbers", () => {
  it("of priority go from 1 to 10", () => {
    for (const good of [1, 10]) accepts(validate.priority(good))
    for (const bad of [0, 11, -1, 1.5, Number.NaN]) refuses(validate.priority(bad), "priority", "1 to 10")
  })

  it("of confidence go from 0 to 1", () => {
    for (const good of [0, 0.5, 1]) accepts(validate.confidence(good))
    for (const bad of [-Number.EPSILON, 1 + Number.EPSILON, Infinity, -Infinity, Number.NaN]) {
      refuses(validate.confidence(bad), "confidence", "0 to 1")
    }
  })

  it("of ttl_secs go from 1 to a year", () => {
    for (const good of [1, 31_536_000]) accepts(validate.ttlSecs(good))
    for (const bad of [0, -1, 31_536_001, 1.5, Number.NaN]) refuses(validate.ttlSecs(bad), "ttl_secs", "31536000")
  })

  it("of access_count are not negative", () => {
    accepts(validate.accessCount(0))
    refuses(validate.accessCount(-1), "access_count", "negative")
  })
})

describe("ids and words", () => {
  it("of memories have 1 to 128 bytes and are no UUIDs by necessity", () => {
    for (const good of ["x", "0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a", "a b", "x".repeat(128), "é".repeat(64)]) {
      accepts(validate.memoryId(good))
    }
    for (const bad of ["", " ", "\u3000", "x".repeat(129), "é".repeat(64) + "x"]) refuses(validate.memoryId(bad), "id")
  })

  it("of agents have 1 to 128 of a few characters", () => {
    for (const good of ["a", "ai:claude@host:pid-1", "A_Z.0/9-", "x".repeat(128)]) accepts(validate.agentId(good))
    for (const bad of ["", "x".repeat(129), "a b", "é", "a\n", "a,b", "a\0"]) refuses(validate.agentId(bad), "agent_id")
  })

  it("of scopes and sources are a closed set", () => {
    for (const good of ["private", "team", "unit", "org", "collective"]) accepts(validate.scope(good))
    for (const bad of ["", "Team", "public"]) refuses(validate.scope(bad), "scope", "private, team")
    const sources = ["user", "claude", "hook", "api", "cli", "import", "consolidation", "system", "chaos", "notify"]
    for (const good of sources) accepts(validate.source(good))
    for (const bad of ["", "API", "nhi", "toString"]) refuses(validate.source(bad), "source", "user, claude")
  })
})

describe("expires_at", () => {
  const text = "2026-05-07T08:09:10.5+02:00"
  const millis = Date.UTC(2026, 4, 7, 6, 9, 10, 500)

  it("becomes canonical", () => {
    assert.strictEqual(Either.getOrThrow(validate.expiresAt(text)), "2026-05-07T06:09:10.500000000+00:00")
  })

  it("lies after the moment that is given, if one is", () => {
    accepts(validate.expiresAt(text, { afterMillis: millis - 1 }))
    refuses(validate.expiresAt(text, { afterMillis: millis }), "expires_at", "future")
    accepts(validate.expiresAt("1999-01-01T00:00:00Z"))
  })

  it.each(["", "tomorrow", "2026-02-30T00:00:00Z"])("is no %j", (bad) => {
    refuses(validate.expiresAt(bad), "expires_at", "RFC 3339")
  })
})

describe("metadata", () => {
  /** An object whose JSON has that many bytes. */
  const ofBytes = (bytes: number) => ({ k: "x".repeat(bytes - 8) })

  it.each([[[]], ["text"], [1], [null], [undefined]])("is an object and not %j", (bad) => {
    refuses(validate.metadata(bad), "metadata", "object")
  })

  it("has at most 65 536 bytes as JSON", () => {
    accepts(validate.metadata(ofBytes(65_536)))
    refuses(validate.metadata(ofBytes(65_537)), "metadata", "65536")
    const half = (65_536 - 8) / 2
    accepts(validate.metadata({ k: "é".repeat(half) }))
    refuses(validate.metadata({ k: "é".repeat(half) + "x" }), "metadata", "65536")
    accepts(validate.metadata({ k: "\n".repeat(half) }))
    refuses(validate.metadata({ k: "\n".repeat(half) + "x" }), "metadata", "65536")
  })

  it("has at most 32 levels of objects and arrays", () => {
    accepts(validate.metadata(nested(32)))
    refuses(validate.metadata(nested(33)), "metadata", "32")
    accepts(validate.metadata({ a: JSON.parse("[".repeat(31) + "1" + "]".repeat(31)) }))
    refuses(validate.metadata({ a: JSON.parse("[".repeat(32) + "1" + "]".repeat(32)) }), "metadata", "32")
    refuses(validate.metadata({ a: JSON.parse("[".repeat(5000) + "]".repeat(5000)) }), "metadata", "32")
  })

  it("has no whole number that this process would change", () => {
    for (const good of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, -0.5, 1e-300]) {
      accepts(validate.metadata({ a: [good] }))
    }
    const far = ["9007199254740992", "9007199254740993", "-9007199254740992", "1e300", "1e400", "-1e400"]
    for (const bad of far) refuses(validate.metadata(JSON.parse(`{"a":[{"b":${bad}}]}`)), "metadata", "strings")
  })

  it("has no lone surrogate, in keys neither", () => {
    accepts(validate.metadata({ [DUCK]: `${DUCK}\r\0` }))
    for (const bad of [{ a: "\ud800" }, { a: ["\udc00"] }, { a: { "x\ud800": 1 } }, { "\ud800": 1 }]) {
      refuses(validate.metadata(bad), "metadata", "surrogate")
    }
  })

  it.each([[undefined], [1n], [() => 1], [Symbol.iterator]])("is nothing but JSON", (bad) => {
    refuses(validate.metadata({ a: bad }), "metadata", "JSON")
  })
})

describe("validateMemory", () => {
  const row: Memory = {
    id: MemoryId.make("0c7ad26a-2a4d-4b7a-8f0e-1a1a1a1a1a1a"),
    tier: "mid",
    namespace: "global",
    title: "a title",
    content: "some content",
    tags: ["a"],
    priority: 5,
    confidence: 1,
    source: "api",
    access_count: 0,
    created_at: "2026-05-07T08:09:10Z",
    updated_at: "2026-05-07T08:09:10.5+02:00",
    metadata: {}
  }

  it("accepts every memory that keeps the rules, unchanged", () => {
    FastCheck.assert(FastCheck.property(memory, (valid) => {
      assert.deepStrictEqual(Either.getOrThrow(validate.validateMemory(valid)), valid)
    }))
  })

  it("makes stamps canonical and lets memories be expired", () => {
    const stamped = { ...row, last_accessed_at: "1999-01-01T00:00:00Z", expires_at: "1999-01-01t00:00:00.25z" }
    const valid = Either.getOrThrow(validate.validateMemory(stamped))
    assert.strictEqual(valid.created_at, "2026-05-07T08:09:10.000000000+00:00")
    assert.strictEqual(valid.updated_at, "2026-05-07T06:09:10.500000000+00:00")
    assert.strictEqual(valid.last_accessed_at, "1999-01-01T00:00:00.000000000+00:00")
    assert.strictEqual(valid.expires_at, "1999-01-01T00:00:00.250000000+00:00")
    assert.strictEqual(validate.canonicalStamp(valid.created_at), valid.created_at)
    assert.throws(() => validate.canonicalStamp("never"))
  })

  it("cuts access counts to what is counted here", () => {
    const counted = (access_count: number) =>
      Either.getOrThrow(validate.validateMemory({ ...row, access_count })).access_count
    assert.strictEqual(counted(1_000_000), 1_000_000)
    assert.strictEqual(counted(2 ** 63), 1_000_000)
  })

  it("takes the source that only newer nodes write", () => accepts(validate.validateMemory({ ...row, source: "nhi" })))

  it("does not count the owner in the size of the metadata", () => {
    const full = { k: "x".repeat(65_528) }
    const withOwner = (agent_id: string) => validate.validateMemory({ ...row, metadata: { ...full, agent_id } })
    accepts(withOwner("x".repeat(128)))
    refuses(withOwner("x".repeat(129)), "metadata", "65536")
    refuses(validate.validateMemory({ ...row, metadata: { ...full, more: "" } }), "metadata", "65536")
  })

  it.each<[string, Partial<Memory>]>([
    ["id", { id: MemoryId.make(" ") }],
    ["title", { title: "" }],
    ["content", { content: "a\r\nb" }],
    ["namespace", { namespace: "a b" }],
    ["source", { source: "web" }],
    ["tags[0]", { tags: [""] }],
    ["priority", { priority: 0 }],
    ["confidence", { confidence: 2 }],
    ["access_count", { access_count: -1 }],
    ["metadata", { metadata: nested(33) }],
    ["created_at", { created_at: "yesterday" }],
    ["updated_at", { updated_at: "" }],
    ["last_accessed_at", { last_accessed_at: "2026-02-30T00:00:00Z" }],
    ["expires_at", { expires_at: "" }]
  ])("names %s when that is wrong", (field, change) => {
    refuses(validate.validateMemory({ ...row, ...change }), field)
  })

  it("never repeats a value", () => {
    const secret = "hunter2-\r"
    const texts = { id: secret, title: `a${secret}b`, namespace: `${secret}/x`, source: secret, updated_at: secret }
    for (const [field, value] of Object.entries(texts)) {
      const check = validate.validateMemory({ ...row, [field]: value })
      refuses(check, field)
      assert.notInclude(JSON.stringify(check), "hunter2")
    }
  })
})
