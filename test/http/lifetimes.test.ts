import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Call from "./call.js"
import * as Node from "./node.js"

const HOUR = 3_600
const DAY = 24 * HOUR

/** Other times than the usual ones, all of them. */
const TIMES = {
  shortTtl: Duration.seconds(100),
  midTtl: Duration.seconds(2000),
  longTtl: Duration.seconds(30_000),
  shortExtend: Duration.seconds(500),
  midExtend: Duration.seconds(6000)
}

const asker = (send: () => Call.Send) => async (status: number, ...request: Parameters<Call.Send>) => {
  const answered = await send()(...request)
  assert.strictEqual(answered.status, status, answered.text)
  return answered.body
}

/** How long a memory lives from its latest change on, in seconds. */
const lifeOf = (memory: Readonly<Record<string, unknown>>) =>
  memory["expires_at"] === undefined
    ? undefined
    : Math.round((Date.parse(String(memory["expires_at"])) - Date.parse(String(memory["updated_at"]))) / 1000)

describe("the lifetimes of tiers", () => {
  let usual: Node.Node
  let set: Node.Node
  beforeAll(async () => {
    usual = await Node.start()
    set = await Node.start(TIMES)
  })
  afterAll(() => Promise.all([usual.stop(), set.stop()]))
  const atUsual = asker(() => Call.to(usual))
  const atSet = asker(() => Call.to(set))

  it("are the usual ones where nothing is set, and otherwise those that are set", async () => {
    for (
      const [ask, short, mid, long] of [[atUsual, 6 * HOUR, 7 * DAY, undefined], [atSet, 100, 2000, 30_000]] as const
    ) {
      const life = async (tier: string) => {
        const body = { title: `of ${tier}`, content: "c", namespace: "tiers", tier }
        return lifeOf(await ask(201, "POST", "/memories", { body }))
      }
      assert.deepStrictEqual([await life("short"), await life("mid"), await life("long")], [short, mid, long])
    }
  })

  it("hold in a bulk, a message, a consolidation and what comes back from the archive", async () => {
    const row = (title: string) => ({ title, content: title, namespace: "others" })
    const { ids } = await atSet(200, "POST", "/memories/bulk", { body: [row("a"), row("b")] })
    const [a, b] = Array.isArray(ids) ? ids.map(String) : []
    assert.strictEqual(lifeOf(await atSet(200, "GET", `/memories/${a}`)), 2000)
    await atSet(201, "POST", "/notify", { body: { to: "bob", subject: "s", body: "b" } })
    const messages = (await atSet(200, "GET", "/memories?namespace=_messages/bob"))["memories"]
    assert.strictEqual(lifeOf(Object(messages)[0]), 2000)
    const merged = { ids: [a, b], title: "both", summary: "s", namespace: "others", tier: "short" }
    const { id } = await atSet(201, "POST", "/consolidate", { body: merged })
    assert.strictEqual(lifeOf(await atSet(200, "GET", `/memories/${id}`)), 100)

    const at = "2020-01-01T00:00:00.000000000+00:00"
    const archived = {
      id: "came-back",
      ...row("archived"),
      ...{ tier: "mid", tags: [], priority: 5, confidence: 1, source: "api", access_count: 0, metadata: {} },
      ...{ created_at: at, updated_at: at, expires_at: "2020-01-02T00:00:00.000000000+00:00" }
    }
    const body = { memories: [], archived: [{ ...archived, archived_at: at, archive_reason: "archive" }] }
    await atSet(200, "POST", "/import", { body })
    await atSet(200, "POST", "/archive/came-back/restore")
    assert.strictEqual(lifeOf(await atSet(200, "GET", "/memories/came-back")), 2000)
  })

  it("are extended by a recall for as long as is set", async () => {
    const recalled = async (ask: typeof atSet, tier: string) => {
      const body = { title: `recall ${tier}`, content: "heliotrope", namespace: `recalled/${tier}`, tier, ttl_secs: 50 }
      const { id } = await ask(201, "POST", "/memories", { body })
      await ask(200, "POST", "/recall", { body: { context: "heliotrope", namespace: `recalled/${tier}` } })
      for (let waits = 0; waits < 100; waits++) {
        const found = await ask(200, "GET", `/memories/${id}`)
        if (found["access_count"] === 1) {
          const from = Date.parse(String(found["last_accessed_at"]))
          return Math.round((Date.parse(String(found["expires_at"])) - from) / 1000)
        }
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      return undefined
    }
    assert.deepStrictEqual([await recalled(atUsual, "short"), await recalled(atUsual, "mid")], [HOUR, DAY])
    assert.deepStrictEqual([await recalled(atSet, "short"), await recalled(atSet, "mid")], [500, 6000])
  })

  it("are for ever, and not extended, where they are zero", async () => {
    const zero = await Node.start({ midTtl: Duration.zero, midExtend: Duration.zero })
    try {
      const ask = asker(() => Call.to(zero))
      const memory = await ask(201, "POST", "/memories", { body: { title: "kept", content: "c" } })
      assert.notProperty(memory, "expires_at")
      assert.notProperty(memory, "notice")
      assert.notProperty(await ask(200, "POST", "/memories/bulk", { body: [{ title: "k", content: "c" }] }), "notice")
    } finally {
      await zero.stop()
    }
  })

  describe("taken by default", () => {
    it("are told in the answer of a creation, with the moment", async () => {
      const body = { title: "first", content: "c", namespace: "noticed" }
      const stored = await atUsual(201, "POST", "/memories", { body })
      assert.strictEqual(
        stored["notice"],
        `The tier is the default one, mid: this memory is forgotten at ${
          stored["expires_at"]
        }, unless it is recalled ` +
          "often, or shortly before. To keep one for good, promote it."
      )
      const chosen = [{ tier: "mid" }, { tier: "short" }, { tier: "long" }, { ttl_secs: 60 }, {
        expires_at: new Date(Date.now() + 60_000).toISOString()
      }]
      for (const [at, choice] of chosen.entries()) {
        const told = await atUsual(201, "POST", "/memories", { body: { ...body, title: `chosen ${at}`, ...choice } })
        assert.notProperty(told, "notice", JSON.stringify(choice))
      }
      const kept = await atUsual(201, "POST", "/memories", { body: { ...body, title: "kept", tier: "long" } })
      assert.notProperty(kept, "expires_at")
      const onto = { body: { ...body, title: "kept", on_conflict: "merge" } }
      assert.notProperty(await atUsual(201, "POST", "/memories", onto), "notice")
    })

    it("are told in the answer of a bulk, of the rows that were stored", async () => {
      const rows = [{ title: "a", content: "a" }, { title: "b", content: "b", tier: "long" }, {
        title: "",
        content: "c"
      }]
      const told = await atUsual(200, "POST", "/memories/bulk", { body: rows })
      assert.strictEqual(
        told["notice"],
        "The tier of 1 row(s) is the default one, mid: a memory of it is forgotten after 7d, unless it is recalled often, or shortly before. " +
          "To keep one for good, promote it."
      )
      assert.notProperty(await atUsual(200, "POST", "/memories/bulk", { body: [rows[1]] }), "notice")
    })
  })
})
