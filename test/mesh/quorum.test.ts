import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { fork } from "node:child_process"
import * as Cluster from "./Cluster.js"

const write = (url: string, title: string, timeoutMillis = 10_000) =>
  Cluster.call(url, "POST", "/api/v1/memories", {
    body: { title, content: `content of ${title}`, namespace: "quorum" },
    timeoutMillis
  })

interface Load {
  readonly port: number
  readonly clients: number
  readonly seconds: number
  /** The number of the first memory: the load before has stored those below it. */
  readonly from: number
}

/** The load of the benchmark, in a process of its own: this one could not keep 64 requests in flight. */
const load = (message: Load) =>
  new Promise<{ readonly accepted: number; readonly samples: unknown; readonly next: number }>((resolve, reject) => {
    const child = fork("packaging/bench/lib/load.mjs")
    child.once("error", reject)
    child.once("message", (answer) => {
      child.kill()
      if (typeof answer === "object" && "accepted" in answer && "samples" in answer && "next" in answer) {
        resolve({ accepted: Number(answer.accepted), samples: answer.samples, next: Number(answer.next) })
      } else reject(new Error(JSON.stringify(answer)))
    })
    child.send(message)
  })

/** The samples of a node's /metrics that have no labels. */
const counters = async (member: Cluster.Member) => {
  const text = await (await fetch(`${member.url}/metrics`)).text()
  return (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1])
}

const has = async (member: Cluster.Member, id: unknown) =>
  (await Cluster.call(member.url, "GET", `/api/v1/memories/${String(id)}`)).status === 200

describe("three real nodes, W = 2", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  const node = (index: number) => {
    const member = cluster.members[index]
    assert.isDefined(member)
    return member
  }
  const startAll = () => Promise.all(cluster.members.map((member) => member.start()))

  beforeAll(async () => {
    cluster = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2"] })
    await startAll()
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterAll(() => cluster.close())

  it("acknowledges by a majority, and every node has the row within 2 s", async () => {
    const { body, headers, status } = await write(node(0).url, "everywhere")
    assert.strictEqual(status, 201)
    assert.isAtLeast(Number(body["quorum_acks"]), 2)
    assert.isAtLeast((body["acked_by"] as ReadonlyArray<string>).length, 2)
    assert.isNotNull(headers.get("x-op-id"))
    for (const member of cluster.members) {
      await Cluster.until(`${member.url} has the row`, () => has(member, body["id"]), 2_000)
    }
  })

  it("groups what waits: 64 clients share commits and pushes", async () => {
    // What else the machine does spreads the clients: some of the rounds may have few at once. Ungrouped, none has more than 1.
    let from = 1
    const round = async () => {
      const before = await counters(node(0))
      const port = Number(new URL(node(0).url).port)
      const { accepted, next, samples } = await load({ port, clients: 64, seconds: 2, from })
      from = next
      assert.deepStrictEqual(samples, [], "no answer but a 201")
      assert.isAbove(accepted, 64)
      const after = await counters(node(0))
      const mean = (name: "sqlite_commit_rows" | "federation_push_operations") =>
        (after(`${name}_sum`) - before(`${name}_sum`)) / (after(`${name}_count`) - before(`${name}_count`))
      return { rowsPerCommit: mean("sqlite_commit_rows"), operationsPerPush: mean("federation_push_operations") }
    }
    await Cluster.until("a commit and a push carry twelve", async () => {
      const { operationsPerPush, rowsPerCommit } = await round()
      return rowsPerCommit >= 12 && operationsPerPush >= 12
    }, 45_000)
  }, 60_000)

  it("answers the truth while peers die, and a returning one catches up without a new write", async () => {
    const before = await write(node(0).url, "deleted while down")
    await Cluster.until("node 3 has it", () => has(node(2), before.body["id"]))

    await node(2).stop("SIGKILL")
    const oneDown = await write(node(0).url, "one peer down")
    assert.strictEqual(oneDown.status, 201)
    const deleted = await Cluster.call(node(0).url, "DELETE", `/api/v1/memories/${String(before.body["id"])}`)
    assert.strictEqual(deleted.status, 200)

    await node(1).stop("SIGKILL")
    const begin = performance.now()
    const first = await write(node(0).url, "both peers down")
    assert.strictEqual(first.status, 503)
    assert.isBelow(performance.now() - begin, 2_100, "never later than the deadline plus 100 ms")
    assert.deepInclude(first.body, { error: "quorum_not_met", got: 1, needed: 2, reason: "unreachable" })
    assert.strictEqual(first.body["committed_locally"], true)
    assert.strictEqual(first.headers.get("retry-after"), "2")

    const known = performance.now()
    const second = await write(node(0).url, "both known to be down")
    assert.strictEqual(second.status, 503)
    assert.isBelow(performance.now() - known, 100, "the links know")

    for (const index of [1, 2]) {
      await node(index).start()
      await Cluster.until(
        `node ${index + 1} has every put and delete`,
        async () => await Cluster.vector(node(index)) === await Cluster.vector(node(0)),
        5_000
      )
    }
    for (const member of cluster.members) {
      assert.isTrue(await has(member, oneDown.body["id"]))
      assert.isFalse(await has(member, before.body["id"]))
      assert.deepStrictEqual(
        await Cluster.contents(member, "quorum"),
        await Cluster.contents(node(0), "quorum")
      )
    }
  }, 60_000)

  it("loses nothing when the coordinator dies between commit and fan-out", async () => {
    await node(0).stop("SIGTERM")
    await node(0).start({ nodeArgs: ["--import", "./test/mesh/killBeforePush.mjs"] })
    const gone = node(0).ended()
    const answer = await write(node(0).url, "committed, never sent").catch(() => "the connection broke")
    assert.strictEqual(answer, "the connection broke")
    assert.isNull(await gone, "killed, not exited")
    await node(0).start()
    const search = async (member: Cluster.Member) =>
      [...(await Cluster.contents(member, "quorum")).values()].some((text) => text.includes("committed, never sent"))
    for (const member of cluster.members) {
      await Cluster.until(`${member.url} has it`, () => search(member), 10_000)
    }
  }, 60_000)

  it("converges after a peer was stopped through 200 writes and 50 deletes", async () => {
    node(1).signal("SIGSTOP")
    const ids: Array<unknown> = []
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) => write(node(0).url, `while stopped ${round} ${index}`))
      )
      for (const answer of answers) {
        assert.strictEqual(answer.status, 201)
        ids.push(answer.body["id"])
      }
    }
    for (const id of ids.slice(0, 50)) {
      const { status } = await Cluster.call(node(0).url, "DELETE", `/api/v1/memories/${String(id)}`)
      assert.strictEqual(status, 200)
    }
    node(1).signal("SIGCONT")
    await Cluster.until("equal vectors", async () => {
      const [one, two, three] = await Promise.all(cluster.members.map(Cluster.vector))
      return one === two && two === three
    }, 45_000)
    const expected = await Cluster.contents(node(0), "quorum")
    assert.isAtLeast(expected.size, 150)
    for (const member of cluster.members) assert.deepStrictEqual(await Cluster.contents(member, "quorum"), expected)
  }, 90_000)

  it("makes one memory of one idempotency key, after a 201, a 503 and a restart", async () => {
    const body = { title: "once", content: "the same request", namespace: "once" }
    const headers = { "idempotency-key": "key-1" }
    const send = (index: number, content = body.content) =>
      Cluster.call(node(index).url, "POST", "/api/v1/memories", { body: { ...body, content }, headers })
    const first = await send(0)
    const again = await send(0)
    assert.deepStrictEqual([first.status, again.status], [201, 201])
    assert.strictEqual(again.body["id"], first.body["id"])
    assert.strictEqual(again.headers.get("x-op-id"), first.headers.get("x-op-id"))

    const other = await send(0, "another request")
    assert.strictEqual(other.status, 422)

    await node(0).stop("SIGTERM")
    await node(0).start()
    assert.strictEqual((await send(0)).body["id"], first.body["id"])
    await Cluster.until("node 2 knows the key, too", async () => (await send(1)).body["id"] === first.body["id"])

    await Promise.all([node(1).stop(), node(2).stop()])
    const late = () =>
      Cluster.call(node(0).url, "POST", "/api/v1/memories", {
        body: { ...body, title: "retried" },
        headers: { "idempotency-key": "key-2" }
      })
    const missed = await late()
    assert.strictEqual(missed.status, 503)
    await Promise.all([node(1).start(), node(2).start()])
    await Cluster.until("the retry finds its quorum", async () => (await late()).status === 201)
    const retried = await late()
    assert.strictEqual(retried.headers.get("x-op-id"), missed.body["op_id"])
    for (const member of cluster.members) {
      await Cluster.until(
        "two memories, on every node",
        async () => (await Cluster.contents(member, "once")).size === 2
      )
    }
  }, 90_000)

  it("stops in order: drains, exits 0, and a second daemon on its file is refused", async () => {
    const second = await Cluster.run(["serve", "--port", "0", "--db", node(0).db])
    assert.strictEqual(second.code, 1)
    assert.include(second.stderr, "another daemon")
    assert.strictEqual(await node(0).stop("SIGTERM"), 0)
    assert.strictEqual(await node(1).stop("SIGINT"), 0)
  }, 60_000)
})
