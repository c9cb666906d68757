import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { OpId } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { remember } from "../../src/operations/memories/remember.js"
import { hashed } from "../../src/replication/Operation.js"
import { ofLog } from "../../src/replication/Payload.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { DeadLetters } from "../../src/store/DeadLetters.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { memory } from "../store/memories.js"
import { Network, type Node, startNodes } from "./inProcess.js"

const A = "http://a"
const B = "http://b"

describe("a number that a peer knows for another operation", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-own-"))
  const nodes: Array<Node> = []
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    rmSync(folder, { recursive: true, force: true })
  })

  const start = () =>
    startNodes(new Network(), [A, B], { w: 1, file: (url) => join(folder, `${new URL(url).hostname}.db`) })
  const store = (node: Node) => node.runPromise(MemoryStore)
  const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

  it("is given up by its node, and nothing is lost or refused in the end", async () => {
    const before = start()
    await Promise.all(before.map((node) => store(node)))
    await Promise.all(before.map((node) => node.dispose()))
    nodes.push(...start())
    const [a, b] = nodes
    assert.isDefined(a)
    assert.isDefined(b)
    const [ofA, ofB] = [await store(a), await store(b)]
    const origin = ofA.origin()
    await a.runPromise(remember({ title: "first", content: "before all peers" }, nobody))
    assert.strictEqual(ofA.origin(), origin, "the peer was asked in time")
    const hlc = Stamp.fromMillis(Date.now())
    const theirs = hashed({
      format: 1,
      opId: OpId.make(randomUUID()),
      origin,
      oseq: 2,
      hlc,
      kind: "store",
      entity: "x",
      body: JSON.stringify(memory("x", "x", hlc)),
      baseHlc: null,
      covers: [],
      idempotency: null
    })
    await b.runPromise(ofB.receive([{ operation: theirs, payload: ofLog(theirs) }]))
    const { memory: second } = await a.runPromise(remember({ title: "second", content: "under the number" }, nobody))
    await until(
      "both hold all of it",
      async () =>
        ofA.vector().size === 2 && VersionVector.equals(ofA.vector(), ofB.vector()) && ofA.digest() === ofB.digest(),
      20_000
    )
    assert.notStrictEqual(ofA.origin(), origin)
    assert.strictEqual(VersionVector.upto(ofA.vector(), origin), 2)
    assert.isNotEmpty(second.id)
    assert.strictEqual(await a.runPromise(Effect.map(DeadLetters, ({ depth }) => depth())), 0)
  }, 40_000)
})
