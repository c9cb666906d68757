import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import { start } from "./node.js"

const made = (name: string, scopes: ReadonlyArray<Scope>) => {
  const { key, secret } = Effect.runSync(
    mint({ name, scopes: new Set(scopes), agentId: Option.none(), namespaces: Option.none(), expiresAt: Option.none() })
  )
  return { key, secret: Redacted.value(secret) }
}

const Payload = Schema.Record({ key: Schema.String, value: Schema.Unknown })
const Row = Schema.Struct({ event_type: Schema.String, agent_id: Schema.String, payload: Schema.parseJson(Payload) })
const rowsOf = (db: string) => {
  const reader = new Database(db, { readonly: true })
  try {
    return Schema.decodeUnknownSync(Schema.Array(Row))(
      reader.prepare("SELECT * FROM signed_events JOIN signed_event_payloads USING (sequence) ORDER BY sequence").all()
    )
  } finally {
    reader.close()
  }
}

describe("the audit log of a node", () => {
  it("has who was not let in, and what was done with a key of an admin, and no key itself", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-audit-"))
    const db = path.join(folder, "memory.db")
    const [reader, admin] = [made("reader", ["read"]), made("root", ["admin", "peer"])]
    const node = await start({ db, apiKeys: Option.some([reader.key, admin.key]), requireSignatures: "all" })
    const ask = async (method: string, route: string, headers: Record<string, string>, body?: string) => {
      const answered = await fetch(`${node.url}${route}`, { method, headers, ...(body === undefined ? {} : { body }) })
      await answered.text()
      return answered.status
    }
    const wrong = "qk_not-a-key-of-this-node"
    for (let count = 0; count < 3; count++) {
      assert.strictEqual(await ask("GET", "/api/v1/stats", { "x-api-key": wrong }), 401)
    }
    assert.strictEqual(await ask("GET", `/api/v1/stats?api_key=${wrong}`, {}), 401)
    assert.strictEqual(await ask("POST", "/api/v1/gc", { "x-api-key": reader.secret }), 403)
    assert.strictEqual(await ask("GET", "/api/v1/stats", { "x-api-key": reader.secret }), 200)
    assert.strictEqual(await ask("POST", "/api/v1/gc", { "x-api-key": admin.secret }), 200)
    const push = JSON.stringify({ sender_agent_id: "stranger", memories: [] })
    const asPeer = { "x-api-key": admin.secret, "content-type": "application/json", "x-peer-id": "stranger" }
    assert.strictEqual(await ask("POST", "/api/v1/sync/push", asPeer, push), 401)
    assert.strictEqual(await ask("GET", "/api/v1/sync/since?peer=stranger", { ...asPeer, "x-memory-sig": "x" }), 401)
    // What is still counted is written when the node ends.
    await node.stop()

    const from = "127.0.0.1"
    assert.deepStrictEqual(
      rowsOf(db).map((
        { agent_id, event_type, payload: { seconds: _, ...payload } }
      ) => [event_type, agent_id, payload]),
      [
        ["access.key_refused", "", {
          from,
          method: "GET",
          route: "/api/v1/stats",
          reason: "missing or invalid API key",
          status: 401
        }],
        ["access.key_refused", "", {
          from,
          method: "POST",
          route: "/api/v1/gc",
          reason: "this API key does not open this: it would need the scope admin",
          status: 403
        }],
        ["access.admin_key_used", "", { from, method: "POST", route: "/api/v1/gc", key: "root" }],
        ["federation.unknown_peer", "stranger", {
          from,
          method: "POST",
          path: "/api/v1/sync/push",
          reason: "peer_not_enrolled"
        }],
        ["federation.unknown_peer", "stranger", {
          from,
          method: "GET",
          path: "/api/v1/sync/since",
          reason: "x_memory_sig_no_enrolled_key"
        }],
        ["access.key_refused", "", {
          from,
          method: "GET",
          route: "/api/v1/stats",
          reason: "missing or invalid API key",
          status: 401,
          repeated: 3
        }]
      ]
    )
    const text = fs.readFileSync(db, "latin1")
    for (const secret of [wrong, reader.secret, admin.secret]) assert.notInclude(text, secret)
    fs.rmSync(folder, { recursive: true })
  })
})
