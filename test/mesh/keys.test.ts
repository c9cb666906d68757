import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import * as keyDocument from "../../src/access/keyDocument.js"
import * as Cluster from "./Cluster.js"

const made = (name: string, ...scopes: ReadonlyArray<Scope>) => {
  const { key, secret } = Effect.runSync(
    mint({ name, scopes: new Set(scopes), agentId: Option.none(), namespaces: Option.none(), expiresAt: Option.none() })
  )
  return { key, secret: Redacted.value(secret) }
}

const decodeId = Schema.decodeUnknownSync(Schema.Struct({ id: Schema.String }))

describe("a mesh with keys that open one thing each", () => {
  it("replicates by a key of its own, which no client has", async () => {
    const node = made("node", "peer")
    const agent = made("agent", "read", "write")
    const cluster = await Cluster.make({
      size: 3,
      flags: ["--quorum-writes", "3"],
      environment: { QUORATE_API_KEYS: keyDocument.print([node.key, agent.key]), QUORATE_PEER_API_KEY: node.secret }
    })
    const json = { "content-type": "application/json" }
    const headersOf = (secret: string) => ({ ...json, "x-api-key": secret })
    try {
      await Promise.all(cluster.members.map((member) => member.start()))
      const [one, , three] = cluster.members
      assert.isDefined(one)
      assert.isDefined(three)
      const write = (secret: string) =>
        fetch(`${one.url}/api/v1/memories`, {
          method: "POST",
          headers: headersOf(secret),
          body: JSON.stringify({ title: "t", content: "c" })
        })
      const written = await write(agent.secret)
      assert.strictEqual(written.status, 201, await written.clone().text())
      const { id } = decodeId(await written.json())
      const read = () => fetch(`${three.url}/api/v1/memories/${id}`, { headers: headersOf(agent.secret) })
      assert.strictEqual((await read()).status, 200)

      const forged = JSON.stringify({
        sender_agent_id: "node-1",
        sender_clock: { entries: {} },
        memories: [],
        deletions: [id],
        dry_run: false
      })
      const push = (headers: Record<string, string>) =>
        fetch(`${three.url}/api/v1/sync/push`, { method: "POST", headers, body: forged })
      assert.strictEqual((await push(json)).status, 401)
      assert.strictEqual((await push(headersOf(agent.secret))).status, 403)
      assert.strictEqual((await write(node.secret)).status, 403)
      assert.strictEqual((await read()).status, 200)
    } finally {
      await cluster.close()
    }
  }, 60_000)
})
