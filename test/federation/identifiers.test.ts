import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { push } from "../../src/federation/inbound/receive.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import { Network, type Node, startNode } from "./inProcess.js"

/*
 * What others call things stands in headers, in JSON and in logs of this node. So it is a name and nothing else when it
 * comes in, and is written as what it is when it goes out.
 */

const NOW = Stamp.fromMillis(1_750_000_000_000)

const deletion = (changes: Partial<Operation> = {}): Operation =>
  hashed({
    format: 2,
    opId: OpId.make("op-1"),
    origin: Origin.make("peer/1"),
    oseq: 1,
    hlc: NOW,
    kind: "delete",
    entity: "m",
    body: null,
    baseHlc: null,
    covers: [{ id: "m", hlc: NOW, origin: Origin.make("peer/1") }],
    idempotency: null,
    ...changes
  })

const carried = (operation: Operation) => `{"sender_agent_id":"p",${PeerApi.encodeCarrier([PeerApi.write(operation)])}}`

const TRICKS = ["a\nb", "a\"b", "a\\b", "a b", "a\u0000b", "a\u2028b", "\ud800", "é", "", "x".repeat(65)]

describe("an identifier that comes in", () => {
  let node: Node
  afterEach(() => node.dispose())

  it.each(TRICKS)("is refused as the id of an operation: %j", async (trick) => {
    node = startNode(new Network(), "http://me", [], { w: 1 })
    const refused = await node.runPromise(
      Effect.flip(push(JSON.parse(carried(deletion({ opId: OpId.make(trick) }))), {}))
    )
    assert.deepInclude(refused, { _tag: "PushRefused", status: 422, field: "ops[0].op_id" })
  })

  it("is refused as an origin, a kind, what an operation covers, and what it is about", async () => {
    node = startNode(new Network(), "http://me", [], { w: 1 })
    const refusal = async (changes: (op: Record<string, unknown>) => Record<string, unknown>) => {
      const body = JSON.parse(carried(deletion()))
      const refused = await node.runPromise(
        Effect.flip(push({ ...body, ops: [changes(body.ops[0])] }, {}))
      )
      return refused._tag === "PushRefused" ? refused.field : refused._tag
    }
    assert.strictEqual(await refusal((op) => ({ ...op, origin: "peer\n/1" })), "ops[0].origin")
    assert.strictEqual(await refusal((op) => ({ ...op, kind: "de\nlete" })), "ops[0].kind")
    assert.strictEqual(await refusal((op) => ({ ...op, covers: [["m\u0007", NOW, "peer/1"]] })), "ops[0].covers")
    assert.strictEqual(await refusal((op) => ({ ...op, covers: [["m", NOW, "no origin"]] })), "ops[0].covers")
    assert.strictEqual(await refusal((op) => ({ ...op, entity: "m\u0007" })), "ops[0].entity")
  })
})

describe("what a peer says of itself", () => {
  const hello = {
    protocol: 1,
    node_id: "b",
    incarnation: 1,
    version: "0.0.0",
    capabilities: [],
    limits: { operations: 1, bytes: 1 },
    vector: {},
    wall_clock: NOW
  }
  const isRead = <A, I>(schema: Schema.Schema<A, I>, value: unknown) =>
    Either.isRight(Schema.decodeUnknownEither(schema)(value))

  it("is bounded, and of the letters of names", () => {
    assert.isTrue(isRead(PeerApi.Hello, hello))
    for (
      const wrong of [
        { node_id: "b\n" },
        { version: "v".repeat(65) },
        { capabilities: ["c".repeat(65)] },
        { capabilities: Array.from({ length: 257 }, String) },
        { vector: { "b\"/1": 1 } }
      ]
    ) {
      assert.isFalse(isRead(PeerApi.Hello, { ...hello, ...wrong }), Object.keys(wrong).join())
    }
    assert.isFalse(isRead(PeerApi.PushAnswer, { receiver_node_id: "b\nc" }))
    assert.isFalse(isRead(PeerApi.PushAnswer, { results: [{ op_id: "b\nc", result: "applied" }] }))
  })
})

describe("an identifier that goes out", () => {
  it.each(TRICKS)("is written as JSON, whatever an older log has kept: %j", (trick) => {
    const operation = deletion({
      opId: OpId.make(trick),
      entity: trick,
      covers: [{ id: trick, hlc: NOW, origin: Origin.make(trick) }],
      idempotency: { keyHash: trick, requestHash: trick, turn: 0 }
    })
    const { deletions, ops } = JSON.parse(carried(operation))
    assert.deepInclude(ops[0], { op_id: trick, covers: [[trick, NOW, trick]], key: [trick, trick], kind: "delete" })
    assert.deepStrictEqual(deletions, [trick])
    const unlinked = JSON.parse(carried(deletion({ kind: "unlink", entity: trick })))
    assert.deepInclude(unlinked.ops[0], { entity: trick, ref: "" })
    assert.strictEqual(NodeId.make(trick), trick)
  })
})
