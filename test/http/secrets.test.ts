import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Settings } from "../../src/config/NodeConfig.js"
import { SecretScreen } from "../../src/operations/writing/SecretScreen.js"
import * as call from "./call.js"
import { start } from "./node.js"

const TOKEN = "ghp_aB3dE5gH7jK9mN1pQ3sT5vW7yZ0bC2eF4hJ6"
const kept = { title: "kept", content: "as it is" }

describe("memories that look like they hold a credential", () => {
  const withNode = async (
    given: Partial<Settings>,
    run: (send: call.Send, contents: () => Promise<unknown>) => Promise<void>
  ) => {
    const node = await start(given)
    try {
      await run(call.to(node), node.contents)
    } finally {
      await node.stop()
    }
  }
  const warnings = ({ body }: call.Answered) => JSON.stringify(body["warnings"] ?? [])
  /** One request of each way in, with the field that holds it. */
  const writes = (
    send: call.Send,
    id: string
  ): ReadonlyArray<readonly [field: string, sent: () => ReturnType<call.Send>]> => [
    ["content", () => send("POST", "/memories", { body: { title: "one", content: `the key is ${TOKEN}` } })],
    ["tags", () => send("POST", "/memories", { body: { title: "two", content: "c", tags: [TOKEN] } })],
    ["metadata", () => send("PUT", `/memories/${id}`, { body: { metadata: { at: TOKEN } } })],
    ["memories[1].title", () => send("POST", "/memories/bulk", { body: [kept, { title: TOKEN, content: "c" }] })],
    [
      "memories[0].content",
      () => send("POST", "/import", { body: { memories: [{ title: "three", content: TOKEN, metadata: {} }] } })
    ]
  ]

  it("are stored, and the answer says so, which field it is, and what becomes of it elsewhere", () =>
    withNode({}, async (send) => {
      const { body: { id } } = await send("POST", "/memories", { body: kept })
      for (const [field, sent] of writes(send, String(id))) {
        const answered = await sent()
        assert.isBelow(answered.status, 300, answered.text)
        assert.include(warnings(answered), `${field} looks like a credential (github_token)`, field)
        assert.include(warnings(answered), "0.10 drop such a memory")
        assert.notInclude(warnings(answered), TOKEN)
      }
      assert.strictEqual(warnings(await send("POST", "/memories", { body: { title: "plain", content: "c" } })), "[]")
    }))

  it("are refused where that is said, with the field and without the secret, and nothing is written", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-secrets-"))
    const db = path.join(folder, "memory.db")
    await withNode({ db, secretScreen: "refuse" }, async (send, contents) => {
      const { body: { id } } = await send("POST", "/memories", { body: kept })
      const before = await contents()
      for (const [field, sent] of writes(send, String(id))) {
        const answered = await sent()
        assert.strictEqual(answered.status, 422, answered.text)
        assert.deepInclude(answered.body, { field })
        assert.notInclude(answered.text, TOKEN)
      }
      assert.deepStrictEqual(await contents(), before)
      const resembles = await send("POST", "/memories", {
        body: { title: "list", content: "task-list-for-the-next-release-of-quorate" }
      })
      assert.strictEqual(resembles.status, 201)
      assert.include(warnings(resembles), "looks like a credential (openai_style_key)")
    })
    const reader = new Database(db, { readonly: true })
    const found = reader.prepare("SELECT count(*) FROM signed_events WHERE event_type = 'memory.secret_found'").pluck()
      .get()
    reader.close()
    assert.isAtLeast(Number(found), 3)
    assert.notInclude(fs.readFileSync(db, "latin1"), TOKEN)
    fs.rmSync(folder, { recursive: true })
  })

  it("are warned of also where nobody thought of it", () => {
    assert.strictEqual(Effect.runSync(Effect.map(SecretScreen, ({ mode }) => mode)), "warn")
  })

  it("are nobody's business where that is said", () =>
    withNode({ secretScreen: "off" }, async (send) => {
      const answered = await send("POST", "/memories", { body: { title: TOKEN, content: TOKEN } })
      assert.strictEqual(answered.status, 201)
      assert.strictEqual(warnings(answered), "[]")
    }))
})
