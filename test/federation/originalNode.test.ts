import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { push } from "../../src/federation/inbound/receive.js"
import type { PeerAnswer } from "../../src/federation/wire/PeerTransport.js"
import { listDeadLetters } from "../../src/operations/federation/deadLetters.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, ROUND, startNode } from "./inProcess.js"

const A = "http://a"
const B = "http://b"
const OLD = "http://old"
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
const MINUTE = 60_000

interface Action {
  readonly id: string
  readonly status: string
  readonly approvals: ReadonlyArray<{ readonly agent_id: string; readonly approved_at: string }>
}

/** The smallest node that has no hello: rows by the time of their change, and pushes that it counts. */
class Original {
  readonly rows = new Map<string, Memory>()
  readonly asked: Array<URLSearchParams> = []
  /** Rows that it keeps back, as a node of 0.10.0 does: after they were counted for the page. */
  readonly secret = new Set<string>()
  /** More rows in a page than this are a 400. */
  mostRows = Infinity
  readonly actions = new Map<string, Action>()
  readonly pushed: Array<{
    memories: ReadonlyArray<Memory>
    deletions?: ReadonlyArray<string>
    archives?: ReadonlyArray<string>
    pendings?: ReadonlyArray<Action>
    ops?: unknown
  }> = []

  readonly answer = (path: string, body: string | undefined): PeerAnswer => {
    if (body !== undefined) return this.push(JSON.parse(body))
    const url = new URL(path, OLD)
    if (url.pathname === "/api/v1/pending") {
      return { status: 200, body: JSON.stringify({ pending: [...this.actions.values()] }) }
    }
    if (url.pathname !== "/api/v1/sync/since") return { status: 404, body: "" }
    this.asked.push(url.searchParams)
    const since = url.searchParams.get("since") ?? ""
    const limit = Math.min(Number(url.searchParams.get("limit") ?? 500), 10_000)
    if (limit > this.mostRows) return { status: 400, body: `{"error":"limit must be at most ${this.mostRows}"}` }
    const page = [...this.rows.values()].filter((row) => row.updated_at > since)
      .sort((a, b) => a.updated_at < b.updated_at ? -1 : 1).slice(0, limit)
    const memories = page.filter(({ id }) => !this.secret.has(id))
    const excluded_for_scope_private = page.length - memories.length
    return {
      status: 200,
      body: JSON.stringify({ count: memories.length, limit, excluded_for_scope_private, memories })
    }
  }

  private readonly push = (body: Original["pushed"][number]): PeerAnswer => {
    this.pushed.push(body)
    for (const row of body.memories) this.rows.set(row.id, row)
    for (const id of [...body.deletions ?? [], ...body.archives ?? []]) this.rows.delete(id)
    for (const action of body.pendings ?? []) this.actions.set(action.id, action)
    const counters = {
      applied: body.memories.length,
      deleted: body.deletions?.length ?? 0,
      archived: body.archives?.length ?? 0,
      pendings_applied: body.pendings?.length ?? 0,
      noop: 0,
      skipped: 0
    }
    return { status: 200, body: JSON.stringify(counters) }
  }
}

const rowOf = (id: string, millis: number, changes: Partial<Memory> = {}): Memory => ({
  id: MemoryId.make(id),
  tier: "long",
  namespace: "n",
  title: `title of ${id}`,
  content: "content",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: Stamp.fromMillis(millis),
  updated_at: Stamp.fromMillis(millis),
  metadata: {},
  ...changes
})

const isThere = async (node: Node, id: string) => (await node.runPromise(Effect.either(getMemory(id))))._tag === "Right"

describe("beside an original node", () => {
  let node: Node | undefined
  let folder = ""
  let offset = 0
  const logged: Array<string> = []
  afterEach(async () => {
    await node?.dispose()
    if (folder !== "") rmSync(folder, { recursive: true, force: true })
    folder = ""
    offset = 0
    logged.length = 0
  })

  const start = (network: Network, others: ReadonlyArray<string> = []) => {
    if (folder === "") folder = mkdtempSync(join(tmpdir(), "quorate-original-"))
    const inFolder = folder
    const logger = Logger.make(({ message }) => {
      logged.push(String(message))
    })
    node = startNode(network, A, [OLD, ...others], {
      w: 1,
      file: () => join(inFolder, "a.db"),
      clockOffsetMillis: () => offset,
      firstRoundAfter: ROUND,
      logger
    })
    return node
  }

  it("reads all its rows once, then what is new, what came late, and never runs ahead of the clock", async () => {
    const network = new Network()
    const original = new Original()
    network.strangers.set(OLD, original.answer)
    const now = Date.now()
    const add = (row: Memory) => original.rows.set(row.id, row)
    for (let index = 0; index < 700; index++) add(rowOf(`many ${index}`, now - 100 * MINUTE + index * 1000))
    for (let index = 0; index < 1200; index++) add(rowOf(`same ${index}`, now - 50 * MINUTE))
    add(rowOf("invalid", now - 40 * MINUTE, { priority: 99 }))
    add(rowOf("last", now - 30 * MINUTE))
    const one = start(network)
    await until("the last row", () => isThere(one, "last"), 20_000)
    for (let index = 0; index < 700; index++) assert.isTrue(await isThere(one, `many ${index}`), `many ${index}`)
    for (let index = 0; index < 1200; index++) assert.isTrue(await isThere(one, `same ${index}`), `same ${index}`)
    assert.isFalse(await isThere(one, "invalid"))
    const applied = () => logged.filter((line) => line.startsWith("catchup: applied"))
    await until("the end of the round", async () => applied().length > 0)
    const rounds = original.asked.length
    await until("another round", async () => original.asked.length > rounds, 10_000)
    assert.deepStrictEqual(applied(), ["catchup: applied 1901 memories from peer old"])
    const latest = original.asked.at(-1)
    assert.isDefined(latest)
    assert.strictEqual(latest.get("since"), Stamp.fromMillis(now - 31 * MINUTE), "from the cursor, with an overlap")
    assert.strictEqual(latest.get("peer"), "a")

    add(rowOf("from the future", now + 60 * MINUTE))
    add(rowOf("late", now - 30 * MINUTE - 40_000))
    add(rowOf("new", now - MINUTE))
    await until("late and new", async () => (await isThere(one, "late")) && (await isThere(one, "new")), 10_000)
    add(rowOf("newer", now - MINUTE + 1))
    await until("newer", () => isThere(one, "newer"), 10_000)
    assert.isFalse(await isThere(one, "from the future"))

    add(rowOf("very late", now - 45 * MINUTE))
    const before = original.asked.length
    await until("two rounds", async () => original.asked.length >= before + 2, 10_000)
    assert.isFalse(await isThere(one, "very late"))
    offset = 11 * MINUTE
    await until("a sweep finds it", () => isThere(one, "very late"), 10_000)
    offset = 61 * MINUTE
    await until("its time has come", () => isThere(one, "from the future"), 10_000)
  }, 90_000)

  it("passes by what is kept back from it, and says that it is", async () => {
    const network = new Network()
    const original = new Original()
    original.mostRows = 1000
    network.strangers.set(OLD, original.answer)
    const now = Date.now()
    const add = (id: string, millis: number) => original.rows.set(id, rowOf(id, millis))
    add("first", now - 90 * MINUTE)
    for (let index = 0; index < 800; index++) {
      add(`secret ${index}`, now - 80 * MINUTE + index)
      original.secret.add(`secret ${index}`)
    }
    for (let index = 0; index < 700; index++) add(`same ${index}`, now - 50 * MINUTE)
    add("last", now - 30 * MINUTE)
    const one = start(network)
    await until("the last row", () => isThere(one, "last"), 20_000)
    for (let index = 0; index < 700; index++) assert.isTrue(await isThere(one, `same ${index}`), `same ${index}`)
    const told = () => logged.filter((line) => line.includes("keeps memories back"))
    const rounds = original.asked.length
    await until("quiet rounds", async () => original.asked.length >= rounds + 4, 10_000)
    assert.strictEqual(told().length, 1, "once, and not in each round")
    assert.include(told()[0], "AI_MEMORY_FED_SYNC_TRUST_PEER")
  }, 60_000)

  it("goes on at the cursor after a restart, and sends what it lacks once, one by one and in order", async () => {
    const network = new Network()
    const original = new Original()
    network.strangers.set(OLD, original.answer)
    original.rows.set("theirs", rowOf("theirs", Date.now() - MINUTE))
    network.cut.add(OLD)
    const one = start(network)
    for (let index = 0; index < 30; index++) {
      await one.runPromise(remember({ title: `ours ${index}`, content: "c" }, nobody))
    }
    assert.strictEqual(original.pushed.length, 0)
    network.cut.clear()
    await until("all of ours", async () => original.pushed.length >= 30, 20_000)
    assert.deepStrictEqual(
      original.pushed.slice(0, 30).map(({ memories }) => memories.map(({ title }) => title).join()),
      Array.from({ length: 30 }, (_, index) => `ours ${index}`)
    )
    assert.isTrue(original.pushed.every(({ ops }) => ops === undefined))
    await until("theirs", () => isThere(one, "theirs"), 15_000)
    // What came from there is an operation here, and does not go back there.
    assert.isFalse(original.pushed.some(({ memories }) => memories.some(({ id }) => id === "theirs")))
    await one.dispose()
    const [pushed, asked] = [original.pushed.length, original.asked.length]
    const again = start(network)
    await again.runPromise(remember({ title: "after the restart", content: "c" }, nobody))
    await until("a round", async () => original.asked.length > asked, 15_000)
    assert.notStrictEqual(original.asked[asked]?.get("since"), "")
    assert.deepStrictEqual(
      original.pushed.slice(pushed).map(({ memories }) => memories.map(({ title }) => title).join()),
      ["after the restart"]
    )
    assert.deepStrictEqual(logged.filter((line) => line.startsWith("catchup: applied")), [
      "catchup: applied 1 memories from peer old"
    ])
  }, 90_000)

  it("deletes there again what came back there from a node that had not heard of it", async () => {
    const network = new Network()
    const original = new Original()
    network.strangers.set(OLD, original.answer)
    const one = start(network)
    const { memory } = await one.runPromise(remember({ title: "dead", content: "c" }, nobody))
    await until("it is there", async () => original.rows.has(memory.id))
    const row = original.rows.get(memory.id)
    assert.isDefined(row)
    await one.runPromise(remove(memory.id, { caller: nobody, ifMatch: Option.none() }))
    await until("it is gone there", async () => !original.rows.has(memory.id))
    const rounds = original.asked.length
    await until("quiet rounds", async () => original.asked.length >= rounds + 2, 10_000)
    original.rows.set(row.id, row)
    await until("it is gone again", async () => !original.rows.has(row.id), 10_000)
    assert.isFalse(await isThere(one, row.id))
  }, 60_000)

  it("finds no memory live for a moment that it is told to put away", async () => {
    const network = new Network()
    const original = new Original()
    network.strangers.set(OLD, original.answer)
    network.cut.add(OLD)
    const one = start(network)
    const { memory } = await one.runPromise(remember({ title: "put away", content: "c" }, nobody))
    await one.runPromise(push({ sender_agent_id: "host:rust", memories: [], archives: [memory.id] }, {}))
    network.cut.clear()
    await until(
      "it was told",
      async () => original.pushed.some(({ archives = [] }) => archives.includes(memory.id)),
      15_000
    )
    const told = original.pushed.filter(({ memories }) => memories.some(({ id }) => id === memory.id))
    assert.isAbove(told.length, 0)
    for (const { archives } of told) assert.deepStrictEqual(archives, [memory.id])
  }, 60_000)

  it("undoes no vote and no decision that was given there", async () => {
    const network = new Network()
    const original = new Original()
    network.strangers.set(OLD, original.answer)
    const one = start(network)
    const at = Stamp.fromMillis(Date.now())
    const actionOf = (id: string) => ({
      ...{ id, action_type: "delete", memory_id: "some", namespace: "n", payload: { id: "some", title: "t" } },
      ...{ requested_by: "ann", requested_at: at, status: "pending" }
    })
    const ids = ["voted", "decided", "new"].map((name) => ({ name, ...actionOf(`${name}-action`) }))
    const vote = (agent_id: string) => ({ agent_id, approved_at: at })
    const heard = ids.map(({ name: _, ...action }) => ({ ...action, approvals: [vote("bob")] }))
    const [voted, decided] = heard
    assert.isDefined(voted)
    assert.isDefined(decided)
    original.actions.set(voted.id, { ...voted, approvals: [vote("Ada")] })
    original.actions.set(decided.id, { ...decided, status: "approved" })
    const agents = ["bob", "Ada"].map((agent) => ({
      ...rowOf(agent, Date.now() - MINUTE),
      ...{ namespace: "_agents", title: `agent:${agent}`, metadata: { agent_id: agent } }
    }))
    await one.runPromise(push({ sender_agent_id: "host:rust", memories: agents, pendings: heard }, {}))
    await until("it has what is new", async () => original.actions.has("new-action"), 15_000)
    await until("and the vote", async () => original.actions.get("voted-action")?.approvals.length === 2, 15_000)
    assert.deepStrictEqual(original.actions.get("voted-action")?.approvals.map((one) => one.agent_id), ["Ada", "bob"])
    assert.strictEqual(original.actions.get("decided-action")?.status, "approved")
  }, 60_000)

  it("tells after a start only once it has heard what went on meanwhile", async () => {
    const network = new Network()
    const original = new Original()
    network.strangers.set(OLD, original.answer)
    const other = startNode(network, B, [A], { w: 1, firstRoundAfter: ROUND })
    try {
      const one = start(network, [B])
      const row = rowOf("told late", Date.now() - MINUTE)
      network.cut.add(OLD)
      await one.runPromise(push({ sender_agent_id: "host:old", memories: [row] }, {}))
      await until("the other has it", () => isThere(other, row.id), 15_000)
      network.cut.add(A)
      await one.dispose()
      await other.runPromise(push({ sender_agent_id: "host:old", memories: [], archives: [row.id] }, {}))
      network.cut.clear()
      for (const url of [A, B]) network.delayMillis.set(url, 700)
      const again = start(network, [B])
      await again.runPromise(Effect.void)
      await until("it was told", async () => original.pushed.length > 0, 15_000)
      const told = original.pushed.filter(({ memories }) => memories.some(({ id }) => id === row.id))
      for (const { archives } of told) assert.deepStrictEqual(archives, [row.id])
      assert.isFalse(await isThere(again, row.id))
    } finally {
      await other.dispose()
    }
  }, 60_000)

  it("knows one of ours in its place when it is upgraded", async () => {
    const network = new Network()
    network.strangers.set(
      OLD,
      (path, body) => body === undefined ? new Original().answer(path, body) : { status: 422, body: "" }
    )
    const one = start(network)
    const { memory } = await one.runPromise(remember({ title: "refused", content: "c" }, nobody))
    const letters = () => one.runPromise(listDeadLetters({}))
    await until("refused", async () => (await letters()).length === 1)
    network.strangers.delete(OLD)
    const upgraded = startNode(network, OLD, [A], { w: 1, firstRoundAfter: ROUND })
    try {
      await until("it has it", () => isThere(upgraded, memory.id), 15_000)
      await until("no letter to its former self", async () => (await letters()).length === 0, 10_000)
    } finally {
      await upgraded.dispose()
    }
  }, 60_000)

  it("loses no row to an answer that is too large or too slow", async () => {
    const network = new Network()
    const original = new Original()
    const now = Date.now()
    for (let index = 0; index < 300; index++) {
      const row = rowOf(`row ${index}`, now - 100 * MINUTE + index * 1000)
      original.rows.set(row.id, row)
    }
    network.strangers.set(OLD, (path, body) => {
      const answer = original.answer(path, body)
      return body === undefined && answer.body.length > 20_000 ? { status: 200, body: "cut short" } : answer
    })
    const one = start(network)
    await until("the last row", () => isThere(one, "row 299"), 20_000)
    for (let index = 0; index < 300; index++) assert.isTrue(await isThere(one, `row ${index}`), `row ${index}`)
  }, 60_000)
})
