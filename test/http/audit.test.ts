import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { signerOf } from "../../src/access/ed25519.js"
import { made } from "../access/made.js"
import * as Call from "./call.js"
import { start } from "./node.js"

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

  it("has what an agent did not sign, and not what was said in its name", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-audit-"))
    const db = path.join(folder, "memory.db")
    const node = await start({ db })
    const send = Call.to(node)
    const { publicKey } = Option.getOrThrow(signerOf(Buffer.alloc(32, 1)))
    await send("POST", "/agents", { body: { agent_id: "ai:bound", agent_type: "human" } })
    await send("PUT", "/agents/ai:bound/pubkey", { body: { pubkey_b64: publicKey.raw.toString("base64url") } })
    const text = "an heirloom of brass"
    const { status } = await send("POST", "/memories", {
      body: {
        namespace: "signed",
        title: text,
        content: text,
        agent_id: "ai:bound",
        created_at: new Date().toISOString(),
        signature: Buffer.alloc(64, 2).toString("base64")
      }
    })
    assert.strictEqual(status, 403)
    await node.stop()
    assert.deepStrictEqual(
      rowsOf(db).filter(({ event_type }) => event_type === "access.attestation_refused"),
      [{ event_type: "access.attestation_refused", agent_id: "ai:bound", payload: { namespace: "signed" } }]
    )
    assert.notInclude(fs.readFileSync(db, "latin1"), text)
    fs.rmSync(folder, { recursive: true })
  })
})
