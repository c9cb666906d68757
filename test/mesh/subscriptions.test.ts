import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { createHash, createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders, type Server } from "node:http"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/*
 * Three daemons, and receivers of webhooks beside them: events come in order, signed, at least once, whichever node was written to and
 * whichever is killed; what is not taken is a dead letter that can be sent again.
 */

const SECRET = "correct-horse-battery"

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly raw: string
  readonly event: api.Json
}

/** A receiver that answers with the status that is set. */
const receiver = async () => {
  const received: Array<Received> = []
  let status = 200
  const server: Server = createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      const raw = Buffer.concat(parts).toString()
      const event = api.record(JSON.parse(raw))
      if (status === 200) received.push({ headers: request.headers, raw, event })
      response.writeHead(status, { "content-type": "application/json", location: "/elsewhere" })
      response.end(JSON.stringify({ status: "ack", correlation_id: event["correlation_id"] }))
    })
  })
  const [port] = await Cluster.freePorts(1)
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    ids: () => received.map(({ event }) => event["memory_id"]),
    answer: (with_: number) => {
      status = with_
    },
    close: () => new Promise((resolve) => server.close(resolve))
  }
}

describe("webhooks on three nodes", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  const receivers: Array<Awaited<ReturnType<typeof receiver>>> = []
  beforeAll(async () => {
    cluster = await Cluster.make({
      size: 3,
      flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "3000", "--catchup-interval-secs", "1"],
      environment: { QUORATE_ALLOW_LOOPBACK_WEBHOOKS: "true" }
    })
    await Promise.all(cluster.members.map((member) => member.start()))
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterEach(async () => {
    for (const each of receivers.splice(0)) await each.close()
  })
  afterAll(() => cluster.close())

  const at = (index: number) => {
    const member = cluster.members[index]
    assert.isDefined(member)
    return member
  }
  const open = async () => {
    const opened = await receiver()
    receivers.push(opened)
    return opened
  }
  const subscribe = async (url: string, body: api.Json = {}) =>
    String((await api.ask(at(0).url, "POST /subscriptions", { body: { url, ...body }, status: 201 }))["id"])
  const end = (id: string, url = at(0).url) => api.ask(url, `DELETE /subscriptions/${id}`)
  const create = (index: number, namespace: string, title: string) => api.create(at(index).url, { namespace, title })
  const delivered = (what: string, holds: () => boolean, within = 30_000) =>
    Cluster.until(what, () => Promise.resolve(holds()), within)

  /** Of each origin each event came for the first time after those before it. */
  const inOrder = (received: ReadonlyArray<Received>) => {
    for (const origin of new Set(received.map(({ event }) => event["origin"]))) {
      const seqs = received.filter(({ event }) => event["origin"] === origin).map(({ event }) => Number(event["seq"]))
      assert.deepStrictEqual([...new Set(seqs)], [...new Set(seqs)].toSorted((a, b) => a - b))
    }
  }

  it("are sent in order of each node, filtered, and signed in both forms", async () => {
    const hook = await open()
    const id = await subscribe(hook.url, { secret: SECRET, namespace_filter: "hooks/**", events: ["memory_store"] })
    const ids: Array<string> = []
    for (let i = 0; i < 12; i++) {
      ids.push(await create(i % 3, "hooks/a", `t${i}`))
      await create(i % 3, "elsewhere", `t${i}`)
    }
    await api.ask(at(0).url, `DELETE /memories/${ids[0]}`)
    await delivered("all of them", () => new Set(hook.ids()).size === ids.length)
    await end(id)
    assert.sameMembers([...new Set(hook.ids())], ids)
    inOrder(hook.received)
    for (const { event, headers, raw } of hook.received) {
      assert.strictEqual(event["event"], "memory_store")
      assert.notInclude(raw, "some content")
      const timestamp = String(headers["x-ai-memory-timestamp"])
      assert.isAtMost(Math.abs(Date.now() / 1000 - Number(timestamp)), 120)
      // contract.md 2.11: the key is the SHA-256 of the secret, over "<timestamp>.<body>".
      const key = createHash("sha256").update(SECRET).digest()
      const signature = createHmac("sha256", key).update(`${timestamp}.${raw}`).digest("hex")
      assert.strictEqual(headers["x-ai-memory-signature"], `sha256=${signature}`)
      // contract.md 9: what the SDKs verify.
      const plain = createHmac("sha256", SECRET).update(raw).digest("hex")
      assert.strictEqual(headers["x-ai-memory-signature-v0"], `sha256=${plain}`)
      assert.strictEqual(headers["x-ai-memory-correlation-id"], event["correlation_id"])
      assert.match(
        String(event["correlation_id"]),
        /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
      )
      assert.isString(event["delivered_at"])
    }
  }, 60_000)

  it("go on by another node when the one that sends is killed, and nothing lacks", async () => {
    const hook = await open()
    const id = await subscribe(hook.url, { namespace_filter: "takeover" })
    const ids = [await create(0, "takeover", "first")]
    await delivered("the first", () => hook.ids().length > 0)
    const sender = await senderOf(id)
    const others = [0, 1, 2].filter((index) => index !== sender)
    const [one = 0] = others
    const writing = (async () => {
      for (let i = 0; i < 40; i++) ids.push(await create(one, "takeover", `t${i}`))
    })()
    await delivered("some", () => hook.ids().length > 5)
    await at(sender).stop("SIGKILL")
    await writing
    await delivered("all of them", () => ids.every((made) => hook.ids().includes(made)), 60_000)
    inOrder(hook.received)
    const byId = new Map<unknown, Set<unknown>>()
    for (const { event } of hook.received) {
      byId.set(event["memory_id"], (byId.get(event["memory_id"]) ?? new Set()).add(event["id"]))
    }
    for (const events of byId.values()) assert.strictEqual(events.size, 1, "what comes twice has one id")
    await at(sender).start()
    await Cluster.inTouch(cluster.members)
    const last = await create(sender, "takeover", "after its return")
    await delivered("the last", () => hook.ids().includes(last))
    await end(id, at(one).url)
  }, 120_000)

  it("come after a kill of all nodes", async () => {
    const hook = await open()
    const id = await subscribe(hook.url, { namespace_filter: "killed" })
    const first = await create(0, "killed", "first")
    await delivered("the first", () => hook.ids().includes(first))
    hook.answer(500)
    const second = await create(1, "killed", "second")
    await Promise.all(cluster.members.map((member) => member.stop("SIGKILL")))
    hook.answer(200)
    await Promise.all(cluster.members.map((member) => member.start()))
    await Cluster.inTouch(cluster.members)
    await delivered("the second", () => hook.ids().includes(second), 60_000)
    await end(id)
  }, 120_000)

  it("that are not taken are dead letters, which are sent again or given up", async () => {
    const hook = await open()
    const id = await subscribe(hook.url, { namespace_filter: "dead", secret: SECRET })
    hook.answer(302)
    const ids = [await create(0, "dead", "first"), await create(0, "dead", "second")]
    const letters = async () =>
      (await Promise.all(
        cluster.members.map(async ({ url }) =>
          api.rows(await api.ask(url, `GET /subscriptions/dlq${api.query({ subscription_id: id })}`), "dead_letters")
            .map((letter) => ({ url, letter }))
        )
      )).flat()
    await Cluster.until("two dead letters", async () => (await letters()).length === 2, 60_000)
    const [first, second] = await letters()
    assert.deepInclude(first?.letter, {
      subscription_id: id,
      event: "memory_store",
      attempts: 4,
      reason: "the receiver answered 302"
    })
    assert.lengthOf(hook.received, 0)
    const again = (of: typeof first) =>
      api.ask(String(of?.url), `POST /subscriptions/dlq/${String(of?.letter["id"])}/replay`)
    assert.deepInclude(await again(first), { result: "refused" })
    hook.answer(200)
    // What comes later goes on meanwhile.
    const later = await create(1, "dead", "third")
    await delivered("the third", () => hook.ids().includes(later), 60_000)
    assert.deepInclude(await again(first), { result: "delivered" })
    assert.deepStrictEqual(hook.ids().at(-1), ids[0])
    await api.ask(String(second?.url), `DELETE /subscriptions/dlq/${String(second?.letter["id"])}`)
    assert.lengthOf(await letters(), 0)
    const counts = async () =>
      api.rows(await api.ask(at(2).url, "GET /subscriptions"), "subscriptions").find((one) => one["id"] === id)
    await Cluster.until("the counts are told", async () => (await counts())?.["failure_count"] === 2, 30_000)
    for (const { db, log } of cluster.members) {
      assert.isString(db)
      assert.notInclude(readFileSync(log, "utf8"), SECRET)
    }
    await end(id)
  }, 150_000)

  it("are followed on any node by one cursor", async () => {
    const page = (url: string, since: string) =>
      api.ask(url, `GET /changes${api.query({ since, namespace: "followed" })}`)
    const from = String((await api.ask(at(0).url, "GET /changes"))["cursor"])
    const first = await create(1, "followed", "first")
    await api.settled(cluster.members)
    const heard = await page(at(0).url, from)
    assert.deepStrictEqual(api.rows(heard, "events").map(({ memory_id }) => memory_id), [first])
    const second = await create(2, "followed", "second")
    await api.settled(cluster.members)
    const then = await page(at(1).url, String(heard["cursor"]))
    assert.deepStrictEqual(api.rows(then, "events").map(({ memory_id }) => memory_id), [second])
    const none = await page(at(2).url, String(then["cursor"]))
    assert.lengthOf(api.rows(none, "events"), 0)
    // The same event is told by the same id, whoever tells it.
    const told = api.rows(await page(at(2).url, from), "events").find(({ memory_id }) => memory_id === first)
    assert.strictEqual(told?.["id"], api.rows(heard, "events")[0]?.["id"])
  }, 60_000)

  /** The node that serves a subscription: the one that counts what it sent. */
  const senderOf = async (id: string): Promise<number> => {
    assert.isString(id)
    const counted = await Promise.all(cluster.members.map(async ({ url }) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(/^webhook_dispatched_total (\d+)/m.exec(text)?.[1] ?? 0)
    }))
    const before = counted
    await create(0, "takeover", `probe ${Date.now()}`)
    for (;;) {
      const now = await Promise.all(cluster.members.map(async ({ url }) => {
        const text = await (await fetch(`${url}/metrics`)).text()
        return Number(/^webhook_dispatched_total (\d+)/m.exec(text)?.[1] ?? 0)
      }))
      const found = now.findIndex((count, index) => count > (before[index] ?? 0))
      if (found !== -1) return found
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
})
