import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as http from "node:http"
import { until } from "../mesh/Cluster.js"
import * as Contracted from "./contracted.js"
import * as Node from "./node.js"

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null

describe("the dead letters of a node", () => {
  let node: Node.Node
  let peer: http.Server
  let peerUrl = ""
  /** What the peer answers to a push: it is a node without a hello, which refuses everything at first. */
  let answer: { status: number; body: string } = { status: 422, body: `{"error":"unknown tier"}` }

  beforeAll(async () => {
    peer = http.createServer((request, response) => {
      request.resume().on("end", () => {
        const isPush = request.method === "POST"
        const isSince = request.url?.startsWith("/api/v1/sync/since") === true
        const { body, status } = isPush
          ? answer
          : isSince
          ? { status: 200, body: `{"memories":[]}` }
          : { status: 404, body: "" }
        response.writeHead(status, { "content-type": "application/json" }).end(body)
      })
    })
    await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve))
    const address = peer.address()
    assert.isTrue(isObject(address))
    peerUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
    node = await Node.start({ quorumPeers: [peerUrl], quorumWrites: Option.some(1) })
  })
  afterAll(async () => {
    await node.stop()
    peer.closeAllConnections()
    await new Promise((resolve) => peer.close(resolve))
  })

  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${node.url}/api/v1${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    })
    const text = await response.text()
    Contracted.check({ method, path: `/api/v1${path}` }, {
      status: response.status,
      contentType: response.headers.get("content-type") ?? undefined,
      text
    })
    const json: unknown = JSON.parse(text)
    return { status: response.status, json: isObject(json) ? json : {} }
  }

  const letters = async (): Promise<ReadonlyArray<Json>> => {
    const { json, status } = await ask("GET", "/federation/dlq")
    assert.strictEqual(status, 200)
    const list = json["dead_letters"]
    assert.isTrue(Array.isArray(list))
    assert.strictEqual(json["count"], Array.isArray(list) ? list.length : -1)
    return Array.isArray(list) ? list : []
  }

  const store = async (title: string) => {
    const { json } = await ask("POST", "/memories", { title, content: "some content" })
    return String(json["id"])
  }

  it("are listed with the reason, read whole, retried and discarded", async () => {
    const id = await store("refused")
    await until("set aside", async () => (await letters()).length === 1)
    const [letter = {}] = await letters()
    assert.deepInclude(letter, { peer_id: peerUrl, kind: "store", entity: id, attempts: 1, discarded: false })
    assert.include(letter["reason"], "unknown tier")
    const path = `/federation/dlq/${String(letter["id"])}`

    const whole = await ask("GET", path)
    assert.strictEqual(whole.status, 200)
    assert.deepInclude(whole.json, letter)
    const { operation } = whole.json
    assert.isTrue(isObject(operation) && isObject(operation["body"]) && operation["body"]["title"] === "refused")

    assert.deepStrictEqual(await ask("POST", `${path}/retry`), {
      status: 200,
      json: { retried: true, id: letter["id"], result: "refused" }
    })
    assert.strictEqual((await letters())[0]?.["attempts"], 2)

    assert.deepStrictEqual(await ask("DELETE", path), { status: 200, json: { discarded: true, id: letter["id"] } })
    assert.isTrue((await letters())[0]?.["discarded"])

    answer = { status: 200, body: `{"applied":1,"skipped":0}` }
    const { json } = await ask("POST", `${path}/retry`)
    assert.strictEqual(json["result"], "delivered")
    assert.deepStrictEqual(await letters(), [])
    assert.strictEqual((await ask("GET", path)).status, 404)
  })

  it("of unknown ids are not found, and a wrong page is told", async () => {
    for (const id of ["0", "17", "x", "1.5", "99999999999999999999", "%20"]) {
      for (const [method, suffix] of [["GET", ""], ["DELETE", ""], ["POST", "/retry"]] as const) {
        const { json, status } = await ask(method, `/federation/dlq/${id}${suffix}`)
        assert.deepStrictEqual([status, json], [404, { error: "not found" }], `${method} ${id}`)
      }
    }
    assert.deepInclude(await ask("GET", "/federation/dlq?limit=x"), { status: 400 })
    assert.deepInclude(await ask("GET", "/federation/dlq?offset=-1"), { status: 400 })
    assert.deepInclude(await ask("GET", "/federation/dlq?limit=0"), { json: { dead_letters: [], count: 0 } })
  })
})
