import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { OpId, Origin } from "../../src/domain/ids.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { remember } from "../../src/operations/memories/remember.js"
import { operation } from "../store/letters.js"
import { Network, type Node, startNode } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
const PUSH = "/api/v1/sync/push"
const CLIENTS = 64
const WRITES_EACH = 12

/*
 * What a write costs its peers is counted: how many share a push, and how often its text is made.
 */

describe("a push", () => {
  let nodes: Array<Node> = []
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
  })

  it("carries the writes of a third of the clients at least", async () => {
    const network = new Network()
    const [one] = nodes = [A, B, C].map((url, _, all) =>
      startNode(network, url, all.filter((other) => other !== url), { w: 2 })
    )
    const store = (client: number, index: number) =>
      remember({ title: `${client} ${index}`, content: "content" }, nobody)
    await one?.runPromise(store(0, -1))
    network.requests.length = 0
    await one?.runPromise(Effect.forEach(
      Array.from({ length: CLIENTS }),
      (_, client) => Effect.forEach(Array.from({ length: WRITES_EACH }), (_, index) => store(client, index)),
      { concurrency: "unbounded", discard: true }
    ))
    for (const to of [B, C]) {
      const pushes = network.requests.filter(({ path, to: url }) => path === PUSH && url === to)
      const carried = pushes.flatMap(({ body }) => JSON.parse(body).ops)
      assert.isAtLeast(carried.length / pushes.length, CLIENTS / 3, `${pushes.length} pushes to ${to}`)
    }
  }, 60_000)

  it("has the text of another one with the same operations", () => {
    let made = 0
    const items = [1, 2, 3].map((oseq): PeerApi.Written => {
      const written = PeerApi.write({ ...operation(oseq), opId: OpId.make(`op-${oseq}`), origin: Origin.make("me/1") })
      return {
        ...written,
        get text() {
          made++
          return written.text
        }
      }
    })
    const text = PeerApi.encodeCarrier(items)
    assert.strictEqual(made, 3)
    assert.strictEqual(PeerApi.encodeCarrier([...items]), text)
    assert.strictEqual(made, 3)
    for (const others of [items.slice(0, 2), items.toReversed(), [...items, ...items.slice(0, 1)]]) {
      const other: { ops: ReadonlyArray<{ op_id: string; ref: string }> } = JSON.parse(
        `{${PeerApi.encodeCarrier(others)}}`
      )
      assert.deepStrictEqual(other.ops.map(({ op_id }) => op_id), others.map((item) => item.operation.opId))
    }
  })
})
