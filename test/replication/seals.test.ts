import { assert, describe, it } from "@effect/vitest"
import { ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js"
import * as Option from "effect/Option"
import { publicKeyOf, type Signer, verify } from "../../src/access/ed25519.js"
import { OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as seals from "../../src/replication/seals.js"
import { keyNamed } from "../store/authors.js"

const operationOf = (oseq: number): Operation =>
  hashed({
    format: 2,
    opId: OpId.make(`op-${oseq}`),
    origin: Origin.make("node-a/7"),
    oseq,
    hlc: Stamp.fromMillis(1_700_000_000_000 + oseq),
    kind: "delete",
    entity: `memory-${oseq}`,
    body: null,
    baseHlc: null,
    covers: [{ id: `memory-${oseq}`, hlc: Stamp.fromMillis(1_600_000_000_000), origin: Origin.make("node-b/1") }],
    idempotency: null
  })

const operationsOf = (count: number) => Array.from({ length: count }, (_, at) => operationOf(at + 1))
const signer = keyNamed("a")

/** Whether a seal is this operation's, by a key. */
const isGood = (text: string, operation: Operation, { publicKey }: Signer = signer, author = "node-a"): boolean => {
  const seal = Option.getOrNull(seals.read(text))
  if (seal === null || seal.key !== publicKey.hex) return false
  const root = seals.rootOfOperation(seal, operation)
  return root !== null && verify(publicKey, seals.signedBytes(author, root, seal.count), seal.signature)
}

describe("seals", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 13, 64, 100, 255, 256])("of %i operations of one commit are each good", (count) => {
    const operations = operationsOf(count)
    const made = seals.make(operations, "node-a", signer)
    assert.lengthOf(made, count)
    operations.forEach((operation, at) => {
      const seal = made[at] ?? ""
      assert.isTrue(isGood(seal, operation), `${at} of ${count}`)
      assert.isAtMost(seal.length, seals.MAX_SEAL_CHARS)
      assert.isAtMost(Option.getOrThrow(seals.read(seal)).proof.length, 8)
    })
    // Of one signature, which is made once.
    assert.strictEqual(
      new Set(made.map((seal) => Option.getOrThrow(seals.read(seal)).signature.toString("hex"))).size,
      1
    )
  })

  it("are of no other operation", () => {
    const operations = operationsOf(5)
    const made = seals.make(operations, "node-a", signer)
    made.forEach((seal, at) =>
      operations.forEach((operation, other) => assert.strictEqual(isGood(seal, operation), at === other))
    )
    const [first] = operations
    const [seal = ""] = made
    assert.isDefined(first)
    const altered: ReadonlyArray<Partial<Operation>> = [
      { origin: Origin.make("node-a/8") },
      { oseq: 6 },
      { hlc: Stamp.fromMillis(1_700_000_000_009) },
      { hash: "0".repeat(64) },
      { kind: "archive" },
      { entity: "memory-2" },
      { covers: [] },
      { covers: first.covers.map((ref) => ({ ...ref, id: "memory-2" })) },
      { covers: first.covers.map((ref) => ({ ...ref, origin: Origin.make("node-b/2") })) }
    ]
    for (const change of altered) assert.isFalse(isGood(seal, { ...first, ...change }), JSON.stringify(change))
    assert.isFalse(isGood(seal, first, signer, "node-b"))
    assert.isFalse(isGood(seal, first, keyNamed("b")))
  })

  it("are broken by any byte that is another one", () => {
    const operations = operationsOf(7)
    for (const at of [0, 3, 6]) {
      const bytes = Buffer.from(seals.make(operations, "node-a", signer)[at] ?? "", "base64")
      const operation = operations[at]
      assert.isDefined(operation)
      for (let place = 0; place < bytes.length; place++) {
        const altered = Buffer.from(bytes)
        altered[place] = (altered[place] ?? 0) ^ 1
        assert.isFalse(isGood(altered.toString("base64"), operation), `byte ${place} of ${at}`)
      }
    }
  })

  it("have one form, and no step too many or too few", () => {
    const [operation] = operationsOf(1)
    const [seal = ""] = seals.make(operationsOf(3), "node-a", signer)
    assert.isDefined(operation)
    const bytes = Buffer.from(seal, "base64")
    for (
      const other of [
        "",
        "?",
        `${seal} `,
        seal.replace(/=+$/, ""),
        seal.replace(/\+/g, "-").replace(/\//g, "_") + "=",
        bytes.subarray(0, 98).toString("base64"),
        bytes.subarray(0, -1).toString("base64"),
        bytes.subarray(0, -32).toString("base64"),
        Buffer.concat([bytes, Buffer.alloc(32)]).toString("base64"),
        "A".repeat(480)
      ]
    ) {
      assert.isFalse(isGood(other, operation), other)
    }
  })

  it("are taken of no key of small order, and of none that is no point", () => {
    for (const hex of [...ED25519_TORSION_SUBGROUP, "02" + "0".repeat(62)]) {
      assert.isTrue(Option.isNone(publicKeyOf(Buffer.from(hex, "hex"))), hex)
    }
  })

  it("can be checked by who has an operation's names alone", () => {
    const [first] = operationsOf(1)
    const [text = ""] = seals.make(operationsOf(4), "node-a", signer)
    assert.isDefined(first)
    const { hash, hlc, origin, oseq } = first
    const seal = Option.getOrThrow(seals.read(text))
    const leaf = seals.leafOf({ hash, hlc, origin, oseq, detail: seals.detailOf(first) })
    const root = seals.rootOf(seal, leaf)
    assert.isNotNull(root)
    assert.isTrue(verify(signer.publicKey, seals.signedBytes("node-a", root, 4), seal.signature))
    assert.strictEqual(
      leaf.toString("hex"),
      "0ea0b6aaad6f8d1804d6a5932cbee74b5f08c9c5ac5f334a9dfd710af092bae2"
    )
    assert.strictEqual(root.toString("hex"), "d8ad79993ec454c0e0c5b0cce8de1d5c93ff7d19d3058e5229d78029aa354d35")
  })
})
