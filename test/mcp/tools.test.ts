import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import type { Settings } from "../../src/config/NodeConfig.js"
import { AgentId } from "../../src/domain/ids.js"
import { made } from "../access/made.js"
import * as Node from "../http/node.js"
import { isRecord, until } from "../mesh/Cluster.js"
import { call, ERAS, overHttp, rows } from "./clients.js"

const withNode = async (settings: Partial<Settings>, run: (node: Node.Node) => Promise<void>) => {
  const node = await Node.start(settings)
  try {
    await run(node)
  } finally {
    await node.stop()
  }
}

const CORE = [
  "memory_store",
  "memory_recall",
  "memory_get",
  "memory_update",
  "memory_delete",
  "memory_list",
  "memory_link",
  "memory_capabilities"
]
const REST = [
  "memory_consolidate",
  "memory_session_start",
  "memory_notify",
  "memory_inbox",
  "memory_pending_list",
  "memory_pending_approve",
  "memory_pending_reject",
  "memory_kg_query"
]

describe("the tools", () => {
  it("are eight, with titles, all hints and schemas of what they take and answer", () =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url)
      const { tools } = await client.listTools()
      assert.deepStrictEqual(tools.map(({ name }) => name), CORE)
      for (const { annotations, description = "", inputSchema, name, outputSchema, title } of tools) {
        assert.isString(title, name)
        assert.match(description, /\bUse it|instead of/, name)
        assert.deepStrictEqual(
          Object.entries(annotations ?? {}).filter(([, hint]) => typeof hint === "boolean").map(([hint]) => hint)
            .sort(),
          ["destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint"],
          name
        )
        assert.strictEqual(inputSchema.type, "object", name)
        assert.strictEqual(outputSchema?.["type"], "object", name)
      }
      const reading = tools.filter(({ annotations }) => annotations?.readOnlyHint).map(({ name }) => name)
      assert.deepStrictEqual(reading, ["memory_recall", "memory_get", "memory_list", "memory_capabilities"])
      await client.close()
    }))

  it("have the bounds of the contract in their schemas", () =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url)
      const { tools } = await client.listTools()
      const propertiesOf = (name: string) => tools.find((tool) => tool.name === name)?.inputSchema.properties ?? {}
      assert.deepInclude(propertiesOf("memory_store")["title"], { type: "string", minLength: 1, maxLength: 512 })
      assert.deepInclude(propertiesOf("memory_store")["priority"], { minimum: 1, maximum: 10, default: 5 })
      assert.deepInclude(propertiesOf("memory_recall")["abstain_below"], { minimum: 0, maximum: 1, default: 0.44 })
      assert.deepInclude(propertiesOf("memory_recall")["compact"], { default: true })
      assert.deepInclude(propertiesOf("memory_list")["limit"], { type: "integer", minimum: 0, default: 20 })
      await client.close()
    }))

  it("are all there in the full profile, by the setting or by who asks", () =>
    withNode({ mcpProfile: "full" }, async ({ url }) => {
      for (
        const [profile, expected] of [[undefined, [...CORE, ...REST]], ["core", CORE], ["full", [
          ...CORE,
          ...REST
        ]]] as const
      ) {
        const client = await overHttp(url, profile === undefined ? {} : { profile })
        assert.deepStrictEqual((await client.listTools()).tools.map(({ name }) => name), expected)
        await client.close()
      }
    }))

  it("come with instructions that say when, in 1,500 characters at most", () =>
    withNode({}, async ({ url }) => {
      for (const era of ERAS) {
        const client = await overHttp(url, { era })
        const instructions = client.getInstructions() ?? ""
        assert.isAtMost(instructions.length, 1500)
        for (const word of ["memory_recall", "memory_store", "before you", "at once", "namespace"]) {
          assert.include(instructions, word)
        }
        await client.close()
      }
    }))

  it.each(ERAS)("store, recall, change, link, list and delete, by %s", (era) =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url, { era })
      const stored = await call(client, "memory_store", {
        title: "Deploys",
        content: "Deploys go out on Tuesdays at ten.",
        tier: "long"
      })
      const { id } = stored.fields
      assert.deepInclude(stored.fields, { title: "Deploys", namespace: "global", quorum_acks: 1 })
      assert.notProperty(stored.fields, "content")
      const other = await call(client, "memory_store", { title: "Freeze", content: "Nothing goes out in December." })

      const [found] = rows(await call(client, "memory_recall", { context: "When do deploys go out?" }), "memories")
      assert.deepStrictEqual(Object.keys(found ?? {}).sort(), ["id", "score", "snippet", "title"])
      assert.strictEqual(found?.["id"], id)

      const read = await call(client, "memory_get", { id })
      assert.strictEqual(read.fields["content"], "Deploys go out on Tuesdays at ten.")
      const changed = await call(client, "memory_update", {
        id,
        content: "Deploys go out on Wednesdays.",
        expected_version: read.fields["updated_at"]
      })
      assert.isFalse(changed.isError, changed.text)
      const late = await call(client, "memory_update", {
        id,
        content: "never",
        expected_version: read.fields["updated_at"]
      })
      assert.isTrue(late.isError)
      assert.include(late.text, `expected_version ${String(changed.fields["updated_at"])}`)

      const linked = await call(client, "memory_link", {
        source_id: other.fields["id"],
        target_id: id,
        relation: "contradicts"
      })
      assert.isFalse(linked.isError, linked.text)
      assert.lengthOf(rows(await call(client, "memory_get", { id }), "links"), 1)
      assert.lengthOf(rows(await call(client, "memory_list", { limit: 1 }), "memories"), 1)

      const stale = await call(client, "memory_delete", { id, expected_version: read.fields["updated_at"] })
      assert.isTrue(stale.isError)
      assert.deepInclude((await call(client, "memory_delete", { id })).fields, { deleted: true, id })
      const gone = await call(client, "memory_get", { id })
      assert.isTrue(gone.isError)
      assert.include(gone.text, "memory_recall")
      await client.close()
    }))

  it("answer nothing where nothing fits, and say what to make of that", () =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url)
      await call(client, "memory_store", { title: "Deploys", content: "Deploys go out on Tuesdays at ten." })
      const nothing = await call(client, "memory_recall", { context: "Which birthday does my sister have? At ten?" })
      assert.deepInclude(nothing.fields, { count: 0, memories: [] })
      assert.include(nothing.text, "Say that you do not know")
      const all = await call(client, "memory_recall", {
        context: "Which birthday does my sister have? At ten?",
        abstain_below: 0,
        compact: false
      })
      assert.strictEqual(rows(all, "memories")[0]?.["content"], "Deploys go out on Tuesdays at ten.")
      await client.close()
    }))

  it("are the same write again under the same key", () =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url)
      const given = { title: "once", content: "once", idempotency_key: "k" }
      const [first, second] = [await call(client, "memory_store", given), await call(client, "memory_store", given)]
      assert.strictEqual(first.fields["id"], second.fields["id"])
      const other = await call(client, "memory_store", { ...given, content: "other" })
      assert.isTrue(other.isError)
      assert.include(other.text, "Idempotency-Key")
      await client.close()
    }))

  it("say what to do where a title is taken, a field is wrong or unknown, and what looks like a secret", () =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url)
      const { fields } = await call(client, "memory_store", { title: "t", content: "c" })
      const taken = await call(client, "memory_store", { title: "t", content: "other" })
      assert.include(taken.text, String(fields["id"]))
      assert.include(taken.text, "on_conflict")
      const wrong = await call(client, "memory_store", { title: "u", content: "c", priority: 11 })
      assert.include(wrong.text, "Correct priority")
      const unknown = await call(client, "memory_store", { title: "v", content: "c", colour: "red" })
      assert.deepStrictEqual(unknown.fields["warnings"], ["the field colour is not known here, and was ignored"])
      const secret = await call(client, "memory_store", {
        title: "w",
        content: "ghp_0123456789abcdefghijABCDEFGHIJ012345"
      })
      assert.match(JSON.stringify(secret.fields["warnings"]), /looks like a credential/)
      assert.notInclude(secret.text, "ghp_")
      await client.close()
    }))

  it("of the full profile work as well", () =>
    withNode({ mcpProfile: "full" }, async ({ url }) => {
      const client = await overHttp(url, { headers: { "x-agent-id": "bob" } })
      const one = await call(client, "memory_store", { title: "one", content: "One part of it." })
      const two = await call(client, "memory_store", { title: "two", content: "Another part of it." })
      const ids = [one.fields["id"], two.fields["id"]]
      await call(client, "memory_link", { source_id: ids[0], target_id: ids[1] })
      assert.strictEqual((await call(client, "memory_kg_query", { source_id: ids[0] })).fields["count"], 1)
      const merged = await call(client, "memory_consolidate", {
        ids,
        title: "both",
        summary: "Both parts of it.",
        namespace: "global"
      })
      assert.strictEqual(merged.fields["consolidated"], 2)
      assert.strictEqual((await call(client, "memory_session_start")).fields["count"], 1)
      assert.isTrue(
        (await call(client, "memory_notify", { target_agent_id: "bob", title: "hi", payload: "hello" })).fields["sent"]
      )
      assert.strictEqual((await call(client, "memory_inbox")).fields["count"], 1)
      assert.strictEqual((await call(client, "memory_pending_list")).fields["count"], 0)
      for (const tool of ["memory_pending_approve", "memory_pending_reject"]) {
        assert.isTrue((await call(client, tool, { id: "none" })).isError, tool)
      }
      await client.close()
    }))
})

describe("the rules of a namespace", () => {
  it("tell that a write waits for approval, and tools approve or reject it", () =>
    withNode({ mcpProfile: "full" }, async ({ url }) => {
      const set = await fetch(`${url}/api/v1/memories`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title: "standard", content: "how we do it", namespace: "gov" })
      }).then((response) => response.json())
      const governance = { write: "any", promote: "any", delete: "approve", approver: "human" }
      const ruled = await fetch(`${url}/api/v1/namespaces/gov/standard`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ id: isRecord(set) ? set["id"] : "", governance })
      })
      assert.strictEqual(ruled.status, 201, await ruled.text())
      const client = await overHttp(url, { headers: { "x-agent-id": "alice" } })
      const human = await overHttp(url, { headers: { "x-agent-id": "human:hans" } })
      for (const tool of ["memory_pending_approve", "memory_pending_reject"]) {
        const { fields } = await call(client, "memory_store", { title: `t ${tool}`, content: "c", namespace: "gov" })
        const waits = await call(client, "memory_delete", { id: fields["id"] })
        assert.isTrue(waits.isError)
        assert.match(waits.text, /Not done yet.*ask for approval of a delete.*Do not repeat it/)
        const [action] = rows(await call(human, "memory_pending_list", { status: "pending" }), "pending")
        assert.include(waits.text, String(action?.["id"]))
        const decided = await call(human, tool, { id: action?.["id"] })
        assert.isFalse(decided.isError, decided.text)
        assert.strictEqual(
          (await call(client, "memory_get", { id: fields["id"] })).isError,
          tool === "memory_pending_approve"
        )
      }
      for (const each of [client, human]) await each.close()
    }))
})

describe("memories as resources", () => {
  it.each(ERAS)(
    "are listed by pages, read by their URIs, and completed, by %s",
    (era) =>
      withNode({}, async ({ url }) => {
        const client = await overHttp(url, { era })
        const ids = []
        for (let at = 0; at < 55; at++) {
          const { fields } = await call(client, "memory_store", {
            title: `fact ${at}`,
            content: `content ${at}`,
            namespace: "team/ops"
          })
          ids.push(String(fields["id"]))
        }
        const { resources } = await client.listResources()
        assert.lengthOf(new Set(resources.map(({ uri }) => uri)), 55)
        const uri = `memory://team/ops/${ids[3]}`
        assert.include(resources.map((resource) => resource.uri), uri)
        const { contents } = await client.readResource({ uri })
        assert.deepStrictEqual(contents, [{ uri, mimeType: "text/markdown", text: "# fact 3\n\ncontent 3\n" }])
        for (
          const missing of [
            `memory://team/${ids[3]}`,
            "memory://team/ops/none",
            "memory://",
            "file:///etc/passwd",
            "memory://%E0%A4%A/x"
          ]
        ) {
          await client.readResource({ uri: missing }).then(
            () => assert.fail(missing),
            (error: unknown) => assert.match(String(error), /not found/i, missing)
          )
        }
        const { resourceTemplates: [template] } = await client.listResourceTemplates()
        assert.strictEqual(template?.uriTemplate, "memory://{+namespace}/{id}")
        const ref = { type: "ref/resource" as const, uri: template?.uriTemplate ?? "" }
        const ofNamespace = await client.complete({ ref, argument: { name: "namespace", value: "te" } })
        assert.deepStrictEqual(ofNamespace.completion.values, ["team/ops"])
        const ofId = await client.complete({
          ref,
          argument: { name: "id", value: String(ids[7]).slice(0, 18) },
          context: { arguments: { namespace: "team/ops" } }
        })
        assert.deepStrictEqual(ofId.completion.values, [ids[7]])
        await client.close()
      })
  )
})

describe("the prompts", () => {
  it("begin and close a session", () =>
    withNode({}, async ({ url }) => {
      const client = await overHttp(url)
      await call(client, "memory_store", { title: "Deploys go out on Tuesdays", content: "c", namespace: "team" })
      const { prompts } = await client.listPrompts()
      assert.deepStrictEqual(prompts.map(({ name }) => name), ["begin_session", "close_session"])
      const begun = JSON.stringify(
        await client.getPrompt({ name: "begin_session", arguments: { namespace: "team", task: "deploy" } })
      )
      for (const word of ["memory_recall", "deploy", "Deploys go out on Tuesdays", "`team`"]) {
        assert.include(begun, word)
      }
      const closed = JSON.stringify(await client.getPrompt({ name: "close_session" }))
      for (const word of ["memory_store", "memory_update"]) assert.include(closed, word)
      await client.getPrompt({ name: "none" }).then(
        () => assert.fail(),
        (error: unknown) => assert.match(String(error), /begin_session/)
      )
      await client.close()
    }))
})

const reader = made("reader", ["read"])
const writer = made("writer", ["write"])
const alice = made("alice", ["read", "write"], { agentId: Option.some(AgentId.make("alice")) })
const team = made("team", ["read", "write"], { namespaces: Option.some(["team/**"]) })
const peer = made("peer", ["peer"])
const keyed: Partial<Settings> = {
  apiKeys: Option.some([reader, writer, alice, team, peer].map(({ key }) => key))
}

describe("the keys of a node", () => {
  it("open as much here as everywhere: none without one, and each what it is for", () =>
    withNode(keyed, async ({ contents, url }) => {
      for (const headers of [{}, { "x-api-key": "wrong" }]) {
        await overHttp(url, { headers }).then(
          () => assert.fail(),
          (error: unknown) => assert.match(String(error), /401|Unauthorized|API key/i)
        )
      }
      const before = await contents()
      const reads = await overHttp(url, { headers: { "x-api-key": reader.secret } })
      const refused = await call(reads, "memory_store", { title: "t", content: "c" })
      assert.isTrue(refused.isError)
      assert.include(refused.text, "scope write")
      assert.deepStrictEqual(await contents(), before)
      assert.isFalse((await call(reads, "memory_list")).isError)

      const writes = await overHttp(url, { headers: { authorization: `Bearer ${writer.secret}` } })
      assert.isFalse((await call(writes, "memory_store", { title: "t", content: "secret of the team" })).isError)
      for (const tool of ["memory_list", "memory_recall", "memory_get"]) {
        assert.include((await call(writes, tool, { id: "x", context: "x" })).text, "scope read", tool)
      }
      assert.lengthOf((await writes.listResources()).resources, 0)
      assert.notInclude(JSON.stringify(await writes.getPrompt({ name: "begin_session" })), "secret")

      const nodes = await overHttp(url, { headers: { "x-api-key": peer.secret } })
      assert.include((await call(nodes, "memory_list")).text, "scope read")
      for (const client of [reads, writes, nodes]) await client.close()
    }))

  it("of a client is in the audit log when it opened nothing", () =>
    withNode(keyed, async ({ url }) => {
      const headers = { "x-api-key": reader.secret }
      const count = async () => {
        const text = await fetch(`${url}/metrics`, { headers }).then((response) => response.text())
        return Number(/^audit_events_total\{[^}]*access\.key_refused[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0)
      }
      const client = await overHttp(url, { headers })
      assert.strictEqual(await count(), 0)
      assert.isTrue((await call(client, "memory_store", { title: "t", content: "c" })).isError)
      await until("it is counted", async () => (await count()) === 1)
      await client.close()
    }))

  it("bind an agent to its own name, in headers and arguments", () =>
    withNode(keyed, async ({ url }) => {
      const client = await overHttp(url, { headers: { "x-api-key": alice.secret }, profile: "full" })
      const { fields } = await call(client, "memory_store", { title: "hers", content: "c" })
      const read = await call(client, "memory_get", { id: fields["id"] })
      assert.deepInclude(read.fields["metadata"], { agent_id: "alice" })
      for (
        const [tool, given] of [
          ["memory_store", { title: "u", content: "c", agent_id: "bob" }],
          ["memory_inbox", { agent_id: "bob" }],
          ["memory_notify", { target_agent_id: "carol", title: "t", payload: "p", agent_id: "bob" }],
          ["memory_session_start", { agent_id: "bob" }]
        ] as const
      ) {
        const other = await call(client, tool, given)
        assert.isTrue(other.isError, tool)
        assert.include(other.text, "another agent", tool)
      }
      await overHttp(url, { headers: { "x-api-key": alice.secret, "x-agent-id": "bob" } }).then(
        () => assert.fail(),
        (error: unknown) => assert.match(String(error), /another agent|403/)
      )
      await client.close()
    }))

  it("of some namespaces show nothing of the others, by no door", () =>
    withNode(keyed, async ({ url }) => {
      const writes = await overHttp(url, { headers: { "x-api-key": writer.secret } })
      const hidden = await call(writes, "memory_store", {
        title: "hidden fact",
        content: "hidden content",
        namespace: "other"
      })
      const client = await overHttp(url, { headers: { "x-api-key": team.secret } })
      await call(client, "memory_store", { title: "fact", content: "content", namespace: "team/a" })
      assert.isTrue((await call(client, "memory_store", { title: "x", content: "c", namespace: "other" })).isError)
      assert.isTrue((await call(client, "memory_get", { id: hidden.fields["id"] })).isError)
      const seen = JSON.stringify([
        await call(client, "memory_list"),
        await call(client, "memory_recall", { context: "hidden fact", abstain_below: 0 }),
        await client.listResources(),
        await client.getPrompt({ name: "begin_session" }),
        await client.complete({
          ref: { type: "ref/resource", uri: "memory://{+namespace}/{id}" },
          argument: { name: "namespace", value: "" }
        })
      ])
      assert.include(seen, "team/a")
      assert.notInclude(seen, "hidden")
      assert.notInclude(seen, "other")
      await client.readResource({ uri: `memory://other/${String(hidden.fields["id"])}` }).then(
        () => assert.fail(),
        () => undefined
      )
      for (const each of [client, writes]) await each.close()
    }))

  it("have the same bounds on how often they ask", () =>
    withNode({ rateLimit: 5 }, async ({ url }) => {
      const answers = []
      for (let at = 0; at < 8; at++) answers.push((await post(url, LIST)).status)
      assert.deepStrictEqual(answers.slice(0, 4), [200, 200, 200, 200])
      assert.include(answers, 429)
    }))
})

const LIST = { jsonrpc: "2.0", id: 1, method: "tools/list" }

const post = async (url: string, body: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })
  const text = await response.text()
  const data = /^data: (.*)$/m.exec(text)?.[1] ?? text
  const parsed: unknown = data.startsWith("{") ? JSON.parse(data) : {}
  return { status: response.status, text, body: isRecord(parsed) ? parsed : {}, headers: response.headers }
}

describe("what comes from elsewhere", () => {
  it("is refused: pages of other sites, and other names of the node", () =>
    withNode({ allowedOrigins: ["https://mine.example"] }, async ({ contents, port, url }) => {
      const before = await contents()
      const store = {
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "memory_store", arguments: { title: "t", content: "c" } }
      }
      assert.strictEqual((await post(url, store, { origin: "https://evil.example" })).status, 403)
      const named = (host: string) =>
        Node.exchange(
          port,
          Node.request({ method: "POST", path: "/mcp", headers: { host }, body: JSON.stringify(store) })
        )
      assert.strictEqual((await named("evil.example")).status, 421)
      assert.deepStrictEqual(await contents(), before)
      const mine = await post(url, LIST, { origin: "https://mine.example" })
      assert.strictEqual(mine.status, 200)
      assert.strictEqual(mine.headers.get("access-control-allow-origin"), "https://mine.example")
      const asked = await fetch(`${url}/mcp`, {
        method: "OPTIONS",
        headers: { origin: "https://mine.example", "access-control-request-method": "POST" }
      })
      assert.match(asked.headers.get("access-control-allow-headers") ?? "", /MCP-Protocol-Version/)
    }))

  it("is answered where it is hostile: with an error, and nothing is written", () =>
    withNode({}, async ({ contents, url }) => {
      const before = await contents()
      const deep = `${"[".repeat(200)}${"]".repeat(200)}`
      const call = (params: unknown) => ({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
      for (
        const [what, body, status] of [
          ["no JSON", "{", 400],
          ["nothing", "", 400],
          ["a batch", [LIST, LIST], 400],
          ["a text", "\"tools/list\"", 400],
          ["too deep", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":${deep}}}`, 400],
          [
            "too large",
            JSON.stringify(call({ name: "memory_store", arguments: { content: "x".repeat(3_000_000) } })),
            413
          ]
        ] as const
      ) {
        const answer = await post(url, body)
        assert.strictEqual(answer.status, status, what)
        assert.property(answer.body, "error", what)
      }
      for (
        const params of [
          { name: "memory_store", arguments: { title: {}, content: [] } },
          {
            name: "memory_store",
            arguments: { title: "t", content: "c", tags: Array.from({ length: 5000 }, () => "x") }
          },
          { name: "memory_store", arguments: { title: "t", content: "x".repeat(100_000) } },
          { name: "memory_store", arguments: { title: "t", content: "c", namespace: "../../etc" } },
          { name: "memory_list", arguments: { limit: { a: 1 }, since: [], tags: null } },
          { name: "memory_get", arguments: { id: ["a"] } },
          { name: "memory_get", arguments: {} },
          { name: "memory_link", arguments: { source_id: "a", target_id: "b" } },
          { name: "memory_recall", arguments: { context: "" } },
          { name: "memory_notify", arguments: {} },
          { name: "constructor", arguments: {} },
          { name: "__proto__" },
          { name: 5 },
          { arguments: {} },
          "none",
          null
        ]
      ) {
        const { body, status } = await post(url, call(params))
        const failed = body["error"] !== undefined || (isRecord(body["result"]) && body["result"]["isError"] === true)
        assert.isTrue(failed, `${JSON.stringify(params)?.slice(0, 100)}: ${JSON.stringify(body).slice(0, 300)}`)
        assert.include([200, 400], status)
      }
      for (const method of ["sampling/createMessage", "tasks/list", "x", ""]) {
        assert.property((await post(url, { jsonrpc: "2.0", id: 1, method })).body, "error", method)
      }
      assert.deepStrictEqual(await contents(), before)
      assert.strictEqual((await post(url, LIST)).status, 200)
    }))

  it("finds POST alone at this path, and no stream that never ends", () =>
    withNode({}, async ({ url }) => {
      for (const method of ["GET", "DELETE", "PUT"]) {
        const response = await fetch(`${url}/mcp`, { method, headers: { accept: "text/event-stream" } })
        assert.strictEqual(response.status, 405, method)
        assert.strictEqual(response.headers.get("allow"), "POST, OPTIONS")
      }
      const meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { name: "t", version: "1" },
        "io.modelcontextprotocol/clientCapabilities": {}
      }
      const { body, status } = await post(url, {
        jsonrpc: "2.0",
        id: 7,
        method: "subscriptions/listen",
        params: { _meta: meta, notifications: { toolsListChanged: true } }
      }, { "mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen" })
      assert.strictEqual(status, 404)
      assert.deepInclude(body, { id: 7 })
    }))
})
