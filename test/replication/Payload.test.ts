import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { EVENTS } from "../../src/domain/Change.js"
import { MemoryId, Origin } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { all, type Kind, linkId } from "../../src/replication/kinds.js"
import * as Payload from "../../src/replication/Payload.js"
import * as arbitraries from "../domain/arbitraries.js"

const stamp = Stamp.fromMillis(1_700_000_000_000)

const memory: Memory = {
  id: MemoryId.make("m"),
  tier: "mid",
  namespace: "n",
  title: "title",
  content: "content",
  tags: ["tag"],
  priority: 5,
  confidence: 0.5,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: {}
}

const stamps = FastCheck.integer({ min: Stamp.MIN_MILLIS, max: Stamp.MAX_MILLIS }).map((at) => Stamp.fromMillis(at))
const ids = FastCheck.oneof(FastCheck.uuid(), FastCheck.constantFrom("x".repeat(128), "é", "a b", "🦆"))
const reasons = FastCheck.constantFrom("archive", "ttl_expired", "x".repeat(512), "é".repeat(256), "\"quoted\" \\ 🦆")

/** Any payload of each kind that keeps every rule. */
const valid: { readonly [K in Kind]: FastCheck.Arbitrary<Payload.Payload> } = {
  store: arbitraries.memory.map((memory) => ({ kind: "store", memory })),
  restore: arbitraries.memory.map((memory) => ({ kind: "restore", memory })),
  consolidate: arbitraries.memory.map((memory) => ({ kind: "consolidate", memory })),
  archive: FastCheck.tuple(arbitraries.memory, stamps, reasons).map(([memory, archivedAt, reason]) => ({
    kind: "archive",
    memory,
    archivedAt,
    reason
  })),
  delete: ids.map((entity) => ({ kind: "delete", entity })),
  link: arbitraries.link.map((link) => ({ kind: "link", link })),
  unlink: ids.map((entity) => ({ kind: "unlink", entity })),
  pending: arbitraries.pendingAction.map((action) => ({ kind: "pending", action })),
  vote: arbitraries.vote.map((vote) => ({ kind: "vote", vote })),
  decision: arbitraries.decision.map((decision) => ({ kind: "decision", decision })),
  namespace_meta: arbitraries.namespaceMeta.map((meta) => ({ kind: "namespace_meta", meta })),
  namespace_meta_clear: arbitraries.namespaceMeta.map(({ namespace }) => ({
    kind: "namespace_meta_clear",
    entity: namespace
  })),
  earn: FastCheck.record({
    memory_id: ids,
    hlc: stamps,
    origin: FastCheck.constantFrom("node/1", "a:b@c.d/e/77").map((text) => Origin.make(text)),
    long: FastCheck.boolean(),
    priority: FastCheck.option(FastCheck.integer({ min: 1, max: 10 })),
    expires_at: FastCheck.option(stamps),
    expired: FastCheck.option(FastCheck.record({ at: stamps, reason: reasons, seen: stamps }))
  }).map((earned) => ({ kind: "earn", earned })),
  quarantine: FastCheck.record({
    id: ids,
    peer: FastCheck.constantFrom("node", "a:b@c.d/e"),
    since: stamps,
    reason: reasons,
    by: FastCheck.constant("admin"),
    at: stamps
  }).map((quarantine) => ({ kind: "quarantine", quarantine })),
  release: ids.map((entity) => ({ kind: "release", entity })),
  subscription: FastCheck.record({
    id: ids,
    url: FastCheck.constant("https://example.org/hook?a=b"),
    secret: FastCheck.constant("a secret"),
    events: FastCheck.subarray([...EVENTS]),
    namespace_filter: FastCheck.constant("a/**"),
    agent_filter: FastCheck.constant("ai:agent"),
    namespace: FastCheck.constant("a/b"),
    agent_id: FastCheck.constant("ai:agent"),
    created_by: FastCheck.constant("admin"),
    created_at: stamps,
    since: FastCheck.constant("eyJ2IjoxfQ")
  }, { requiredKeys: ["id", "events", "agent_id", "created_by", "created_at", "since"] })
    .map((subscription) => ({ kind: "subscription", subscription })),
  unsubscribe: ids.map((entity) => ({ kind: "unsubscribe", entity })),
  delivery: FastCheck.record({
    id: ids,
    cursor: FastCheck.constant("eyJ2IjoxfQ"),
    dispatched: FastCheck.nat(),
    failed: FastCheck.nat()
  }).map((delivery) => ({ kind: "delivery", delivery }))
}

const kinds = all

const parsed = (payload: Payload.Payload): unknown => {
  const body = Payload.encode(payload)
  return body === null ? null : JSON.parse(body)
}

const readBack = (payload: Payload.Payload, body: unknown) =>
  Payload.read(payload.kind, Payload.entityOf(payload), body)

const why = (read: Either.Either<unknown, string>) => Either.getOrElse(Either.flip(read), () => "nothing is wrong")

/** The text comes out of SQLite, which keeps UTF-8, as it went in. */
const isUtf8 = (text: string) => Buffer.from(text).toString() === text

/** The same value with the string at one of its places, however deep, exchanged. */
const exchange = (value: unknown, place: { left: number }, by: string): unknown => {
  if (typeof value === "string") return place.left-- === 0 ? by : value
  if (Array.isArray(value)) return value.map((item) => exchange(item, place, by))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, exchange(item, place, by)]))
}

describe("Payload", () => {
  it.each(kinds)("goes through JSON unchanged: %s", (kind) => {
    FastCheck.assert(
      FastCheck.property(valid[kind], (payload) => {
        const text = Payload.encode(payload)
        const back = Either.getOrThrow(readBack(payload, parsed(payload)))
        assert.deepStrictEqual(back, payload)
        assert.strictEqual(Payload.encode(back), text)
        assert.strictEqual(Payload.entityOf(back), Payload.entityOf(payload))
        assert.isTrue(isUtf8(Payload.entityOf(payload)))
        assert.deepStrictEqual(
          Payload.ofLog({ kind, entity: Payload.entityOf(payload), body: text }),
          payload
        )
      }),
      { numRuns: 150 }
    )
  })

  it.each(kinds.filter((kind) => !["store", "restore", "consolidate"].includes(kind)))(
    "ignores fields that it does not know: %s",
    (kind) => {
      FastCheck.assert(
        FastCheck.property(valid[kind], (payload) => {
          const body = parsed(payload)
          if (typeof body !== "object" || body === null) return
          const richer = { newer: { x: [1] }, ...body, signed_by: "\ud800" }
          assert.deepStrictEqual(Either.getOrThrow(readBack(payload, richer)), payload)
        }),
        { numRuns: 50 }
      )
    }
  )

  it.each(["store", "restore", "consolidate", "archive", "decision"] as const)(
    "keeps the fields of a memory that it does not know, within bounds: %s",
    (kind) => {
      FastCheck.assert(
        FastCheck.property(valid[kind], (payload) => {
          FastCheck.pre(Payload.versionOf(payload) !== undefined)
          const text = Payload.encode(payload) ?? ""
          const end = kind === "archive" || kind === "decision" ? "}}" : "}"
          const withMore = (more: object): unknown =>
            JSON.parse(`${text.slice(0, -end.length)},${JSON.stringify(more).slice(1, -1)}${end}`)
          const richer = Either.getOrThrow(readBack(payload, withMore({ signed_by: "us", newer: { x: [1] } })))
          assert.isTrue(Payload.encode(richer)?.includes(`,"newer":{"x":[1]},"signed_by":"us"}`))
          assert.deepStrictEqual(Payload.inFormat(1, richer), payload)
          assert.isTrue(Either.isLeft(readBack(payload, withMore({ newer: "x".repeat(65_536) }))))
          assert.isTrue(Either.isLeft(readBack(payload, withMore({ newer: "\ud800" }))))
        }),
        { numRuns: 30 }
      )
    }
  )

  it.each(kinds)("refuses a lone surrogate, wherever it stands: %s", (kind) => {
    let refused = 0
    FastCheck.assert(
      FastCheck.property(
        valid[kind],
        FastCheck.nat(40),
        FastCheck.constantFrom("\ud800", "a\udfffb", "\udc00\ud83e"),
        (payload, left, lone) => {
          const place = { left }
          const body = exchange(parsed(payload), place, lone)
          const entity = body === null ? lone : Payload.entityOf(payload)
          // A payload of fewer texts than that is as it was.
          if (body !== null && place.left >= 0) return
          assert.isTrue(Either.isLeft(Payload.read(kind, entity, body)))
          refused++
        }
      ),
      { numRuns: 200 }
    )
    assert.isAbove(refused, 10)
  })

  it.each(
    kinds.filter((kind) => Payload.encode(FastCheck.sample(valid[kind], 1)[0] ?? { kind: "delete", entity: "" }))
  )(
    "says what is malformed, and never takes nothing: %s",
    (kind) => {
      for (const body of [null, undefined, "text", 1, [], {}]) {
        assert.match(why(Payload.read(kind, "x", body)), /^malformed: /)
      }
    }
  )

  it("takes the body of no other kind", () => {
    const shapes: ReadonlyArray<readonly [ReadonlyArray<Kind>, Payload.Payload]> = [
      [["store", "restore", "consolidate"], { kind: "store", memory }],
      [["archive"], { kind: "archive", memory, archivedAt: stamp, reason: "archive" }],
      [["link"], { kind: "link", link: linkOf({}) }],
      [["vote"], { kind: "vote", vote: { id: "p", agent_id: "a", approved_at: stamp } }],
      [["decision"], { kind: "decision", decision: { id: "p", approved: true, decider: "a", decided_at: stamp } }],
      [["namespace_meta"], {
        kind: "namespace_meta",
        meta: { namespace: "n", standard_id: "s", parent_namespace: null, updated_at: stamp }
      }]
    ]
    const withBody = shapes.flatMap(([of]) => of)
    for (const [of, payload] of shapes) {
      for (const kind of withBody) {
        assert.strictEqual(Either.isRight(Payload.read(kind, "x", parsed(payload))), of.includes(kind), kind)
      }
    }
  })

  it("says which rule is broken", () => {
    const broken: ReadonlyArray<readonly [Kind, unknown, RegExp]> = [
      ["store", { ...memory, priority: 11 }, /^invalid: priority must/],
      ["restore", { ...memory, content: "" }, /^invalid: content must/],
      ["consolidate", { ...memory, id: "" }, /^invalid: id must/],
      ["link", linkOf({ relation: "likes" }), /^invalid: relation must/],
      ["vote", { id: "p", agent_id: "a b", approved_at: stamp }, /^invalid: agent_id must/],
      ["decision", { id: "p", approved: false, decider: "a", decided_at: stamp, memory }, /^invalid: memory stands/],
      ["namespace_meta", { namespace: " n", standard_id: "s" }, /^invalid: namespace must/]
    ]
    for (const [kind, body, message] of broken) assert.match(why(Payload.read(kind, "x", body)), message)
    assert.match(why(Payload.ofMemory("store", { ...memory, tags: [""] })), /^invalid: tags\[0\] must/)
  })

  it("ends versions of an id or of a namespace", () => {
    for (const kind of ["delete", "unlink"] as const) {
      assert.isTrue(Either.isRight(Payload.read(kind, "x".repeat(128), null)))
      for (const entity of ["", " ", "x".repeat(129), "\ud800", "a\u0000"]) {
        assert.match(why(Payload.read(kind, entity, null)), /^invalid: id must/)
      }
    }
    assert.isTrue(Either.isRight(Payload.read("namespace_meta_clear", "*", null)))
    for (const entity of ["", "a ", "x".repeat(513), "\ud800"]) {
      assert.match(why(Payload.read("namespace_meta_clear", entity, null)), /^invalid: namespace must/)
    }
  })

  it("archives for a reason of at most 512 bytes", () => {
    const body = { archived_at: "2023-11-14T23:13:20+01:00", archive_reason: "x".repeat(512), memory }
    assert.deepStrictEqual(Either.getOrThrow(Payload.read("archive", "m", body)), {
      kind: "archive",
      memory,
      archivedAt: stamp,
      reason: body.archive_reason
    })
    for (const archive_reason of ["x".repeat(513), "é".repeat(257), "\ud800", "a\u0000b"]) {
      assert.match(why(Payload.read("archive", "m", { ...body, archive_reason })), /^invalid: (archive_)?reason must/)
    }
    assert.match(why(Payload.read("archive", "m", { ...body, memory: { ...memory, title: "" } })), /^invalid: title/)
    assert.match(why(Payload.read("archive", "m", { ...body, archived_at: "now" })), /^malformed: archived_at/)
  })

  it("gives a link the same id on every node, by what it links and how", () => {
    const id = linkId(linkOf({}))
    assert.strictEqual(id, LINK_ID)
    assert.strictEqual(linkId(linkOf({ observed_by: "me", valid_until: stamp })), id)
    const others = [
      linkOf({ source_id: "b", target_id: "a" }),
      linkOf({ relation: "supersedes" }),
      linkOf({ source_id: "a\",\"b", target_id: "c" }),
      linkOf({ source_id: "a", target_id: "b\",\"c" })
    ].map(linkId)
    assert.strictEqual(new Set([id, ...others]).size, 5)
  })

  it("has a version of a memory where it makes one", () => {
    for (const kind of ["store", "restore", "consolidate"] as const) {
      assert.deepStrictEqual(Payload.versionOf({ kind, memory }), memory)
    }
    assert.deepStrictEqual(Payload.versionOf({ kind: "archive", memory, archivedAt: stamp, reason: "r" }), memory)
    const decision = { id: "p", approved: true, decider: "a", decided_at: stamp }
    assert.deepStrictEqual(Payload.versionOf({ kind: "decision", decision: { ...decision, memory } }), memory)
    assert.isUndefined(Payload.versionOf({ kind: "decision", decision }))
    assert.isUndefined(Payload.versionOf({ kind: "link", link: linkOf({}) }))
    assert.isUndefined(Payload.versionOf({ kind: "delete", entity: "m" }))
  })

  it("says that the log is damaged, and where, when it can not read it", () => {
    const damaged = () => Payload.ofLog({ kind: "vote", entity: "p", body: "{}" })
    assert.throws(damaged, /the log is damaged: vote of p: malformed/)
  })

  it("of a subscription is shown without its secret, and without the path of its URL", () => {
    const subscription = {
      id: "s",
      url: "https://hooks.example.org/T000/secret-path",
      secret: "nobody-is-shown-this",
      events: [],
      agent_id: "ann",
      created_by: "ann",
      created_at: Stamp.fromMillis(0),
      since: "c"
    }
    const body = Payload.encode({ kind: "subscription", subscription })
    const shown = JSON.stringify(Payload.shownBody({ kind: "subscription", entity: "s", body }))
    assert.notInclude(shown, "secret")
    assert.include(shown, "https://hooks.example.org")
    assert.strictEqual(Payload.shownBody({ kind: "unsubscribe", entity: "s", body: null }), null)
    assert.deepStrictEqual(Payload.shownBody({ kind: "store", entity: "m", body: "{\"a\":1}" }), { a: 1 })
  })
})

/** sha256 of `["a","b","related_to"]`, as a UUID of version 8. */
const LINK_ID = "bc379c09-8e1c-88d3-b4ca-f4b48562fb45"

function linkOf(given: Partial<Parameters<typeof linkId>[0]> & Record<string, unknown>) {
  return { source_id: "a", target_id: "b", relation: "related_to", created_at: stamp, ...given }
}
