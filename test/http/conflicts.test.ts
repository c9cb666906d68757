import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { MemoryId, NodeId, OpId, Origin } from "../../src/domain/ids.js"
import { decode, type Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { hashed } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import * as Node from "./node.js"

describe("the conflicts of a node", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start({ nodeId: Option.some(NodeId.make("here")) })
  })
  afterAll(() => node.stop())

  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    const answer = await Node.exchange(
      node.port,
      Node.request({ method, path: `/api/v1${path}`, headers, ...(body === undefined ? {} : { body: text }) })
    )
    return { status: answer.status, headers: answer.headers, body: Object(answer.json) }
  }
  const store = async (fields: Record<string, unknown>): Promise<Memory> => {
    const { body, status } = await send("POST", "/memories", { content: "here", ...fields })
    assert.strictEqual(status, 201, JSON.stringify(body))
    return read(body.id)
  }
  const read = async (id: string): Promise<Memory> =>
    Either.getOrThrow(decode((await send("GET", `/memories/${encodeURIComponent(id)}`)).body.memory))

  let oseq = 0
  /** Another node wrote it a minute ago, without having seen what is here. */
  const writtenElsewhere = async (memory: Memory): Promise<Memory> => {
    const hlc = Stamp.fromMillis(Date.now() - 60_000, ++oseq)
    const payload: Payload.Payload = { kind: "store", memory: { ...memory, updated_at: hlc } }
    const operation = hashed({
      format: 2,
      opId: OpId.make(`op-${oseq}`),
      origin: Origin.make("there/1"),
      oseq,
      hlc,
      kind: "store",
      entity: Payload.entityOf(payload),
      body: Payload.encode(payload),
      baseHlc: null,
      covers: [],
      idempotency: null
    })
    const carrier = PeerApi.encodeCarrier([PeerApi.write(operation)])
    const { body, status } = await send("POST", "/sync/push", `{"sender_agent_id":"there",${carrier}}`)
    assert.strictEqual(status, 200)
    assert.include(["shadowed", "superseded"], body.results[0].result, JSON.stringify(body))
    return payload.memory
  }

  it("are listed and decided: the same title twice", async () => {
    const namespace = "titles"
    const winner = await store({ title: "one title", namespace })
    const loser = await writtenElsewhere({ ...winner, id: MemoryId.make("id-of-there"), content: "there" })
    const listed = await send("GET", `/conflicts?namespace=${namespace}`)
    assert.strictEqual(listed.status, 200)
    assert.deepStrictEqual(listed.body, {
      conflicts: [{
        kind: "shadow",
        id: loser.id,
        namespace,
        title: "one title",
        memory: loser,
        archived: false,
        version: loser.updated_at,
        origin: "there/1",
        winner: { id: winner.id, version: winner.updated_at }
      }],
      count: 1
    })
    const key = { "idempotency-key": "keep the loser" }
    const kept = await send("POST", `/conflicts/${loser.id}/resolve`, { keep: "loser" }, key)
    assert.strictEqual(kept.status, 200)
    const memory = await read(loser.id)
    assert.deepStrictEqual(kept.body, {
      resolved: true,
      id: loser.id,
      kept: "loser",
      memory,
      quorum_acks: 1,
      acked_by: ["here"]
    })
    assert.strictEqual(memory.content, "there")
    assert.strictEqual(kept.headers["etag"], `"${memory.updated_at}"`)
    assert.isDefined(kept.headers["x-op-id"])
    assert.deepStrictEqual(
      (await send("POST", `/conflicts/${loser.id}/resolve`, { keep: "loser" }, key)).body,
      kept.body
    )
    assert.strictEqual((await read(winner.id)).id, loser.id, "its id means the one that was kept")
    assert.deepStrictEqual((await send("GET", `/conflicts?namespace=${namespace}`)).body, { conflicts: [], count: 0 })
  })

  it("are listed and decided: the same memory changed twice", async () => {
    const namespace = "versions"
    const winner = await store({ title: "two versions", namespace })
    const loser = await writtenElsewhere({ ...winner, content: "there" })
    await writtenElsewhere({ ...winner, access_count: 7 })
    const { body } = await send("GET", `/conflicts?namespace=${namespace}`)
    assert.deepStrictEqual(
      body.conflicts.map(({ kind, memory }: { kind: string; memory: Memory }) => [kind, memory.content]),
      [
        ["version", "there"]
      ],
      "the version that says the same is none"
    )
    const path = `/conflicts/${winner.id}/resolve`
    const ended = await send("POST", path, { keep: "winner", version: loser.updated_at })
    assert.strictEqual(ended.status, 200)
    assert.deepStrictEqual(ended.body, {
      resolved: true,
      id: winner.id,
      kept: "winner",
      quorum_acks: 1,
      acked_by: ["here"]
    })
    assert.isUndefined(ended.headers["etag"])
    assert.deepStrictEqual(await read(winner.id), winner, "it is as it was")
    assert.strictEqual((await send("GET", `/conflicts?namespace=${namespace}`)).body.count, 0)
  })

  it("are given page by page", async () => {
    const namespace = "pages"
    const shadowed = await store({ title: "a", namespace })
    await writtenElsewhere({ ...shadowed, id: MemoryId.make("page-shadow"), content: "there" })
    const changed = await store({ title: "b", namespace })
    await writtenElsewhere({ ...changed, content: "there" })
    await writtenElsewhere({ ...changed, content: "there again" })
    const page = async (query: string) =>
      (await send("GET", `/conflicts?namespace=${namespace}${query}`)).body.conflicts
        .map(({ memory }: { memory: Memory }) => `${memory.id} ${memory.content}`)
    const all = ["page-shadow there", `${changed.id} there`, `${changed.id} there again`]
    assert.deepStrictEqual(await page(""), all)
    assert.deepStrictEqual(await page("&limit=2"), all.slice(0, 2))
    assert.deepStrictEqual(await page("&limit=2&offset=1"), all.slice(1))
    assert.deepStrictEqual(await page("&limit=1&offset=2"), all.slice(2))
    assert.deepStrictEqual(await page("&limit=0"), [])
    assert.deepStrictEqual(await page("&limit=99999999"), all)
  })

  it("refuse what is wrong", async () => {
    const changed = await store({ title: "refusals" })
    await writtenElsewhere({ ...changed, title: "elsewhere", content: "there" })
    await store({ title: "elsewhere" })
    const path = `/conflicts/${changed.id}/resolve`
    const before = await node.contents()
    const taken = await send("POST", path, { keep: "loser" })
    assert.deepStrictEqual([taken.status, taken.body.code], [409, "CONFLICT"])
    const refused: ReadonlyArray<readonly [path: string, body: unknown, status: number, field: string | undefined]> = [
      [path, { keep: "both" }, 422, "keep"],
      [path, {}, 422, "keep"],
      [path, { keep: "loser", version: 7 }, 422, "version"],
      [path, { keep: "loser", version: "today" }, 400, "version"],
      [path, { keep: "winner", version: changed.updated_at }, 404, undefined],
      ["/conflicts/nothing/resolve", { keep: "winner" }, 404, undefined],
      [`/conflicts/${"x".repeat(200)}/resolve`, { keep: "winner" }, 400, "id"]
    ]
    for (const [where, body, status, field] of refused) {
      const answer = await send("POST", where, body)
      assert.deepStrictEqual([answer.status, answer.body.field], [status, field], JSON.stringify(body))
    }
    for (const [query, field] of [["limit=x", "limit"], ["offset=-1", "offset"], ["namespace=a//b", "namespace"]]) {
      const answer = await send("GET", `/conflicts?${query}`)
      assert.deepStrictEqual([answer.status, answer.body.field], [400, field], query)
    }
    assert.deepStrictEqual(await node.contents(), before)
    await send("POST", path, { keep: "winner" })
    assert.strictEqual((await send("POST", path, { keep: "winner" })).status, 404)
  })
})
