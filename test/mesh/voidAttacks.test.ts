import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import type { Memory } from "../../src/domain/Memory.js"
import type { Approver, Decision } from "../../src/domain/PendingAction.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hashed, type Operation, type VersionRef } from "../../src/replication/Operation.js"
import * as Payload from "../../src/replication/Payload.js"
import { memoryIdOf } from "../../src/store/deciding/governed.js"
import { writtenElsewhere } from "../store/elsewhere.js"
import { memory } from "../store/memories.js"
import * as api from "./api.js"
import * as Attacked from "./attacked.js"
import { until } from "./Cluster.js"

/*
 * A member that seals what it writes with its own key, and has no right to it. It sends to one honest node, and the others have it
 * of that one: all of them hold it, none of it has an effect on any, and each of them writes it down and counts it.
 */

const { NAMES } = Attacked
const MEMBER = "mallory"
/** A member that may touch one namespace alone. */
const LIMITED = "edge"
const VOID = "federation.operation_void"
const REFUSED = "federation.operation_refused"
const everything = { allowed_namespaces: ["*"] }

const now = () => Stamp.fromMillis(Date.now())

describe("a member without the right", () => {
  let mesh: Attacked.Attacked
  const written = new Map<string, number>()
  /** An operation of the member, the next one of its name. */
  const operationOf = (
    given: Payload.Payload,
    { by = MEMBER, covers = [] }: { readonly by?: string; readonly covers?: ReadonlyArray<VersionRef> } = {}
  ): Operation => {
    const oseq = (written.get(by) ?? 0) + 1
    written.set(by, oseq)
    const hlc = now()
    const payload = Payload.stampedAt(hlc, given)
    return mesh.sealedBy(by, writtenElsewhere(payload, hlc, { covers, node: by, oseq }).operation)
  }

  /** What is attacked: memories that end by approval alone, and actions that wait. */
  let victim = ""
  let held = ""
  let ofChief = { store: "", remove: "", merge: "", promote: "" }
  let ofVoters = ""
  /** Deleted by the member when it might. */
  let before: { readonly operation: Operation; readonly sent: Attacked.Sent }

  const versionOf = async (id: string): Promise<VersionRef> => {
    const { hlc, origin } = (await mesh.logOf(0, "one")).findLast(({ entity }) => entity === id) ??
      assert.fail(`nothing of ${id}`)
    return { id, hlc, origin }
  }

  const prepare = async (url: string) => {
    for (const agent_id of ["chief", "voter-1", "voter-2"]) {
      await api.ask(url, "POST /agents", { body: { agent_id, agent_type: "human" }, status: 201 })
    }
    const make = (namespace: string, title: string) => api.create(url, { namespace, title, tier: "mid" })
    const govern = (namespace: string, governance: api.Json) =>
      api.ask(url, "POST /namespaces", { body: { namespace, governance }, status: 201 })
    const early = await make("kept", "deleted before")
    victim = await make("kept", "victim")
    held = await make("ofChief", "held")
    const operation = operationOf({ kind: "delete", entity: early }, { covers: [await versionOf(early)] })
    const sent = mesh.message(MEMBER, mesh.carrier([operation]))
    before = { operation, sent }
    assert.deepStrictEqual(Attacked.resultsOf(await mesh.send(2, sent)), ["applied"])
    await mesh.settled()
    await govern("kept", { write: "any", delete: "approve", approver: "human" })
    const ruled = { write: "approve", promote: "approve", delete: "approve" }
    await govern("ofChief", { ...ruled, approver: { agent: "chief" } })
    await govern("ofVoters", { ...ruled, approver: { consensus: 2 } })
    const queue = async (request: string, body?: api.Json) =>
      String((await api.ask(url, request, { ...(body && { body }), agent: "asker", status: 202 }))["pending_id"])
    const store = (namespace: string, title: string) =>
      queue("POST /memories", { namespace, title, content: "asked for", on_conflict: "merge" })
    ofChief = {
      store: await store("ofChief", "wanted"),
      merge: await store("ofChief", "held"),
      remove: await queue(`DELETE /memories/${held}`),
      promote: await queue(`POST /memories/${held}/promote`)
    }
    ofVoters = await store("ofVoters", "wanted")
  }

  beforeAll(async () => {
    mesh = await Attacked.make([MEMBER, LIMITED], {
      peerAttestation: Option.some(JSON.stringify({
        ...Object.fromEntries([...NAMES, MEMBER].map((name) => [name, everything])),
        [LIMITED]: { allowed_namespaces: ["team/*"] }
      }))
    })
    await prepare(mesh.urlAt(0))
    await mesh.settled()
  }, 60_000)
  afterAll(() => mesh.close())

  const decision = (id: string, decider: string, stored?: Memory): Payload.Payload => {
    const decided: Decision = { id, approved: true, decider, decided_at: now() }
    return { kind: "decision", decision: stored === undefined ? decided : { ...decided, memory: stored } }
  }
  /** What an approved store comes to. */
  const approved = (id: string, changes: Partial<Memory> = {}): Memory => ({
    ...memory(memoryIdOf(id), "wanted", now()),
    namespace: "ofChief",
    content: "asked for",
    ...changes
  })
  const vote = (agent_id: string): Payload.Payload => ({
    kind: "vote",
    vote: { id: ofVoters, agent_id, approved_at: now() }
  })
  const asking = (approver: Approver): Payload.Payload => ({
    kind: "pending",
    action: {
      id: randomUUID(),
      action_type: "delete",
      memory_id: held,
      namespace: "ofChief",
      payload: { id: held, title: "held" },
      requested_by: "asker",
      requested_at: now(),
      status: "pending",
      approvals: [],
      approver
    }
  })
  const registration = (agent: string, says: string): Memory => ({
    ...memory(randomUUID(), `agent:${agent}`, now()),
    namespace: "_agents",
    metadata: { agent_id: says, agent_type: "human" }
  })

  interface Attack {
    readonly what: string
    readonly why: string
    readonly make: () => Operation | Promise<Operation>
  }
  const attacks: ReadonlyArray<Attack> = [
    {
      what: "deletes what ends by approval alone",
      why: "it ends what may be deleted by approval alone",
      make: async () => operationOf({ kind: "delete", entity: victim }, { covers: [await versionOf(victim)] })
    },
    {
      what: "deletes it under the name of another memory",
      why: "it ends what may be deleted by approval alone",
      make: async () => operationOf({ kind: "delete", entity: "other" }, { covers: [await versionOf(victim)] })
    },
    {
      what: "approves what a node's client asked for, as who asked for it",
      why: "its decider is not the approver",
      make: () => operationOf(decision(ofChief.store, "asker", approved(ofChief.store)))
    },
    {
      what: "approves as an agent that nobody registered",
      why: "its decider is not the approver",
      make: () => operationOf(decision(ofChief.store, "nobody", approved(ofChief.store)))
    },
    {
      what: "approves as an agent of another rule",
      why: "its decider is not the approver",
      make: () => operationOf(decision(ofChief.remove, "voter-1"))
    },
    {
      what: "approves as the approver something else than was asked for",
      why: "it stores something else than was asked for",
      make: () => operationOf(decision(ofChief.store, "chief", approved(ofChief.store, { content: "something else" })))
    },
    {
      what: "stores something by the approval of a deletion",
      why: "it stores something where nothing was to be stored",
      make: () => operationOf(decision(ofChief.remove, "chief", approved(ofChief.remove)))
    },
    {
      what: "approves what nobody asked for",
      why: "what it decides about is not known",
      make: () => operationOf(decision("never-asked", "chief", approved("never-asked")))
    },
    {
      what: "approves what takes votes, without any",
      why: "it has not the votes that it takes",
      make: () => operationOf(decision(ofVoters, "voter-1", approved(ofVoters, { namespace: "ofVoters" })))
    },
    { what: "votes as one stranger", why: "its agent is not registered", make: () => operationOf(vote("sock-1")) },
    { what: "votes as another stranger", why: "its agent is not registered", make: () => operationOf(vote("sock-2")) },
    {
      what: "approves by the votes of strangers",
      why: "it has not the votes that it takes",
      make: () => operationOf(decision(ofVoters, "sock-1", approved(ofVoters, { namespace: "ofVoters" })))
    },
    {
      what: "asks for a deletion that anybody may approve",
      why: "it names an approver that the namespace does not have",
      make: () => operationOf(asking("human"))
    },
    {
      what: "registers one agent under the title of another",
      why: "it registers another agent than it names",
      make: () => operationOf({ kind: "store", memory: registration("sock-1", "mallory-bot") })
    },
    {
      what: "registers another in the place of an agent that is there",
      why: "it registers another agent than it names",
      make: () => operationOf({ kind: "store", memory: registration("chief", "mallory-bot") })
    }
  ]

  const counted = (type: string) => (at: number) => mesh.metric(at, `audit_events_total{type="${type}"}`)
  const rowsOf = (type: string) => (at: number) => mesh.rowsOf(at, type)
  /** Nothing of what is attacked is another than before. */
  const untouched = () =>
    mesh.everywhere(async (at) => {
      const url = mesh.urlAt(at)
      assert.isDefined(await api.memory(url, victim))
      assert.deepInclude(await api.memory(url, held), { content: "some content", tier: "mid" })
      for (const id of [...Object.values(ofChief), ofVoters]) {
        assert.deepInclude(await api.pending(url, id), { status: "pending" })
      }
      assert.notInclude(await api.titles(url, "ofVoters"), "wanted")
      assert.notInclude(await api.titles(url, "ofChief"), "wanted")
    })
  /** What is done leaves all as it was on every node, and is a row and a count of this kind on each of them. */
  const inVain = async (type: string, why: string, attempt: () => Promise<unknown>, times = 1) => {
    const [digests, rows, counts] = await Promise.all([
      mesh.everywhere(mesh.digest),
      mesh.everywhere(rowsOf(type)),
      mesh.everywhere(counted(type))
    ])
    await attempt()
    for (const [at, name] of NAMES.entries()) {
      await until(
        `${name} has written it down`,
        async () => (await rowsOf(type)(at)).length >= (rows[at]?.length ?? 0) + times
      )
      const fresh = (await rowsOf(type)(at)).slice(rows[at]?.length)
      assert.lengthOf(fresh, times)
      for (const row of fresh) assert.include(row, why)
      assert.strictEqual(await counted(type)(at), (counts[at] ?? 0) + times)
    }
    assert.deepStrictEqual(await mesh.everywhere(mesh.digest), digests)
    await untouched()
  }

  it.each(attacks)("$what, in vain", async ({ make, why }) => {
    const operation = await make()
    await inVain(VOID, why, async () => {
      const answered = await mesh.send(2, mesh.message(MEMBER, mesh.carrier([operation])))
      assert.deepStrictEqual(Attacked.resultsOf(answered), ["superseded"])
      await mesh.settled()
    })
    for (const [at] of NAMES.entries()) {
      const log = await mesh.logOf(at, MEMBER)
      assert.include(log.map(({ opId }) => opId), operation.opId, "it is held")
    }
  }, 30_000)

  interface Told {
    readonly what: string
    readonly lists: () => api.Json
    readonly type: string
    readonly why: string
    /** The row is on the node that was told alone: it made no operation of it. */
    readonly isThere: boolean
  }
  const row = (id: string, memory_id: string | null, changes: api.Json) => ({
    id,
    action_type: "delete",
    memory_id,
    namespace: "ofChief",
    payload: { id: memory_id, title: "held" },
    requested_by: "asker",
    requested_at: now(),
    ...changes
  })
  /** As a node of the original tells, which has no operations: the node that is told makes them, under its own name. */
  const told: ReadonlyArray<Told> = [
    {
      what: "deletes what ends by approval alone",
      lists: () => ({ deletions: [victim] }),
      type: REFUSED,
      why: "it ends what may be deleted by approval alone",
      isThere: true
    },
    ...(["remove", "merge", "promote", "store"] as const).map((action): Told => ({
      what: `approves as who is not the approver: ${action}`,
      lists: () => ({ pending_decisions: [{ id: ofChief[action], approved: true, decider: MEMBER }] }),
      type: VOID,
      why: "its decider is not the approver",
      isThere: false
    })),
    {
      what: "approves without votes",
      lists: () => ({ pending_decisions: [{ id: ofVoters, approved: true, decider: "voter-1" }] }),
      type: VOID,
      why: "it has not the votes that it takes",
      isThere: false
    },
    {
      what: "says that it was approved",
      lists: () => ({ pendings: [row(ofChief.remove, held, { status: "approved", decided_by: "asker" })] }),
      type: VOID,
      why: "its decider is not the approver",
      isThere: false
    },
    {
      what: "says that strangers voted",
      lists: () => ({
        pendings: [row(ofVoters, null, {
          namespace: "ofVoters",
          action_type: "store",
          approvals: [{ agent_id: "sock-3", approved_at: now() }]
        })]
      }),
      type: VOID,
      why: "its agent is not registered",
      isThere: false
    },
    {
      what: "asks for what anybody may approve",
      lists: () => ({ pendings: [row(randomUUID(), held, { approver: "human" })] }),
      type: VOID,
      why: "it names an approver that the namespace does not have",
      isThere: false
    }
  ]

  it.each(told)("as an original node $what, in vain", async ({ isThere, lists, type, why }) => {
    const attempt = async () => {
      const text = JSON.stringify({ memories: [], ...lists() }).slice(1, -1)
      const { body, status } = await mesh.send(2, mesh.message(MEMBER, text))
      assert.strictEqual(status, 200, JSON.stringify(body))
      await mesh.settled()
    }
    if (!isThere) return inVain(type, why, attempt)
    const digests = await mesh.everywhere(mesh.digest)
    const [rows, count] = [await rowsOf(type)(2), await counted(type)(2)]
    await attempt()
    const fresh = (await rowsOf(type)(2)).slice(rows.length)
    assert.lengthOf(fresh, 1)
    assert.include(fresh[0], why)
    assert.strictEqual(await counted(type)(2), count + 1)
    assert.deepStrictEqual(await mesh.everywhere(mesh.digest), digests)
    await untouched()
  }, 30_000)

  it("as an original node registers another in the place of an agent, which stays who it is", async () => {
    const text = JSON.stringify({ memories: [registration("chief", "mallory-bot")] }).slice(1, -1)
    assert.strictEqual((await mesh.send(2, mesh.message(MEMBER, text))).status, 200)
    await mesh.settled()
    await mesh.everywhere(async (at) => {
      const { agents } = await api.ask(mesh.urlAt(at), "GET /agents", { status: 200 })
      const found = JSON.stringify(agents)
      assert.include(found, "\"chief\"")
      assert.notInclude(found, "mallory-bot")
    })
    await untouched()
  }, 30_000)

  it("as an original node approves first and asks afterwards, in vain", async () => {
    const id = randomUUID()
    const send = async (lists: api.Json) => {
      const text = JSON.stringify({ memories: [], ...lists }).slice(1, -1)
      assert.strictEqual((await mesh.send(2, mesh.message(MEMBER, text))).status, 200)
    }
    await send({ pending_decisions: [{ id, approved: true, decider: MEMBER }] })
    await send({ pendings: [row(id, held, {})] })
    await mesh.settled()
    for (const [at, name] of NAMES.entries()) {
      await until(
        `${name} has written it down`,
        async () => (await rowsOf(VOID)(at)).some((each) => each.includes(id) && each.includes("is not the approver"))
      )
    }
    await untouched()
  }, 30_000)

  it("sends again what it might before the rule, in vain", async () => {
    const { operation, sent } = before
    const states = await mesh.everywhere(mesh.state)
    const refused = await rowsOf("federation.signature_refused")(2)
    const again = await mesh.send(2, sent)
    assert.deepInclude(again, { status: 401 })
    assert.deepInclude(again.body, { error: "x_memory_nonce_replay" })
    assert.lengthOf(await rowsOf("federation.signature_refused")(2), refused.length + 1)
    assert.isAbove(await counted("federation.signature_refused")(2), refused.length)
    const anew = await mesh.send(2, mesh.message(MEMBER, mesh.carrier([operation])))
    assert.deepStrictEqual(Attacked.resultsOf(anew), ["duplicate"])
    // The same operation to end something else.
    const { hash: _, seal, ...parts } = operation
    const other = hashed({ ...parts, entity: victim, covers: [await versionOf(victim)] })
    const forged = await mesh.send(2, mesh.message(MEMBER, mesh.carrier([{ ...other, seal: seal ?? "" }])))
    assert.notInclude(Attacked.resultsOf(forged), "applied")
    const reused = await mesh.send(2, mesh.message(MEMBER, mesh.carrier([mesh.sealedBy(MEMBER, other)])))
    assert.notInclude(Attacked.resultsOf(reused), "applied")
    assert.isNotEmpty((await rowsOf(REFUSED)(2)).filter((each) => each.includes(MEMBER)))
    await mesh.settled()
    assert.deepStrictEqual(await mesh.everywhere(mesh.state), states)
    await untouched()
  }, 30_000)

  const outside: ReadonlyArray<readonly [what: string, make: () => Operation | Promise<Operation>]> = [
    [
      "stores",
      () =>
        operationOf({ kind: "store", memory: { ...memory(randomUUID(), "t", now()), namespace: "kept" } }, {
          by: LIMITED
        })
    ],
    [
      "deletes",
      async () => operationOf({ kind: "delete", entity: held }, { by: LIMITED, covers: [await versionOf(held)] })
    ],
    ["approves", () => operationOf(decision(ofChief.store, "chief", approved(ofChief.store)), { by: LIMITED })],
    ["votes", () => operationOf(vote("voter-1"), { by: LIMITED })],
    ["registers an agent", () => operationOf({ kind: "store", memory: registration("mine", "mine") }, { by: LIMITED })],
    [
      "ends the rule",
      async () =>
        operationOf({ kind: "namespace_meta_clear", entity: "kept" }, {
          by: LIMITED,
          covers: [await versionOf("kept")]
        })
    ],
    ["sets aside what a node wrote", () =>
      operationOf({
        kind: "quarantine",
        quarantine: { id: "by-the-edge", peer: "one", reason: "r", by: "edge", at: now() }
      }, { by: LIMITED })]
  ]

  it.each(outside)("%s outside its namespaces, in vain", async (_, make) => {
    const type = "federation.scope_refused"
    const states = await mesh.everywhere(mesh.state)
    const [count, metric] = await Promise.all([
      counted(type)(2),
      mesh.metric(2, "federation_not_allowed_total")
    ])
    const answered = await mesh.send(2, mesh.message(LIMITED, mesh.carrier([await make()])))
    assert.deepStrictEqual(Attacked.resultsOf(answered), ["rejected not_allowed"])
    // The same again within a minute is a count of the same row.
    assert.isAtLeast((await rowsOf(type)(2)).length, 1)
    assert.strictEqual(await counted(type)(2), count + 1)
    assert.strictEqual(await mesh.metric(2, "federation_not_allowed_total"), metric + 1)
    await mesh.settled()
    assert.deepStrictEqual(await mesh.everywhere(mesh.state), states)
    await untouched()
  }, 30_000)

  it("leaves what is asked for to who may decide", async () => {
    await api.ask(mesh.urlAt(1), `POST /pending/${ofChief.store}/approve`, { agent: "chief" })
    await mesh.settled()
    for (const [at] of NAMES.entries()) assert.include(await api.titles(mesh.urlAt(at), "ofChief"), "wanted")
  }, 30_000)
})
