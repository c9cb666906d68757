import { assert, describe, it } from "@effect/vitest"
import { OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hashOf, type Operation } from "../../src/replication/Operation.js"

const operation: Omit<Operation, "hash"> = {
  format: 1,
  opId: OpId.make("op-1"),
  origin: Origin.make("node/1"),
  oseq: 7,
  hlc: Stamp.fromMillis(1_700_000_000_000),
  kind: "store",
  entity: "a",
  body: `{"id":"a"}`,
  baseHlc: null,
  covers: [{ id: "b", hlc: Stamp.fromMillis(1_600_000_000_000), origin: Origin.make("node/1") }],
  idempotency: null
}

describe("the hash of an operation", () => {
  it("of format 1 is what version 0.2.0 wrote", () => {
    assert.strictEqual(hashOf(operation), "8856d7698db031b10100f20ae06bb1812b03b5f7952b4f68dd37d4c6fa33f13e")
  })

  it("of format 2 is of its fields after their lengths", () => {
    assert.strictEqual(
      hashOf({ ...operation, format: 2 }),
      "6bba046cd5262e789ba9a6d3f3f26f6e3ec8c6563f03c3d4fba5acd836af39ad"
    )
  })

  it("of format 2 is another for another division into fields, which that of format 1 is not", () => {
    const one = { ...operation, entity: "a\n\n[]\n\nb", covers: [], body: "c" }
    const other = { ...operation, entity: "a", covers: [], body: "b\n\n[]\n\nc" }
    assert.strictEqual(hashOf(one), hashOf(other))
    assert.notStrictEqual(hashOf({ ...one, format: 2 }), hashOf({ ...other, format: 2 }))
  })

  it("of format 2 has the agent that asked for it", () => {
    const two = { ...operation, format: 2 } as const
    assert.notStrictEqual(hashOf({ ...two, agent: "somebody" }), hashOf(two))
    assert.notStrictEqual(hashOf({ ...two, agent: "somebody" }), hashOf({ ...two, agent: "somebody:else" }))
  })

  it("of format 2 tells an empty body from none", () => {
    assert.strictEqual(hashOf({ ...operation, body: "" }), hashOf({ ...operation, body: null }))
    assert.notStrictEqual(
      hashOf({ ...operation, format: 2, body: "" }),
      hashOf({ ...operation, format: 2, body: null })
    )
  })
})
