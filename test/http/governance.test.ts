import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import { sign } from "../../src/access/webhooks.js"
import * as Call from "./call.js"
import * as Node from "./node.js"

/** A namespace that no other test uses. */
const fresh = (() => {
  let count = 0
  return (name: string) => `${name}${++count}`
})()

const as = (agent: string) => ({ headers: { "x-agent-id": agent } })

const fieldOf = ({ body }: Call.Answered) => body["field"]

const SECRET = Redacted.make("a-secret")

describe("governance", () => {
  let node: Node.Node
  let send: Call.Send
  beforeAll(async () => {
    node = await Node.start({ approvalsSecret: Option.some(SECRET) })
    send = Call.to(node)
  })
  afterAll(() => node.stop())

  /** Sends a request that must be answered with the status; what it was answered. */
  const ask = async (status: number, ...request: Parameters<Call.Send>) => {
    const answered = await send(...request)
    assert.strictEqual(answered.status, status, `${request.slice(0, 2).join(" ")}: ${answered.text}`)
    return answered
  }

  const govern = (namespace: string, governance: object, more: object = {}) =>
    ask(201, "POST", "/namespaces", { body: { namespace, governance, ...more } })

  const store = (status: number, namespace: string, title: string, options: object = {}) =>
    ask(status, "POST", "/memories", { body: { namespace, title, content: "c" }, ...options })

  const register = (agent_id: string) => ask(201, "POST", "/agents", { body: { agent_id, agent_type: "human" } })

  const queue = async (namespace: string, title: string, agent = "writer") =>
    String((await store(202, namespace, title, as(agent))).body["pending_id"])

  const pendingOf = async (id: string) =>
    Call.rows(await ask(200, "GET", "/pending?limit=1000"), "pending").find((action) => action["id"] === id) ?? {}

  const titlesOf = async (namespace: string) =>
    Call.rows(await ask(200, "GET", `/memories?namespace=${namespace}&limit=1000`), "memories").map(({ title }) =>
      title
    )

  describe("the memory of a standard", () => {
    const governed = async (name: string) => {
      const namespace = fresh(name)
      await govern(namespace, { write: "approve", delete: "any" })
      const { body } = await ask(200, "GET", `/namespaces?namespace=${namespace}`)
      return { namespace, id: String(body["standard_id"]) }
    }
    const holds = async (namespace: string) => {
      await store(202, namespace, "still ruled")
      await ask(200, "GET", `/namespaces?namespace=${namespace}`)
    }
    const says = (answered: Call.Answered, namespace: string) =>
      assert.strictEqual(
        answered.body["error"],
        `this memory is the standard of namespace ${namespace}: set another one or clear it first`
      )

    it("is not deleted, and not archived: 409", async () => {
      const { id, namespace } = await governed("kept")
      const other = String((await store(201, fresh("free"), "other")).body["id"])
      says(await ask(409, "DELETE", `/memories/${id}`), namespace)
      says(await ask(409, "POST", "/archive", { body: { ids: [other, id] } }), namespace)
      await ask(200, "GET", `/memories/${other}`)
      await holds(namespace)
      await ask(200, "DELETE", `/namespaces?namespace=${namespace}`)
      await ask(200, "DELETE", `/memories/${id}`)
    })

    it("stays when all around it is forgotten, collected or purged", async () => {
      const { id, namespace } = await governed("swept")
      const past = { expires_at: "2020-01-01T00:00:00.000000000+00:00" }
      await ask(200, "PUT", `/memories/${id}`, { body: past })
      await ask(200, "POST", "/gc")
      await ask(200, "POST", "/forget", { body: { namespace } })
      await ask(200, "DELETE", "/archive")
      assert.strictEqual((await ask(200, "GET", `/memories/${id}`)).body["id"], id)
      await holds(namespace)
      // Nor does it make room for another memory of its title.
      const { title } = (await ask(200, "GET", `/memories/${id}`)).body
      await govern(namespace, { write: "any" })
      await store(409, namespace, String(title))
    })

    it("takes its rules along when it is consolidated, and does not become one with another", async () => {
      const [one, two] = [await governed("joined"), await governed("joined")]
      const plain = { namespace: "joined", title: fresh("plain"), content: "c" }
      const other = await ask(201, "POST", "/memories", {
        body: { ...plain, metadata: { governance: { write: "any", inherit: false } } }
      })
      const body = { title: fresh("both"), summary: "s", namespace: "joined" }
      const refusal = await ask(409, "POST", "/consolidate", { body: { ...body, ids: [one.id, two.id] } })
      says(refusal, two.namespace)
      await ask(201, "POST", "/consolidate", { body: { ...body, ids: [one.id, other.body["id"]] } })
      await holds(one.namespace)
    })
  })

  describe("standards", () => {
    it("are made, told, and taken away, by query and by path", async () => {
      const namespace = fresh("made/here")
      const path = `/namespaces/${encodeURIComponent(namespace)}/standard`
      assert.deepStrictEqual((await ask(200, "GET", path)).body, { namespace, standard_id: null })
      const set = await ask(201, "POST", "/namespaces", { body: { namespace } })
      const id = String(set.body["standard_id"])
      const acks = { quorum_acks: 1, acked_by: set.body["acked_by"] }
      assert.deepStrictEqual(set.body, { set: true, namespace, standard_id: id, ...acks })
      assert.isString(set.headers.get("x-op-id"))
      const told = {
        namespace,
        standard_id: id,
        title: `_standard:${namespace}`,
        content: `Standard of namespace ${namespace}`,
        priority: 5,
        governance: { write: "any", promote: "any", delete: "owner", approver: "human", inherit: true }
      }
      for (const where of [path, `/namespaces?namespace=${encodeURIComponent(namespace)}`]) {
        assert.deepStrictEqual((await ask(200, "GET", where)).body, told)
      }
      const memory = Object((await ask(200, "GET", `/memories/${id}`)).body["memory"])
      assert.deepInclude(memory, { tier: "long", source: "api", tags: ["_namespace_standard"], namespace })
      assert.deepStrictEqual(memory.metadata, { agent_id: "system" })

      assert.deepInclude((await ask(200, "DELETE", path)).body, { cleared: true, namespace })
      assert.deepStrictEqual((await ask(200, "GET", path)).body, { namespace, standard_id: null })
      const where = `/namespaces?namespace=${encodeURIComponent(namespace)}`
      assert.deepInclude((await ask(200, "DELETE", where)).body, { cleared: false, namespace })
      // The memory stays, and becomes the standard again.
      const again = await ask(201, "POST", path, { body: { standard: { governance: { write: "any" } } } })
      assert.strictEqual(again.body["standard_id"], id)
      assert.deepInclude((await ask(200, "DELETE", where)).body, { cleared: true })
    })

    it("may stand in the body whole, the namespace, too", async () => {
      const namespace = fresh("nested")
      const governance = { write: "registered", approver: { consensus: 2 } }
      const set = await ask(201, "POST", "/namespaces", { body: { standard: { namespace, governance } } })
      assert.deepInclude(set.body, { namespace, set: true })
      const told = (await ask(200, "GET", `/namespaces?namespace=${namespace}`)).body
      assert.deepStrictEqual(told["governance"], { promote: "any", delete: "owner", inherit: true, ...governance })
      const path = `/namespaces/${namespace}/standard`
      await ask(201, "POST", path, { body: { standard: { namespace } } })
      assert.strictEqual(
        fieldOf(await ask(400, "POST", path, { body: { standard: { namespace: "x" } } })),
        "standard.namespace"
      )
    })

    it("are the memory that is named, or the newest that was made for it", async () => {
      const namespace = fresh("named")
      const tagged = { namespace, content: "c", tags: ["_namespace_standard"] }
      const old = await ask(201, "POST", "/memories", { body: { ...tagged, title: "old", priority: 9 } })
      const newest = await ask(201, "POST", "/memories", { body: { ...tagged, title: "new" } })
      const found = await ask(201, "POST", "/namespaces", { body: { namespace } })
      assert.strictEqual(found.body["standard_id"], newest.body["id"])
      const before = await ask(200, "GET", `/memories/${String(old.body["id"])}`)
      const named = await ask(201, "POST", "/namespaces", { body: { namespace, id: old.body["id"] } })
      assert.strictEqual(named.body["standard_id"], old.body["id"])
      // A memory of one's own is not touched by becoming the standard.
      assert.deepStrictEqual((await ask(200, "GET", `/memories/${String(old.body["id"])}`)).body, before.body)
      await ask(201, "POST", "/namespaces", { body: { namespace, id: old.body["id"], governance: { write: "owner" } } })
      const after = Object((await ask(200, "GET", `/memories/${String(old.body["id"])}`)).body["memory"])
      assert.deepStrictEqual(after.metadata.governance, {
        write: "owner",
        promote: "any",
        delete: "owner",
        approver: "human",
        inherit: true
      })
      assert.isAbove(after.updated_at.localeCompare(Object(before.body["memory"]).updated_at), 0)
      assert.strictEqual((await ask(404, "POST", "/namespaces", { body: { namespace, id: "nothing" } })).status, 404)
    })

    it("whose memory is not here are told as missing", async () => {
      const namespace = fresh("dangling")
      const id = "not here yet"
      const standards = [{ namespace, standard_id: id, updated_at: "2024-01-01T00:00:00.000000000+00:00" }]
      await ask(200, "POST", "/import", { body: { memories: [], standards } })
      const told = (await ask(200, "GET", `/namespaces?namespace=${namespace}`)).body
      assert.deepInclude(told, { namespace, standard_id: null })
      assert.include(String(told["warning"]), id)
      assert.deepStrictEqual((await ask(200, "GET", `/namespaces?namespace=${namespace}&inherit=true`)).body, {
        namespace,
        chain: ["*", namespace],
        standards: [],
        count: 0
      })
    })

    it("are inherited along parents and levels", async () => {
      const [top, middle, leaf] = [fresh("top"), fresh("middle"), fresh("leaf")]
      await ask(201, "POST", "/namespaces", { body: { namespace: top, governance: { write: "any" } } })
      await ask(201, "POST", "/namespaces", { body: { namespace: middle, standard: { parent: top } } })
      const set = await ask(201, "POST", "/namespaces", { body: { namespace: leaf, parent: middle } })
      assert.strictEqual(set.body["parent"], middle)
      const deep = `${leaf}/deep`
      await ask(201, "POST", `/namespaces/${encodeURIComponent(deep)}/standard`, { body: {} })
      const { body } = await ask(200, "GET", `/namespaces/${encodeURIComponent(deep)}/standard?inherit=1`)
      assert.deepStrictEqual(body["chain"], ["*", top, middle, leaf, deep])
      const standards = Array.isArray(body["standards"]) ? body["standards"] : []
      assert.deepStrictEqual(standards.map(({ namespace }) => namespace), [top, middle, leaf, deep])
      assert.strictEqual(body["count"], 4)
      // A parent that nobody names again stays.
      const kept = await ask(201, "POST", "/namespaces", { body: { namespace: leaf } })
      assert.strictEqual(kept.body["parent"], middle)
      assert.deepStrictEqual(
        (await ask(200, "GET", `/namespaces?namespace=${leaf}&inherit=false`)).body["namespace"],
        leaf
      )
    })

    it("have the parent that their name points at, when nobody names one", async () => {
      const base = fresh("app")
      await ask(201, "POST", "/namespaces", { body: { namespace: base } })
      const child = await ask(201, "POST", "/namespaces", { body: { namespace: `${base}-web-ui` } })
      assert.strictEqual(child.body["parent"], base)
      const other = await ask(201, "POST", "/namespaces", { body: { namespace: `${base}x-web` } })
      assert.notProperty(other.body, "parent")
    })

    it("stand for names of any length and script", async () => {
      for (const namespace of ["x".repeat(512), "\u{1F600}".repeat(512), "a/b/c/d/e/f/g/h", "ü:ö", "*"]) {
        const path = `/namespaces/${encodeURIComponent(namespace)}/standard`
        const set = await ask(201, "POST", path, { body: {} })
        assert.strictEqual(set.body["namespace"], namespace)
        assert.strictEqual((await ask(200, "GET", path)).body["standard_id"], set.body["standard_id"])
        assert.deepInclude((await ask(200, "DELETE", path)).body, { cleared: true })
      }
    })

    it("are refused with the field that is wrong", async () => {
      const post = (status: number, body: unknown) => ask(status, "POST", "/namespaces", { body })
      const cases: ReadonlyArray<readonly [number, unknown, unknown]> = [
        [400, {}, "namespace"],
        [400, { standard: { governance: { write: "any" } } }, "namespace"],
        [400, { namespace: "a", standard: { namespace: "b" } }, "standard.namespace"],
        [422, { namespace: 1 }, "namespace"],
        [400, { namespace: "" }, "namespace"],
        [400, { namespace: " padded " }, "namespace"],
        [400, { namespace: "a//b" }, "namespace"],
        [400, { namespace: "x".repeat(513) }, "namespace"],
        [400, { namespace: "a", parent: "a" }, "parent"],
        [400, { namespace: "a", parent: "a b" }, "parent"],
        [400, { namespace: "a", id: "x".repeat(129) }, "id"],
        [400, { namespace: "a", governance: {} }, "governance.write"],
        [400, { namespace: "a", governance: { write: "all" } }, "governance.write"],
        [400, { namespace: "a", standard: { governance: { write: "all" } } }, "standard.governance.write"],
        [400, { namespace: "a", governance: { write: "any", approver: "robot" } }, "governance.approver"],
        [400, { namespace: "a", governance: { write: "any", approver: { agent: 5 } } }, "governance.approver.agent"],
        [400, { namespace: "a", governance: { write: "any", approver: {} } }, "governance.approver"],
        [
          400,
          { namespace: "a", governance: { write: "any", approver: { agent: "a b" } } },
          "governance.approver.agent"
        ],
        [
          400,
          { namespace: "a", governance: { write: "any", approver: { consensus: 0 } } },
          "governance.approver.consensus"
        ],
        [422, { namespace: "a", standard: "any" }, "standard"],
        [422, [], ""]
      ]
      const before = await node.contents()
      for (const [status, body, field] of cases) {
        assert.strictEqual(fieldOf(await post(status, body)), field, JSON.stringify(body))
      }
      assert.strictEqual(fieldOf(await ask(400, "DELETE", "/namespaces")), "namespace")
      assert.strictEqual(fieldOf(await ask(400, "DELETE", "/namespaces?namespace=%20")), "namespace")
      for (const name of ["a%2F%2Fb", "%zz", "%ff", "x".repeat(1100), "%20a"]) {
        assert.strictEqual(fieldOf(await ask(400, "GET", `/namespaces/${name}/standard`)), "namespace", name)
        assert.strictEqual(fieldOf(await ask(400, "DELETE", `/namespaces/${name}/standard`)), "namespace", name)
      }
      assert.strictEqual(fieldOf(await ask(400, "GET", "/namespaces?namespace=a&inherit=perhaps")), "inherit")
      await ask(404, "GET", "/namespaces/a/b/standard")
      assert.deepStrictEqual(await node.contents(), before)
    })

    it("do not grow a memory beyond what peers take", async () => {
      const namespace = fresh("large")
      const metadata = { filling: "x".repeat(65_300) }
      const { body } = await ask(201, "POST", "/memories", { body: { namespace, title: "t", content: "c", metadata } })
      const refused = await ask(400, "POST", "/namespaces", {
        body: { namespace, id: body["id"], governance: { write: "any", approver: { agent: "x".repeat(128) } } }
      })
      assert.strictEqual(fieldOf(refused), "metadata")
    })

    it("are set once for one key", async () => {
      const namespace = fresh("keyed")
      const headers = { "idempotency-key": randomUUID() }
      const first = await ask(201, "POST", "/namespaces", { body: { namespace }, headers })
      const before = await node.contents()
      const again = await ask(201, "POST", "/namespaces", { body: { namespace }, headers })
      assert.deepStrictEqual(again.body, first.body)
      assert.strictEqual(again.headers.get("x-op-id"), first.headers.get("x-op-id"))
      assert.deepStrictEqual(await node.contents(), before)
      await ask(422, "POST", "/namespaces", { body: { namespace: `${namespace}x` }, headers })
      const clearing = { headers: { "idempotency-key": randomUUID() } }
      for (let time = 0; time < 2; time++) {
        assert.deepInclude((await ask(200, "DELETE", `/namespaces?namespace=${namespace}`, clearing)).body, {
          cleared: true
        })
      }
    })
  })

  describe("levels", () => {
    it("any: everybody writes, promotes and deletes", async () => {
      const namespace = fresh("any")
      await govern(namespace, { write: "any", delete: "any" })
      const { body } = await store(201, namespace, "t")
      await ask(200, "POST", `/memories/${String(body["id"])}/promote`)
      await ask(200, "DELETE", `/memories/${String(body["id"])}`, as("stranger"))
    })

    it("registered: only agents that are registered", async () => {
      const namespace = fresh("registered")
      const [known, unknown] = [fresh("known"), fresh("unknown")]
      await register(known)
      await govern(namespace, { write: "registered", delete: "registered", promote: "registered" })
      const why = "the caller is not a registered agent"
      for (const caller of [as(unknown), {}]) {
        assert.deepStrictEqual((await store(403, namespace, "t", caller)).body, {
          error: `store denied by governance: ${why}`
        })
      }
      const { body } = await store(201, namespace, "t", as(known))
      const path = `/memories/${String(body["id"])}`
      assert.strictEqual(
        (await ask(403, "POST", `${path}/promote`, as(unknown))).body["error"],
        `promote denied by governance: ${why}`
      )
      await ask(200, "POST", `${path}/promote`, as(known))
      assert.strictEqual((await ask(403, "DELETE", path)).body["error"], `delete denied by governance: ${why}`)
      await ask(200, "DELETE", path, as(known))
    })

    it("owner: of the standard for a store, of the memory for the rest", async () => {
      const namespace = fresh("owner")
      const rules = await store(201, fresh("elsewhere"), "rules", as("boss"))
      await govern(namespace, { write: "owner", promote: "owner" }, { id: rules.body["id"] })
      const why = "only the owner may do this"
      assert.strictEqual(
        (await store(403, namespace, "t", as("worker"))).body["error"],
        `store denied by governance: ${why}`
      )
      const { body } = await store(201, namespace, "t", as("boss"))
      const path = `/memories/${String(body["id"])}`
      assert.strictEqual(
        (await ask(403, "POST", `${path}/promote`, as("worker"))).body["error"],
        `promote denied by governance: ${why}`
      )
      await ask(403, "DELETE", path, as("worker"))
      await ask(403, "DELETE", path)
      await ask(200, "POST", `${path}/promote`, as("boss"))
      await ask(200, "DELETE", path, as("boss"))
    })

    it("the agent of the body is who asks, before that of the header", async () => {
      const namespace = fresh("body")
      const known = fresh("agent")
      await register(known)
      await govern(namespace, { write: "registered" })
      const memory = { namespace, title: "t", content: "c" }
      await ask(403, "POST", "/memories", { body: { ...memory, agent_id: "nobody" }, ...as(known) })
      await ask(201, "POST", "/memories", { body: { ...memory, agent_id: known }, ...as("nobody") })
    })

    it("are inherited, unless a nearer policy says otherwise", async () => {
      const root = fresh("inherit")
      await govern(root, { write: "owner" })
      await store(403, `${root}/a/b`, "t")
      await govern(`${root}/a`, { write: "any" })
      await store(201, `${root}/a/b`, "t")
      await ask(200, "DELETE", `/namespaces?namespace=${encodeURIComponent(`${root}/a`)}`)
      await store(403, `${root}/a/b`, "u")
      // The explicit parent of the first level comes before it.
      const child = fresh("child")
      await ask(201, "POST", "/namespaces", { body: { namespace: child, parent: root } })
      await store(403, `${child}/x`, "t")
    })

    it("apply everywhere by the standard of all namespaces, as long as there is one", async () => {
      const namespace = fresh("everywhere")
      await govern("*", { write: "owner" })
      await store(403, namespace, "t")
      await ask(200, "DELETE", "/namespaces?namespace=*")
      await store(201, namespace, "t")
    })

    it("do not end with their standard's memory", async () => {
      const namespace = fresh("ended")
      const { body } = await govern(namespace, { write: "owner", delete: "any" })
      await store(403, namespace, "t")
      await ask(409, "DELETE", `/memories/${String(body["standard_id"])}`)
      await store(403, namespace, "t")
      await ask(200, "DELETE", `/namespaces?namespace=${namespace}`)
      await ask(200, "DELETE", `/memories/${String(body["standard_id"])}`)
      await store(201, namespace, "t")
    })

    it("are looked at last: what is wrong otherwise is told first, and nothing is queued", async () => {
      const namespace = fresh("order")
      const { body } = await store(201, namespace, "t", as("a"))
      await govern(namespace, { write: "approve", delete: "approve", promote: "approve" })
      const before = await node.contents()
      await store(409, namespace, "t")
      await store(400, namespace, " ")
      await ask(412, "DELETE", `/memories/${String(body["id"])}`, { headers: { "if-match": "\"other\"" } })
      await ask(404, "DELETE", "/memories/nothing")
      await ask(404, "POST", "/memories/nothing/promote")
      assert.deepStrictEqual(await node.contents(), before)
    })

    it("do not govern updates", async () => {
      const namespace = fresh("update")
      const { body } = await store(201, namespace, "t")
      await govern(namespace, { write: "owner" })
      await ask(200, "PUT", `/memories/${String(body["id"])}`, { body: { content: "d" } })
    })
  })

  describe("approvals", () => {
    const approve = { write: "approve", delete: "approve", promote: "approve" }

    it("are asked for, given, and carried out", async () => {
      const namespace = fresh("stored")
      await govern(namespace, approve)
      const queued = await ask(202, "POST", "/memories", {
        body: { namespace, title: "wanted", content: "c", tags: ["x"], agent_id: "writer" }
      })
      const id = String(queued.body["pending_id"])
      assert.deepStrictEqual(queued.body, {
        status: "pending",
        pending_id: id,
        reason: "governance requires approval",
        action: "store",
        namespace,
        quorum_acks: 1,
        acked_by: queued.body["acked_by"]
      })
      assert.isString(queued.headers.get("x-op-id"))
      assert.deepStrictEqual(await titlesOf(namespace), [`_standard:${namespace}`])
      const action = await pendingOf(id)
      assert.deepInclude(action, {
        id,
        action_type: "store",
        memory_id: null,
        namespace,
        requested_by: "writer",
        status: "pending",
        approvals: [],
        approver: "human"
      })
      assert.deepInclude(action["payload"], { title: "wanted", content: "c", tags: ["x"], namespace })
      assert.notProperty(action, "decided_by")

      const done = await ask(200, "POST", `/pending/${id}/approve`, as("boss"))
      const memory_id = String(done.body["memory_id"])
      assert.deepStrictEqual(done.body, {
        approved: true,
        id,
        decided_by: "boss",
        executed: true,
        memory_id,
        quorum_acks: 1,
        acked_by: done.body["acked_by"]
      })
      const memory = Object((await ask(200, "GET", `/memories/${memory_id}`)).body["memory"])
      assert.deepInclude(memory, { title: "wanted", tags: ["x"], namespace })
      assert.strictEqual(memory.metadata.agent_id, "writer")
      assert.notStrictEqual(memory_id, id)
      assert.deepInclude(await pendingOf(id), { status: "approved", decided_by: "boss" })
    })

    it("are for deletes and promotions, too", async () => {
      const namespace = fresh("changed")
      const { body } = await store(201, namespace, "t")
      const memory_id = String(body["id"])
      await govern(namespace, { ...approve, write: "any" })
      const promotion = await ask(202, "POST", `/memories/${memory_id}/promote`, as("a"))
      assert.deepInclude(promotion.body, { status: "pending", action: "promote", namespace, memory_id })
      assert.deepStrictEqual((await pendingOf(String(promotion.body["pending_id"])))["payload"], { id: memory_id })
      const promoted = await ask(200, "POST", `/pending/${String(promotion.body["pending_id"])}/approve`, as("boss"))
      assert.deepInclude(promoted.body, { approved: true, executed: true, memory_id })
      const memory = Object((await ask(200, "GET", `/memories/${memory_id}`)).body["memory"])
      assert.strictEqual(memory.tier, "long")
      assert.notProperty(memory, "expires_at")

      const deletion = await ask(202, "DELETE", `/memories/${memory_id.slice(0, 20)}`, as("a"))
      assert.deepInclude(deletion.body, { status: "pending", action: "delete", namespace, memory_id })
      const action = await pendingOf(String(deletion.body["pending_id"]))
      assert.deepStrictEqual(action["payload"], { id: memory_id, title: "t" })
      assert.strictEqual(action["memory_id"], memory_id)
      await ask(200, "GET", `/memories/${memory_id}`)
      const twice = await ask(202, "DELETE", `/memories/${memory_id}`, as("a"))
      const deleted = await ask(200, "POST", `/pending/${String(deletion.body["pending_id"])}/approve`, as("boss"))
      assert.deepInclude(deleted.body, { approved: true, executed: true, memory_id })
      await ask(404, "GET", `/memories/${memory_id}`)
      // What is gone already is approved, and nothing is left to be done.
      const nothing = await ask(200, "POST", `/pending/${String(twice.body["pending_id"])}/approve`, as("boss"))
      assert.deepInclude(nothing.body, { approved: true, executed: false, memory_id: null })
    })

    it("that come too late for the slot merge into the memory that is there", async () => {
      const namespace = fresh("merged")
      await govern(namespace, approve)
      const id = await queue(namespace, "t")
      await govern(namespace, { write: "any" })
      const { body } = await store(201, namespace, "t")
      const done = await ask(200, "POST", `/pending/${id}/approve`, as("boss"))
      assert.strictEqual(done.body["memory_id"], body["id"])
      assert.strictEqual((await ask(200, "POST", `/pending/${id}/approve`, as("boss"))).body["memory_id"], body["id"])
    })

    it("keep what a free title was found for", async () => {
      const namespace = fresh("versions")
      await store(201, namespace, "t")
      await govern(namespace, approve)
      const body = { namespace, title: "t", content: "second", on_conflict: "version" }
      const queued = await ask(202, "POST", "/memories", { body })
      await ask(200, "POST", `/pending/${String(queued.body["pending_id"])}/approve`)
      assert.include(await titlesOf(namespace), "t (2)")
    })

    it("are queued once for one key", async () => {
      const namespace = fresh("keyed")
      await govern(namespace, approve)
      const request = {
        body: { namespace, title: "t", content: "c" },
        headers: { "idempotency-key": randomUUID(), "x-agent-id": "a" }
      }
      const first = await ask(202, "POST", "/memories", request)
      assert.deepStrictEqual((await ask(202, "POST", "/memories", request)).body, first.body)
      const waiting = Call.rows(await ask(200, "GET", "/pending?status=pending&limit=1000"), "pending")
      assert.lengthOf(waiting.filter((action) => action["namespace"] === namespace), 1)
    })

    it("are answered the same to whoever gave them before, with a key and without", async () => {
      const namespace = fresh("again")
      await govern(namespace, approve)
      for (const headers of [{}, { "idempotency-key": randomUUID() }]) {
        const id = await queue(namespace, fresh("t"))
        const options = { headers: { "x-agent-id": "boss", ...headers } }
        const first = await ask(200, "POST", `/pending/${id}/approve`, options)
        const before = await node.contents()
        const again = await ask(200, "POST", `/pending/${id}/approve`, options)
        assert.deepStrictEqual(again.body, first.body)
        assert.strictEqual(again.headers.get("x-op-id"), first.headers.get("x-op-id"))
        assert.deepStrictEqual((await ask(200, "POST", `/pending/${id}/approve`, as("boss"))).body, first.body)
        assert.deepStrictEqual(await node.contents(), before)
        assert.deepStrictEqual((await ask(403, "POST", `/pending/${id}/approve`, as("other"))).body, {
          error: "approve rejected: already decided"
        })
        assert.deepStrictEqual((await ask(404, "POST", `/pending/${id}/reject`, as("boss"))).body, {
          error: "pending action not found or already decided"
        })
      }
    })

    it("are refused for good", async () => {
      const namespace = fresh("rejected")
      await govern(namespace, { ...approve, approver: { agent: "boss" } })
      const id = await queue(namespace, "t")
      const done = await ask(200, "POST", `/pending/${id}/reject`, as("anybody"))
      assert.deepStrictEqual(done.body, {
        rejected: true,
        id,
        decided_by: "anybody",
        quorum_acks: 1,
        acked_by: done.body["acked_by"]
      })
      const again = await ask(200, "POST", `/pending/${id}/reject`, as("anybody"))
      assert.deepStrictEqual(again.body, done.body)
      assert.strictEqual(again.headers.get("x-op-id"), done.headers.get("x-op-id"))
      await ask(404, "POST", `/pending/${id}/reject`, as("other"))
      assert.strictEqual(
        (await ask(403, "POST", `/pending/${id}/approve`, as("boss"))).body["error"],
        "approve rejected: already decided"
      )
      assert.deepInclude(await pendingOf(id), { status: "rejected", decided_by: "anybody" })
      assert.deepStrictEqual(await titlesOf(namespace), [`_standard:${namespace}`])
    })

    it("are one agent's where the policy names one", async () => {
      const namespace = fresh("agent")
      await govern(namespace, { ...approve, approver: { agent: "boss" } })
      const id = await queue(namespace, "t")
      for (const caller of [as("other"), as("Boss"), {}]) {
        assert.strictEqual(
          (await ask(403, "POST", `/pending/${id}/approve`, caller)).body["error"],
          "approve rejected: this caller is not the approver"
        )
      }
      assert.deepInclude((await ask(200, "POST", `/pending/${id}/approve`, as("boss"))).body, { decided_by: "boss" })
    })

    it("follow the policy that held when they were asked for", async () => {
      const namespace = fresh("then")
      await govern(namespace, { ...approve, approver: { agent: "boss" } })
      const id = await queue(namespace, "t")
      await govern(namespace, { ...approve, approver: { agent: "other" } })
      await ask(403, "POST", `/pending/${id}/approve`, as("other"))
      await ask(200, "POST", `/pending/${id}/approve`, as("boss"))
    })

    it("take so many registered agents, each of which counts once", async () => {
      const namespace = fresh("consensus")
      const voters = [fresh("Voter"), fresh("voter"), fresh("voter")]
      for (const voter of voters) await register(voter)
      const [first = "", second = ""] = voters
      await register(first.toLowerCase())
      await govern(namespace, { ...approve, approver: { consensus: 2 } })
      const id = await queue(namespace, "t")
      const path = `/pending/${id}/approve`
      assert.strictEqual(
        (await ask(403, "POST", path, as("stranger"))).body["error"],
        "approve rejected: only registered agents may vote"
      )
      const voted = await ask(202, "POST", path, as(first))
      const counted = { approved: false, status: "pending", id, votes: 1, quorum: 2 }
      assert.deepStrictEqual(voted.body, {
        ...counted,
        reason: "consensus threshold not yet reached",
        quorum_acks: 1,
        acked_by: voted.body["acked_by"]
      })
      const before = await node.contents()
      for (const same of [first, first.toLowerCase()]) {
        const again = await ask(202, "POST", path, as(same))
        assert.deepInclude(again.body, counted)
        assert.strictEqual(again.headers.get("x-op-id"), voted.headers.get("x-op-id"))
      }
      assert.deepStrictEqual(await node.contents(), before)
      const approvals = (await pendingOf(id))["approvals"]
      assert.deepStrictEqual(Array.isArray(approvals) ? approvals.map(({ agent_id }) => agent_id) : [], [first])

      const done = await ask(200, "POST", path, as(second))
      assert.deepInclude(done.body, { approved: true, decided_by: second, executed: true })
      assert.include(await titlesOf(namespace), "t")
      // Both had a part in it, and may have missed their answer.
      for (const voter of [first, second]) {
        assert.deepStrictEqual((await ask(200, "POST", path, as(voter))).body, done.body)
      }
      await ask(403, "POST", path, as(voters[2] ?? ""))
    })

    it("count a vote once for one key", async () => {
      const namespace = fresh("votekey")
      const [one, two] = [fresh("v"), fresh("v")]
      await register(one)
      await register(two)
      await govern(namespace, { ...approve, approver: { consensus: 2 } })
      const id = await queue(namespace, "t")
      const options = { headers: { "x-agent-id": one, "idempotency-key": randomUUID() } }
      const first = await ask(202, "POST", `/pending/${id}/approve`, options)
      assert.deepStrictEqual((await ask(202, "POST", `/pending/${id}/approve`, options)).body, first.body)
      // Another agent that happens on the same key has another one.
      await ask(200, "POST", `/pending/${id}/approve`, { headers: { ...options.headers, "x-agent-id": two } })
      // What the key stands for has been overtaken: the answer tells how things are.
      assert.deepInclude((await ask(200, "POST", `/pending/${id}/approve`, options)).body, { decided_by: two })
    })

    it("expire after a day, and stay as they were decided", async () => {
      const at = (hoursAgo: number) => new Date(Date.now() - hoursAgo * 3_600_000).toISOString()
      const action = (id: string, hoursAgo: number) => ({
        id,
        action_type: "delete",
        memory_id: "nothing",
        namespace: "expired",
        payload: {},
        requested_by: "host:old",
        requested_at: at(hoursAgo),
        status: "pending"
      })
      const pushed = await ask(200, "POST", "/sync/push", {
        body: { sender_agent_id: "host:old", memories: [], pendings: [action("old", 24.1), action("young", 23.9)] }
      })
      assert.strictEqual(pushed.body["pendings_applied"], 2)
      const ids = async (status: string) =>
        Call.rows(await ask(200, "GET", `/pending?status=${status}&limit=1000`), "pending").map(({ id }) => id)
      assert.deepStrictEqual(await ids("expired"), ["old"])
      assert.notInclude(await ids("pending"), "old")
      assert.include(await ids("pending"), "young")
      assert.strictEqual((await pendingOf("old"))["status"], "expired")
      assert.strictEqual(
        (await ask(403, "POST", "/pending/old/approve", as("boss"))).body["error"],
        "approve rejected: expired"
      )
      await ask(404, "POST", "/pending/old/reject", as("boss"))
      // A policy of another day says nothing about who approves: anybody does.
      await ask(200, "POST", "/pending/young/approve", as("boss"))
      assert.include(await ids("approved"), "young")
    })

    it("are refused for what is no pending action", async () => {
      assert.deepStrictEqual((await ask(404, "POST", "/pending/nothing/approve")).body, { error: "not found" })
      assert.deepStrictEqual((await ask(404, "POST", "/pending/nothing/reject")).body, {
        error: "pending action not found or already decided"
      })
      assert.strictEqual(fieldOf(await ask(400, "POST", `/pending/${"x".repeat(129)}/approve`)), "id")
      assert.strictEqual(fieldOf(await ask(400, "POST", "/pending/%20/reject")), "id")
      assert.strictEqual(fieldOf(await ask(400, "POST", "/pending/a/reject", as("a b"))), "X-Agent-Id")
      assert.strictEqual((await ask(405, "GET", "/pending/a/approve")).headers.get("allow"), "POST, OPTIONS")
    })

    it("are listed by status, the newest first, in pages", async () => {
      const namespace = fresh("pages")
      await govern(namespace, approve)
      const ids = [await queue(namespace, "1"), await queue(namespace, "2"), await queue(namespace, "3")]
      const page = async (query: string) =>
        Call.rows(await ask(200, "GET", `/pending?${query}`), "pending").map(({ id }) => id)
      assert.deepStrictEqual(await page("limit=3"), ids.toReversed())
      assert.deepStrictEqual(await page("limit=1&offset=1"), [ids[1]])
      assert.deepStrictEqual(await page("limit=0"), [])
      const all = await ask(200, "GET", "/pending?limit=100000")
      assert.strictEqual(all.body["count"], Call.rows(all, "pending").length)
      await ask(200, "POST", `/pending/${ids[2]}/approve`)
      await ask(200, "POST", `/pending/${ids[1]}/reject`)
      assert.strictEqual((await page("status=approved"))[0], ids[2])
      assert.strictEqual((await page("status=rejected"))[0], ids[1])
      assert.strictEqual((await page("status=pending"))[0], ids[0])
      for (
        const [query, field] of [["status=done", "status"], ["limit=-1", "limit"], ["limit=x", "limit"], [
          "offset=-1",
          "offset"
        ]]
      ) {
        assert.strictEqual(fieldOf(await ask(400, "GET", `/pending?${query}`)), field)
      }
    })
  })

  describe("signed decisions", () => {
    const nowSeconds = () => Math.floor(Date.now() / 1000)
    const signed = (body: string, options: { readonly at?: number; readonly secret?: Redacted.Redacted } = {}) => {
      const timestamp = String(options.at ?? nowSeconds())
      return {
        "x-ai-memory-timestamp": timestamp,
        "x-ai-memory-signature": sign(Redacted.value(options.secret ?? SECRET), timestamp, Buffer.from(body))
      }
    }
    const decide = (status: number, id: string, body: string, headers: Record<string, string>) =>
      ask(status, "POST", `/approvals/${id}`, { body, headers })
    const yes = JSON.stringify({ decision: "approve", remember: "forever" })
    const no = JSON.stringify({ decision: "deny" })

    it("approve and deny, and can be sent again", async () => {
      const namespace = fresh("signed")
      await govern(namespace, { write: "approve" })
      const [one, two] = [await queue(namespace, "one"), await queue(namespace, "two")]
      const approved = await decide(200, one, yes, signed(yes))
      assert.deepInclude(approved.body, {
        approved: true,
        id: one,
        decided_by: "approvals",
        executed: true,
        remember: "once"
      })
      assert.deepStrictEqual((await decide(200, one, yes, signed(yes))).body, approved.body)
      const denied = await decide(200, two, no, { ...signed(no), "x-agent-id": "boss" })
      assert.deepInclude(denied.body, { rejected: true, id: two, decided_by: "boss", remember: "once" })
      assert.sameMembers(await titlesOf(namespace), [`_standard:${namespace}`, "one"])
      await decide(404, two, no, signed(no))
      await decide(403, two, yes, signed(yes))
      await decide(404, "nothing", yes, signed(yes))
      await decide(404, "nothing", no, signed(no))
    })

    it("are bound to who may decide", async () => {
      const namespace = fresh("bound")
      await govern(namespace, { write: "approve", approver: { agent: "boss" } })
      const id = await queue(namespace, "t")
      await decide(403, id, yes, signed(yes))
      await decide(200, id, yes, { ...signed(yes), "x-agent-id": "boss" })
    })

    it("are refused without a good signature of now, whatever they say", async () => {
      const namespace = fresh("unsigned")
      await govern(namespace, { write: "approve" })
      const id = await queue(namespace, "t")
      const good = signed(yes)
      const { "x-ai-memory-signature": signature, "x-ai-memory-timestamp": timestamp } = good
      const bad: ReadonlyArray<Record<string, string>> = [
        {},
        { "x-ai-memory-signature": signature },
        { "x-ai-memory-timestamp": timestamp },
        { ...good, "x-ai-memory-signature": signature.replace("sha256=", "") },
        { ...good, "x-ai-memory-signature": `${signature}0` },
        { ...good, "x-ai-memory-timestamp": String(Number(timestamp) - 1) },
        { ...good, "x-ai-memory-timestamp": `${timestamp}.0` },
        signed(no),
        signed(yes, { secret: Redacted.make("another") }),
        signed(yes, { at: nowSeconds() - 305 }),
        signed(yes, { at: nowSeconds() + 65 })
      ]
      for (const headers of bad) {
        assert.deepStrictEqual((await decide(401, id, yes, headers)).body, { error: "missing or invalid signature" })
      }
      assert.strictEqual((await decide(401, id, "{", {})).status, 401)
      assert.strictEqual((await pendingOf(id))["status"], "pending")
      await decide(200, id, yes, signed(yes, { at: nowSeconds() - 290 }))
    })

    it("have a shape", async () => {
      const cases: ReadonlyArray<readonly [number, string, string | undefined]> = [
        [422, "{}", "decision"],
        [422, "{\"decision\":\"maybe\"}", "decision"],
        [422, "{\"decision\":\"deny\",\"remember\":\"always\"}", "remember"],
        [422, "[]", ""],
        [400, "{", undefined]
      ]
      for (const [status, body, field] of cases) {
        assert.strictEqual(fieldOf(await decide(status, "x", body, signed(body))), field, body)
      }
      await decide(415, "x", yes, { ...signed(yes), "content-type": "text/plain" })
    })
  })
})

describe("a node without a secret", () => {
  it("takes no signed decision", async () => {
    const node = await Node.start()
    try {
      const timestamp = String(Math.floor(Date.now() / 1000))
      const body = "{\"decision\":\"deny\"}"
      const answered = await Call.to(node)("POST", "/approvals/x", {
        body,
        headers: {
          "x-ai-memory-timestamp": timestamp,
          "x-ai-memory-signature": sign("", timestamp, Buffer.from(body))
        }
      })
      assert.strictEqual(answered.status, 401)
    } finally {
      await node.stop()
    }
  })
})

describe("a node that does not enforce policies", () => {
  for (const permissionsMode of ["advisory", "off"] as const) {
    it(`lets everything through: ${permissionsMode}`, async () => {
      const node = await Node.start({ permissionsMode })
      try {
        const send = Call.to(node)
        const governance = { write: "owner", delete: "approve", promote: "registered" }
        assert.strictEqual((await send("POST", "/namespaces", { body: { namespace: "n", governance } })).status, 201)
        const stored = await send("POST", "/memories", { body: { namespace: "n", title: "t", content: "c" } })
        assert.strictEqual(stored.status, 201, stored.text)
        const path = `/memories/${String(stored.body["id"])}`
        assert.strictEqual((await send("POST", `${path}/promote`)).status, 200)
        assert.strictEqual((await send("DELETE", path)).status, 200)
        const { permissions } = (await send("GET", "/capabilities")).body
        const counts = {
          allowed: 0,
          denied: permissionsMode === "off" ? 0 : 2,
          queued: permissionsMode === "off" ? 0 : 1
        }
        assert.deepInclude(permissions, { mode: permissionsMode, active_rules: 1, decision_counts: counts })
      } finally {
        await node.stop()
      }
    })
  }
})
