import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import * as bodies from "./bodies.js"
import { fresh } from "./fresh.js"
import { absent, type Call, callerOf, expectValid, invalid, limitOf, type Node, Reply, route } from "./http.js"
import * as shapes from "./shapes.js"
import { Refused } from "./Store.js"
import * as validate from "./validate.js"

/** Namespace standards, pending actions, agents and messages. */
export const routes = (node: Node) => [
  route("GET", "/namespaces", (call) => {
    const namespace = call.query.get("namespace")
    return namespace === null ? namespaces(node) : standardOf(node, call, namespace)
  }),
  route("GET", "/namespaces/{}/standard", (call) => standardOf(node, call, call.parts[0] ?? "")),
  route("POST", "/namespaces", (call) => setStandard(node, call)),
  route("POST", "/namespaces/{}/standard", (call) => setStandard(node, call, call.parts[0])),
  route("DELETE", "/namespaces", (call) => clearStandard(node, call.query.get("namespace") ?? "")),
  route("DELETE", "/namespaces/{}/standard", (call) => clearStandard(node, call.parts[0] ?? "")),
  route("GET", "/pending", (call) => {
    const status = call.query.get("status")
    const pending = node.store.pendings("? IS NULL OR status = ?", status, status).slice(0, limitOf(call, 100, 1000))
    return new Reply(200, { count: pending.length, pending: pending.map(shapes.wirePending) })
  }),
  route("POST", "/pending/{}/approve", (call) => approve(node, call)),
  route("POST", "/pending/{}/reject", (call) => reject(node, call)),
  route("POST", "/agents", (call) => registerAgent(node, call)),
  route("GET", "/agents", () => {
    const agents = node.store.memories("namespace = '_agents'").map(({ metadata }) => metadata)
    return new Reply(200, { count: agents.length, agents })
  }),
  route("POST", "/notify", (call) => notify(node, call)),
  route("GET", "/inbox", (call) => inbox(node, call))
]

interface Asked {
  readonly action: "store" | "delete" | "promote"
  readonly namespace: string
  readonly caller: string
  readonly memory?: shapes.Memory
  readonly payload: object
}

/** Lets an action pass, or ends the request: denied, or queued for approval here and at the peers. */
export const gate = async ({ now, replicate, store }: Node, asked: Asked): Promise<void> => {
  const { action, caller, memory, namespace, payload } = asked
  const policy = store.policyOf(namespace)
  if (policy === undefined) return
  const rule = policy[action === "store" ? "write" : action]
  const owner = memory === undefined ? policy.owner : shapes.ownerOf(memory)
  if (rule === "any" || (rule === "registered" && store.isRegistered(caller))) return
  if (rule === "owner" && caller === owner) return
  if (rule !== "approve") throw new Reply(403, { error: `${action} denied by governance: needs ${rule}` })
  const pending: shapes.PendingAction = {
    id: randomUUID(),
    action_type: action,
    memory_id: memory?.id ?? null,
    namespace,
    payload,
    requested_by: caller,
    requested_at: now(),
    status: "pending",
    decided_by: null,
    decided_at: null,
    approvals: []
  }
  store.putPending(pending)
  await replicate({ pendings: [shapes.wirePending(pending)] }, pending.id)
  const subject = memory === undefined ? { namespace } : { memory_id: memory.id }
  const reason = "governance requires approval"
  throw new Reply(202, { status: "pending", pending_id: pending.id, reason, action, ...subject })
}

const denied = (why: string) => new Reply(403, { error: `approve rejected: ${why}` })

/** The decision goes out, then the row it made: the peers have run the decision by then, under ids of their own. */
const approve = async (node: Node, call: Call) => {
  const { replicate, store } = node
  const caller = callerOf(call)
  const [pending] = store.pendings("id = ? AND status = 'pending'", call.parts[0] ?? "")
  if (pending === undefined) throw denied("not found or already decided")
  vote(node, pending, caller)
  const decision = { id: pending.id, approved: true, decider: caller }
  const decided = store.decide(decision)
  const memory_id = decided === undefined ? undefined : executed(node, decided)
  await replicate({ pending_decisions: [decision] }, pending.id)
  const row = store.byId(memory_id ?? "")
  if (row !== undefined) await node.replicateRow(row)
  return new Reply(200, { approved: true, id: pending.id, decided_by: caller, executed: true, memory_id })
}

/** Ends the request unless the caller's word decides; votes stay on this node. */
const vote = ({ now, store }: Node, pending: shapes.PendingAction, caller: string) => {
  const approver = store.policyOf(pending.namespace)?.approver ?? "human"
  if (approver === "human") return
  if ("agent" in approver) {
    if (approver.agent !== caller) throw denied("not the approver")
    return
  }
  if (!store.isRegistered(caller)) throw denied("not a registered agent")
  const others = pending.approvals.filter(({ agent_id }) => agent_id.toLowerCase() !== caller.toLowerCase())
  const approvals = [...others, { agent_id: caller, approved_at: now() }]
  store.putPending({ ...pending, approvals })
  const [votes, quorum] = [approvals.length, approver.consensus]
  const reason = "consensus threshold not yet reached"
  if (votes < quorum) {
    throw new Reply(202, { approved: false, status: "pending", id: pending.id, votes, quorum, reason })
  }
}

const executed = ({ store }: Node, pending: shapes.PendingAction) => {
  try {
    return store.execute(pending)
  } catch (error) {
    if (error instanceof Refused) throw new Reply(500, { error: `approved but execution failed: ${error.message}` })
    throw error
  }
}

const reject = async ({ replicate, store }: Node, call: Call) => {
  const decision = { id: call.parts[0] ?? "", approved: false, decider: callerOf(call) }
  if (store.decide(decision) === undefined) throw absent("pending action not found or already decided")
  await replicate({ pending_decisions: [decision] }, decision.id)
  return new Reply(200, { rejected: true, id: decision.id, decided_by: decision.decider })
}

const namespaces = ({ store }: Node) => {
  const counts = new Map<string, number>()
  for (const { namespace } of store.memories()) counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
  return new Reply(200, { namespaces: [...counts].map(([namespace, count]) => ({ namespace, count })) })
}

const standardOf = ({ store }: Node, call: Call, namespace: string) => {
  const show = (name: string) => {
    const standard_id = store.metaOf(name)?.standard_id ?? null
    const memory = store.byId(standard_id ?? "")
    if (memory === undefined) return { namespace: name, standard_id }
    const { content, metadata, priority, title } = memory
    const governance = shapes.recordOf(metadata)["governance"] ?? null
    return { namespace: name, standard_id, title, content, priority, governance }
  }
  if (call.query.get("inherit") !== "true") return new Reply(200, show(namespace))
  const chain = store.chain(namespace)
  const standards = chain.map(show).filter(({ standard_id }) => standard_id !== null)
  return new Reply(200, { namespace, chain, standards, count: standards.length })
}

/** Two pushes: the standard's memory, then the entry that points at it. */
const setStandard = async (node: Node, call: Call, path?: string) => {
  const { now, replicate, store } = node
  const body = call.json(bodies.Standard)
  const { governance, id, parent } = body.standard ?? body
  const namespace = path ?? body.namespace ?? ""
  expectValid(validate.namespace(namespace))
  expectValid(parent === null ? null : validate.namespace(parent))
  const policy = Schema.decodeUnknownOption(shapes.Policy)(governance)
  if (governance !== null && policy._tag === "None") throw invalid("invalid governance policy")
  const tagged = store.memories("namespace = ? ORDER BY updated_at DESC", namespace)
  const known = id === null ? tagged.find(({ tags }) => tags.includes("_namespace_standard")) : store.byId(id)
  if (id !== null && known === undefined) throw invalid("the standard memory does not exist")
  const memory = known ?? fresh({
    title: `_standard:${namespace}`,
    content: `Standard of namespace ${namespace}`,
    namespace,
    tier: "long",
    tags: ["_namespace_standard"],
    metadata: { agent_id: "system" }
  }, now())
  if (known === undefined) store.add(memory)
  const metadata = { ...shapes.recordOf(memory.metadata), governance }
  const row = governance === null ? memory : { ...memory, metadata, updated_at: now() }
  store.put(row)
  const entry = store.setStandard(namespace, row.id, parent)
  await node.replicateRow(row)
  await replicate({ namespace_meta: [shapes.wireNamespaceMeta(entry)] }, namespace)
  const asked = { ...(parent === null ? {} : { parent }), ...(governance === null ? {} : { governance }) }
  return new Reply(201, { set: true, namespace, standard_id: row.id, ...asked })
}

const clearStandard = async ({ replicate, store }: Node, namespace: string) => {
  expectValid(validate.namespace(namespace))
  const cleared = store.clearStandard(namespace)
  await replicate({ namespace_meta_clears: [namespace] }, namespace)
  return new Reply(200, { cleared, namespace })
}

const registerAgent = async (node: Node, call: Call) => {
  const { agent_id, agent_type, capabilities } = call.json(bodies.Agent)
  expectValid(validate.agentId(agent_id))
  expectValid(validate.agentType(agent_type))
  const at = node.now()
  const slot = { namespace: "_agents", title: `agent:${agent_id}` }
  const known = node.store.bySlot(slot)?.metadata
  const registered_at = shapes.recordOf(known)["registered_at"] ?? at
  const metadata = { agent_id, agent_type, capabilities, registered_at, last_seen_at: at }
  const content = JSON.stringify(metadata)
  const row = fresh({ ...slot, content, tier: "long", tags: ["agent-registration"], source: "system", metadata }, at)
  const id = node.store.upsert(row)
  await node.replicateRow({ ...row, id })
  return new Reply(201, { registered: true, id, agent_id, agent_type, capabilities })
}

const notify = async (node: Node, call: Call) => {
  const body = call.json(bodies.Notify)
  const { target_agent_id: to, title } = body
  expectValid(validate.agentId(to))
  const sender = callerOf(call, body.agent_id)
  const from = `ai:${sender.replaceAll(/[^A-Za-z0-9_.-]/g, "-")}@${node.name}:pid-${process.pid}`
  const at = node.now()
  const row = fresh({
    title,
    content: body.payload ?? body.content ?? "",
    namespace: `_messages/${to}`,
    tier: body.tier ?? "mid",
    priority: body.priority ?? 5,
    source: "notify",
    metadata: { agent_id: from }
  }, at)
  expectValid(validate.memory(row))
  const id = node.store.upsert(row)
  await node.replicateRow({ ...row, id })
  return new Reply(201, { id, from, to, namespace: row.namespace, tier: row.tier, delivered_at: at })
}

const inbox = ({ store }: Node, call: Call) => {
  const agent_id = call.query.get("agent_id") ?? callerOf(call)
  const namespace = `_messages/${agent_id}`
  const unread_only = call.query.get("unread_only") === "true"
  const messages = store.memories("namespace = ? ORDER BY created_at DESC", namespace)
    .filter(({ access_count }) => !unread_only || access_count === 0)
    .slice(0, limitOf(call, 50, 500))
    .map((row) => {
      const { access_count, content: payload, created_at, id, priority, tier, title } = row
      const read = access_count > 0
      return { id, from: shapes.ownerOf(row), title, payload, priority, tier, created_at, read, access_count }
    })
  return new Reply(200, { agent_id, namespace, count: messages.length, unread_only, messages })
}
