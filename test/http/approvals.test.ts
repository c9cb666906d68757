import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { until } from "../mesh/Cluster.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

interface Event {
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Listens to the feed of a node, until told to stop or cut off. */
const listen = async (node: Node.Node, query = "", headers: Record<string, string> = {}) => {
  const cancel = new AbortController()
  const response = await fetch(`${node.url}/api/v1/approvals/stream${query}`, { headers, signal: cancel.signal })
  assert.strictEqual(response.status, 200)
  assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
  let text = ""
  const ended = (async () => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
  })().catch(() => undefined)
  const events = (): ReadonlyArray<Event> =>
    text.split("\n\n").filter((part) => part.startsWith("event: ")).map((part) => {
      const [name = "", data = ""] = part.split("\ndata: ")
      const value: unknown = JSON.parse(data)
      return { name: name.slice("event: ".length), data: Call.isRecord(value) ? value : {} }
    })
  await until("listening", () => Promise.resolve(text.startsWith(": listening\n\n")))
  return {
    events,
    ended,
    stop: async () => {
      cancel.abort()
      await ended
    }
  }
}

type Listening = Awaited<ReturnType<typeof listen>>

const about = (listening: Listening, id: string) =>
  listening.events().flatMap(({ data, name }) => data["pending_id"] === id ? [name] : [])

const heard = (listening: Listening, id: string, names: ReadonlyArray<string>) =>
  until(
    `${names.join(" and ")} of ${id}`,
    () => Promise.resolve(JSON.stringify(about(listening, id)) === JSON.stringify(names))
  )

describe("the feed of approvals", () => {
  let node: Node.Node
  let send: Call.Send
  const listening: Array<Listening> = []
  const open = async (query?: string, headers?: Record<string, string>) => {
    const opened = await listen(node, query, headers)
    listening.push(opened)
    return opened
  }
  beforeAll(async () => {
    node = await Node.start()
    send = Call.to(node)
    for (const agent_id of ["voter", "other-voter"]) {
      await send("POST", "/agents", { body: { agent_id, agent_type: "human" } })
    }
  })
  afterAll(async () => {
    for (const each of listening) await each.stop()
    await node.stop()
  })

  const govern = (namespace: string, approver: unknown) =>
    send("POST", "/namespaces", { body: { namespace, governance: { write: "approve", approver } } })

  const queue = async (namespace: string, title: string, agent = "writer") => {
    const body = { namespace, title, content: "c", agent_id: agent }
    const answered = await send("POST", "/memories", { body })
    assert.strictEqual(answered.status, 202, answered.text)
    return String(answered.body["pending_id"])
  }

  it("tells what is asked for and what was decided, once each", async () => {
    await govern("human", "human")
    const early = await queue("human", "before anybody listened")
    const feed = await open("", { "x-agent-id": "anybody" })
    const id = await queue("human", "t")
    await heard(feed, id, ["approval_requested"])
    const { requested_at, ...requested } = feed.events()[0]?.data ?? {}
    assert.isString(requested_at)
    // Nothing of what would be stored.
    assert.deepStrictEqual(requested, {
      event: "approval_requested",
      pending_id: id,
      action_type: "store",
      namespace: "human",
      requested_by: "writer"
    })
    await send("POST", `/pending/${id}/approve`, { headers: { "x-agent-id": "boss" } })
    await heard(feed, id, ["approval_requested", "approval_decided"])
    assert.deepStrictEqual(feed.events().at(-1)?.data, {
      event: "approval_decided",
      pending_id: id,
      decision: "approve",
      decided_by: "boss",
      remember: "once",
      namespace: "human",
      requested_by: "writer"
    })
    await send("POST", `/pending/${early}/reject`)
    await heard(feed, early, ["approval_decided"])
    assert.deepInclude(feed.events().at(-1)?.data, { decision: "deny" })
  })

  it("tells everybody what they asked for, and what they may decide", async () => {
    await govern("agent", { agent: "boss" })
    await govern("votes", { consensus: 2 })
    const feeds = {
      boss: await open("", { "x-agent-id": "boss" }),
      writer: await open("?agent_id=writer"),
      voter: await open("", { "x-agent-id": "voter" }),
      operator: await open("", { "x-agent-id": "host:here" }),
      other: await open("", { "x-agent-id": "other" })
    }
    const nobody = await open()
    const ofAgent = await queue("agent", "t")
    const ofVotes = await queue("votes", "t", "stranger")
    const ofAll = await queue("human", "for all")
    for (const feed of Object.values(feeds)) await heard(feed, ofAll, ["approval_requested"])
    const knows = (id: string) =>
      Object.entries(feeds).flatMap(([name, feed]) => about(feed, id).length > 0 ? [name] : [])
    assert.deepStrictEqual(knows(ofAgent), ["boss", "writer", "operator"])
    assert.deepStrictEqual(knows(ofVotes), ["voter", "operator"])
    assert.deepStrictEqual(nobody.events(), [])
  })

  it("tells what other nodes queued and decided", async () => {
    const feed = await open("?agent_id=anybody")
    const push = (fields: object) =>
      send("POST", "/sync/push", { body: { sender_agent_id: "host:other", memories: [], ...fields } })
    const action = {
      id: "from-elsewhere",
      action_type: "delete",
      memory_id: "x",
      namespace: "n",
      payload: {},
      requested_by: "somebody",
      requested_at: new Date().toISOString(),
      status: "pending"
    }
    for (let time = 0; time < 2; time++) await push({ pendings: [action] })
    await push({ pending_decisions: [{ id: action.id, approved: true, decider: "elsewhere" }] })
    await heard(feed, action.id, ["approval_requested", "approval_decided"])
  })

  it("lets go of listeners that left", async () => {
    for (let round = 0; round < 3; round++) {
      const feeds = await Promise.all(Array.from({ length: 100 }, () => listen(node, "?agent_id=anybody")))
      await Promise.all(feeds.map((feed) => feed.stop()))
    }
    // More than the bound have come by now.
    const feed = await open("?agent_id=anybody")
    const id = await queue("human", "after many")
    await heard(feed, id, ["approval_requested"])
  })

  it("is refused to who has no proper name", async () => {
    const bad = await send("GET", "/approvals/stream?agent_id=a%20b")
    assert.strictEqual(bad.status, 400)
    assert.strictEqual(bad.body["field"], "agent_id")
    assert.strictEqual((await send("GET", "/approvals/stream", { headers: { "x-agent-id": "" } })).status, 400)
  })

  it("ends when its node ends", async () => {
    const other = await Node.start()
    const feed = await listen(other)
    const begin = performance.now()
    await other.stop()
    await feed.ended
    assert.isBelow(performance.now() - begin, 5_000)
  })
})
