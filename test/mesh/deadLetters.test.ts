import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"
import * as Proxy from "./Proxy.js"

/** What stands in a memory that the third node's door refuses, and with what. */
const REFUSED = { "not of the schema": 422, "over the cap": 400, "too large": 413 }

describe("a peer that refuses some operations", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let door: Proxy.Proxy
  let isOpen = false
  const member = (index: number) => {
    const found = cluster.members[index]
    assert.isDefined(found)
    return found
  }

  beforeAll(async () => {
    cluster = await Cluster.make({
      size: 3,
      flags: ["--quorum-writes", "2"],
      peers: ([first = "", second = ""], index) =>
        index === 0 ? [second, door.url] : index === 1 ? [first, door.url] : [first, second]
    })
    door = await Proxy.make(() => member(2).url, (path, body) =>
      isOpen || !path.endsWith("/sync/push")
        ? undefined
        : Object.entries(REFUSED).find(([marker]) => body.includes(marker))?.[1])
    // The third node must not fetch by itself what its door refuses.
    const intervals = ["1", "1", "0"]
    await Promise.all(
      cluster.members.map((one, index) => one.start({ flags: ["--catchup-interval-secs", intervals[index] ?? "0"] }))
    )
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterAll(async () => {
    await cluster.close()
    await door.close()
  })

  const letters = async (url: string) => api.rows(await api.ask(url, "GET /federation/dlq"), "dead_letters")
  const gauge = async (url: string) =>
    Number(/^federation_push_dlq_depth(?:\{.*\})? (.+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1])

  it("its operations are dead letters with the reason, the others flow on, and a retry empties it", async () => {
    const refused: Array<{ readonly id: string; readonly status: number }> = []
    const passed: Array<string> = []
    for (const [marker, status] of Object.entries(REFUSED)) {
      refused.push({ status, id: await api.create(member(0).url, { namespace: "dlq", title: marker }) })
      passed.push(await api.create(member(0).url, { namespace: "dlq", title: `after ${status}` }))
    }
    await api.everywhere(
      cluster.members,
      "what nobody refuses",
      async (url) => (await Promise.all(passed.map((id) => api.memory(url, id)))).every((one) => one !== undefined)
    )
    const third = await api.ask(member(2).url, "GET /sync/hello")
    for (const { url } of [member(0), member(1)]) {
      await Cluster.until(`${url} has all dead letters`, async () => (await letters(url)).length === refused.length)
      for (const { id, status } of refused) {
        const letter = (await letters(url)).find(({ entity }) => entity === id)
        assert.isTrue(api.has(letter, { kind: "store", peer_id: third["node_id"], discarded: false }))
        assert.include(String(letter?.["reason"]), String(status))
        assert.isUndefined(await api.memory(member(2).url, id))
      }
      assert.strictEqual(await gauge(url), refused.length)
    }

    await member(0).stop("SIGKILL")
    await member(0).start({ flags: ["--catchup-interval-secs", "1"] })
    assert.strictEqual((await letters(member(0).url)).length, refused.length, "they outlive their node")
    await Cluster.inTouch(cluster.members)

    isOpen = true
    for (const { url } of [member(0), member(1)]) {
      for (const { id } of await letters(url)) {
        const { body, status } = await Cluster.call(url, "POST", `/api/v1/federation/dlq/${String(id)}/retry`)
        // The node may have tried again by itself, or have heard that the other one delivered it.
        if (status !== 404) assert.deepInclude(body, { retried: true, result: "delivered" })
      }
      await Cluster.until(`${url} has no dead letter`, async () => (await letters(url)).length === 0)
      assert.strictEqual(await gauge(url), 0)
    }
    await api.settled(cluster.members)
    for (const one of cluster.members) {
      assert.sameMembers([...(await Cluster.contents(one, "dlq")).keys()], [...passed, ...refused.map(({ id }) => id)])
    }
  }, 60_000)
})
