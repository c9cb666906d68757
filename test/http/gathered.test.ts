import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Supervisor from "effect/Supervisor"
import * as Tracer from "effect/Tracer"
import * as net from "node:net"
import * as Sampler from "../../src/telemetry/Sampler.js"
import { engine } from "./engine.js"
import * as Node from "./node.js"

/*
 * Writes that come at once share a fiber, a transaction and a fan-out. Nobody who sends one is to see anything of that: what
 * is answered here to all at once is answered to each of them alone.
 */

interface Case {
  readonly name: string
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const of = (name: string, body: object, headers: Readonly<Record<string, string>> = {}): Case => ({
  name,
  headers,
  body: { namespace: "cases", title: name, content: "c", ...body }
})

const CASES: ReadonlyArray<Case> = [
  ...Array.from({ length: 12 }, (_, at) => of(`plain ${at}`, {})),
  of("of an agent", {}, { "x-agent-id": "alice" }),
  of("of an agent in its body", { agent_id: "bob" }, { "x-agent-id": "alice" }),
  of("of no agent", {}, { "x-agent-id": "not an agent" }),
  of("a taken title", { title: "taken" }),
  of("a title beside a taken one", { title: "taken", on_conflict: "version" }),
  of("merged", { title: "merged", on_conflict: "merge", tags: ["more"] }),
  of("a long title", { title: "x".repeat(2_000) }),
  of("a priority too high", { priority: 11 }),
  of("a field of the wrong shape", { tags: "no list" }),
  of("a field that nobody knows", { colour: "red" }),
  of("a field that nobody knows, strictly", { colour: "red" }, { prefer: "handling=strict" }),
  of("a credential", { content: "use AKIAIOSFODNN7EXAMPLE" }),
  of("a moment without a signature", { created_at: "2026-01-01T00:00:00Z" }),
  of("a signature that is none", { signature: "none" }),
  of("what needs approval", { namespace: "asking" }, { "x-agent-id": "alice" }),
  of("what needs approval, with a field that nobody knows", { namespace: "asking", colour: "red" }),
  of("what is not allowed", { namespace: "closed" }, { "x-agent-id": "mallory" }),
  of("under a key", {}, { "idempotency-key": "one" }),
  of("under a key that stands for another", {}, { "idempotency-key": "taken" }),
  // Of a title of nothing but stop words all those are told that the index has by then.
  of("kept for a while", { ttl_secs: 3_600 }),
  { name: "no JSON", body: "{" },
  { name: "no object", body: [] },
  { name: "no JSON by its type", body: {}, headers: { "content-type": "text/plain" } }
]

const send = (node: Node.Node, { body, headers = {} }: Case, more: Readonly<Record<string, string>> = {}) =>
  post(node, "/api/v1/memories", body, { ...headers, ...more })

const post = ({ port }: Node.Node, path: string, body: unknown, headers: Readonly<Record<string, string>>) =>
  Node.exchange(
    port,
    Node.request({
      method: "POST",
      path,
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body)
    })
  )

const connected = ({ port }: Node.Node) =>
  new Promise<net.Socket>((resolve, reject) => {
    const socket = net.connect({ port, host: "127.0.0.1" }, () => resolve(socket)).once("error", reject)
  })

const exchangeOn = (socket: net.Socket | undefined, { body, headers = {} }: Case) =>
  requestOn(socket, {
    method: "POST",
    path: "/api/v1/memories",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

/** On a connection that stands, so that what is sent at once arrives at once. */
const requestOn = (socket: net.Socket | undefined, request: Parameters<typeof Node.request>[0]) =>
  new Promise<Node.Answer>((resolve, reject) => {
    assert.isDefined(socket)
    const received: Array<Buffer> = []
    socket.on("error", reject).on("data", (chunk) => {
      received.push(chunk)
      const answer = Node.parse(Buffer.concat(received))
      if (answer === undefined) return
      socket.destroy()
      resolve(answer)
    })
    socket.write(Node.request(request))
  })

const idOf = ({ json }: Node.Answer): string =>
  Predicate.hasProperty(json, "id") && Predicate.isString(json.id) ? json.id : assert.fail("no id")

/** What is deleted, and how, of memories that are made for it. */
const deletions = async (node: Node.Node) => {
  const plain = await Promise.all(
    Array.from({ length: 12 }, (_, at) => send(node, of(`to go ${at}`, {}, { "x-agent-id": "owner" })))
  )
  const held = await send(node, of("held", { namespace: "holding" }, { "x-agent-id": "owner" }))
  const ids = [...plain, held].map(idOf)
  const remove = (id: string, headers: Readonly<Record<string, string>> = {}) => ({
    method: "DELETE",
    path: `/api/v1/memories/${id}`,
    headers
  })
  return [
    ...ids.slice(0, 8).map((id) => remove(id)),
    remove(ids[8] ?? "", { "if-match": "\"2026-01-01T00:00:00.000Z\"" }),
    remove(ids[9] ?? "", { "if-match": "*" }),
    remove(ids[10] ?? "", { "if-match": "no, tag" }),
    remove(ids[11] ?? "", { "x-agent-id": "not an agent" }),
    remove(ids[12] ?? "", { "x-agent-id": "mallory" }),
    remove("nobody-knows-this-one"),
    remove("a%20b"),
    remove(".")
  ]
}

/** What is changed, and how, of memories that are made for it. */
const changes = async (node: Node.Node) => {
  const made = await Promise.all(
    Array.from(
      { length: 24 },
      (_, at) => send(node, of(`to change ${at}`, { tags: ["before"], metadata: { at } }, { "x-agent-id": "owner" }))
    )
  )
  const ids = made.map(idOf)
  let next = 0
  const change = (body: unknown, headers: Readonly<Record<string, string>> = {}, id = ids[next++] ?? "") => ({
    method: "PUT",
    path: `/api/v1/memories/${id}`,
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })
  const etag = (at: number) => String(made[at]?.headers["etag"])
  const stale = "2026-01-01T00:00:00.000Z-0000-aaaaaaaa"
  return [
    ...Array.from({ length: 6 }, (_, at) => change({ content: `changed ${at}`, priority: at + 1 })),
    change({ content: "changed" }, { "if-match": etag(next) }),
    change({ content: "changed", expected_version: etag(next).slice(1, -1) }),
    change({ content: "changed" }, { "if-match": `"${stale}"` }),
    change({ content: "changed", expected_version: stale }),
    change({ content: "changed" }, { "if-match": "no, tag" }),
    change({ content: "changed" }, { "x-agent-id": "editor" }),
    change({ content: "changed" }, { "x-agent-id": "not an agent" }),
    change({ content: "changed" }, { "idempotency-key": "of a change" }),
    change({ content: "changed" }, { "idempotency-key": "taken" }),
    change({}),
    change({ content: "c", tags: ["before"] }, { "x-agent-id": "editor" }),
    change({ title: "taken" }),
    change({ namespace: "asking" }, { "x-agent-id": "mallory" }),
    change({ tags: ["after"], metadata: { at: "another" }, tier: "long" }),
    change({ tags: "no list" }),
    change({ priority: 11 }),
    change({ colour: "red", content: "use AKIAIOSFODNN7EXAMPLE" }),
    change({ colour: "red" }, { prefer: "handling=strict" }),
    change("{", {}, ids[0]),
    change([], {}, ids[0]),
    change({ content: "x" }, { "content-type": "text/plain" }, ids[0]),
    change({ content: "x" }, {}, "nobody-knows-this-one"),
    change({ content: "x" }, {}, "x".repeat(200)),
    change({ content: "x" }, {}, ".")
  ]
}

/** What differs from one memory to the next. */
const NAMES = /anonymous:req-[0-9a-f]{8}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
const MOMENTS = /\d{4}-\d{2}-\d{2}T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})(?:-[0-9a-f]+)?/g
const evened = (text: string) => text.replaceAll(NAMES, "ID").replaceAll(MOMENTS, "MOMENT")

/** A commit that waits for a server lets some come in later turns, and then they come in the next one. */
const ENOUGH_A_TRANSACTION = engine === "sqlite" ? 3 : 1.5

/** What each is told of the others that come at the same moment depends on who comes first. */
const withoutOthers = (text: string) =>
  engine === "sqlite" ? text : text.replace(/"potential_contradictions":\[[^\]]*\],/, "")

const shown = ({ headers, status, text }: Node.Answer) => ({
  status,
  text: withoutOthers(evened(text)),
  headers: Object.entries(headers).flatMap(([name, value]) =>
    name === "date" || name === "content-length" ? [] : [`${name}: ${evened(value)}`]
  ).sort()
})

const prepared = async () => {
  const node = await Node.start({}, Layer.setTracerEnabled(false))
  const first = [
    of("taken", {}),
    of("merged", {}),
    of("under the key", {}, { "idempotency-key": "taken" })
  ]
  for (const one of first) assert.strictEqual((await send(node, one)).status, 201)
  for (
    const [namespace, governance] of [
      ["asking", { write: "approve", approver: "human" }],
      ["closed", { write: "owner", approver: "human" }],
      ["holding", { write: "any", delete: "approve", approver: "human" }]
    ] as const
  ) {
    const { status } = await post(node, "/api/v1/namespaces", { namespace, governance }, { "x-agent-id": "owner" })
    assert.strictEqual(status, 201)
  }
  return node
}

const commits = async ({ port }: Node.Node) => {
  const { text } = await Node.exchange(port, Node.request({ path: "/metrics" }))
  const of = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1])
  return { transactions: of("sqlite_commit_rows_count"), rows: of("sqlite_commit_rows_sum") }
}

/** What the writes so far came to, by result. */
const results = async ({ port }: Node.Node) => {
  const { text } = await Node.exchange(port, Node.request({ path: "/metrics" }))
  return text.split("\n").filter((line) => line.startsWith("memory_writes_total{"))
}

/** Who asked for what, in the order of the operations. */
const writtenBy = async ({ port }: Node.Node, agent: string) => {
  const { json } = await Node.exchange(port, Node.request({ path: `/api/v1/provenance?agent=${agent}&limit=200` }))
  const operations: ReadonlyArray<{ readonly title: string }> = Object(json).operations
  return operations.map(({ title }) => title).sort()
}

/** By how much each of them grew. */
const grown = (before: ReadonlyArray<string>, after: ReadonlyArray<string>) => {
  const of = (lines: ReadonlyArray<string>) =>
    new Map(lines.map((line) => {
      const at = line.lastIndexOf(" ")
      return [line.slice(0, at), Number(line.slice(at))]
    }))
  const earlier = of(before)
  return Array.from(of(after), ([name, count]) => `${name} ${count - (earlier.get(name) ?? 0)}`).sort()
}

/** Changes that are sent at once. */
const changed = async (
  node: Node.Node,
  all: ReadonlyArray<readonly [id: string, body: object, headers?: Readonly<Record<string, string>>]>
) => {
  const sockets = await Promise.all(all.map(() => connected(node)))
  // By then the node has taken all of the connections.
  await commits(node)
  return Promise.all(all.map(([id, body, headers = {}], at) =>
    requestOn(sockets[at], {
      method: "PUT",
      path: `/api/v1/memories/${id}`,
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body)
    })
  ))
}

describe("what comes at once", () => {
  let together: Node.Node
  let alone: Node.Node
  let routed: Node.Node
  beforeAll(async () => {
    together = await prepared()
    alone = await prepared()
    routed = await prepared()
  })
  afterAll(() => Promise.all([together.stop(), alone.stop(), routed.stop()]))

  it("creates are answered as each of them alone", async () => {
    const sockets = await Promise.all(CASES.map(() => connected(together)))
    const before = await commits(together)
    const answers = await Promise.all(CASES.map((one, at) => exchangeOn(sockets[at], one)))
    const after = await commits(together)
    const written = answers.filter(({ status }) => status === 201 || status === 202).length
    assert.strictEqual(after.rows - before.rows, written)
    assert.isBelow(after.transactions - before.transactions, written / ENOUGH_A_TRANSACTION, "they share transactions")
    for (const [at, one] of CASES.entries()) {
      // Who names a trace has a fiber of its own.
      const expected = await send(alone, one, { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00` })
      const answer = answers[at]
      assert.isDefined(answer)
      assert.deepStrictEqual(shown(answer), shown(expected), one.name)
    }
  })

  it("deletes are answered as each of them alone", async () => {
    const requests = await deletions(together)
    const sockets = await Promise.all(requests.map(() => connected(together)))
    const before = await commits(together)
    const answers = await Promise.all(requests.map((request, at) => requestOn(sockets[at], request)))
    const after = await commits(together)
    assert.isBelow(
      after.transactions - before.transactions,
      answers.filter(({ status }) => status === 200).length / ENOUGH_A_TRANSACTION
    )
    for (const [at, request] of (await deletions(alone)).entries()) {
      const headers = { ...request.headers, traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00` }
      const expected = await Node.exchange(alone.port, Node.request({ ...request, headers }))
      const answer = answers[at]
      assert.isDefined(answer)
      assert.deepStrictEqual(shown(answer), shown(expected), request.path)
    }
  })

  it("updates are answered and counted as each of them alone, and as by the router", async () => {
    const requests = await changes(together)
    const sockets = await Promise.all(requests.map(() => connected(together)))
    const [before, countedBefore] = [await commits(together), await results(together)]
    const answers = await Promise.all(requests.map((request, at) => requestOn(sockets[at], request)))
    const after = await commits(together)
    const written = answers.filter(({ status }) => status === 200).length
    // Two of them change nothing.
    assert.strictEqual(after.rows - before.rows, written - 2)
    assert.isBelow(after.transactions - before.transactions, written / ENOUGH_A_TRANSACTION, "they share transactions")
    const apart = await changes(alone)
    const byRouter = await changes(routed)
    const counted = await Promise.all([alone, routed].map(results))
    for (const [at, answer] of answers.entries()) {
      const [one, other] = [apart[at], byRouter[at]]
      assert.isDefined(one)
      assert.isDefined(other)
      const headers = { ...one.headers, traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00` }
      const expected = await Node.exchange(alone.port, Node.request({ ...one, headers }))
      assert.deepStrictEqual(shown(answer), shown(expected), one.body)
      // An escape in the path is something that only the router undoes.
      const path = other.path.replace("/memories/", "/%6demories/")
      assert.deepStrictEqual(shown(await Node.exchange(routed.port, Node.request({ ...other, path }))), shown(expected))
    }
    const more = await Promise.all([alone, routed].map(results))
    for (const [at, node] of more.entries()) {
      assert.deepStrictEqual(grown(countedBefore, await results(together)), grown(counted[at] ?? [], node))
    }
    assert.deepStrictEqual(await writtenBy(together, "editor"), await writtenBy(routed, "editor"))
  })

  it("updates of one version are one update, and the others are told what is there", async () => {
    const made = await send(together, of("of one version", {}))
    const asked = { "if-match": String(made.headers["etag"]) }
    const answers = await changed(
      together,
      Array.from({ length: 10 }, (_, at) => [idOf(made), { content: `by ${at}` }, asked])
    )
    const [first, ...others] = answers.filter(({ status }) => status === 200)
    assert.lengthOf(others, 0)
    const refused = answers.filter(({ status }) => status === 412)
    assert.lengthOf(refused, 9)
    for (const { json } of refused) assert.strictEqual(`"${Object(json).current_version}"`, first?.headers["etag"])
    const { json } = await Node.exchange(together.port, Node.request({ path: `/api/v1/memories/${idOf(made)}` }))
    assert.strictEqual(Object(json).content, Object(first?.json).content)
  })

  it("updates of one memory come one after the other", async () => {
    const id = idOf(await send(together, of("one after the other", {})))
    const before = await commits(together)
    const answers = await changed(together, [
      [id, { priority: 9 }],
      [id, { content: "another" }],
      [id, { tags: ["new"] }],
      [id, { metadata: { by: "hand" } }]
    ])
    const after = await commits(together)
    assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200, 200, 200])
    assert.strictEqual(after.rows - before.rows, 4)
    const last = answers.map(({ headers }) => String(headers["etag"])).sort().at(-1)
    const { headers, json } = await Node.exchange(together.port, Node.request({ path: `/api/v1/memories/${id}` }))
    assert.strictEqual(headers["etag"], last)
    assert.deepInclude(Object(json), { priority: 9, content: "another", tags: ["new"] })
    assert.deepInclude(Object(json).metadata, { by: "hand" })
    assert.strictEqual(new Set(answers.map(({ headers }) => headers["x-op-id"])).size, 4)
  })

  it("updates to the same are one write", async () => {
    const id = idOf(await send(together, of("to the same", {})))
    const under = idOf(await send(together, of("to the same under a key", {})))
    const before = await commits(together)
    const answers = await changed(together, Array.from({ length: 10 }, () => [id, { content: "the same" }]))
    const keyed = { "idempotency-key": "the same change" }
    const again = await changed(together, Array.from({ length: 10 }, () => [under, { content: "the same" }, keyed]))
    const after = await commits(together)
    assert.strictEqual(after.rows - before.rows, 2)
    for (const all of [answers, again]) {
      assert.isTrue(all.every(({ status }) => status === 200))
      assert.strictEqual(new Set(all.map(({ headers }) => `${headers["x-op-id"]} ${headers["etag"]}`)).size, 1)
      assert.isTrue(all.every(({ json }) => Object(json).content === "the same"))
    }
  })

  it("creates are traced no further than to know that they are not recorded", async () => {
    const native = await Effect.runPromise(Effect.tracer)
    const names: Array<string> = []
    const counting = Tracer.make({
      context: (f, fiber) => native.context(f, fiber),
      // What a node does behind its answers begins traces of its own.
      span: (name, parent, ...others) => {
        if (Option.isSome(parent) || name.startsWith("http.")) names.push(name)
        return native.span(name, parent, ...others)
      }
    })
    const node = await Node.start({}, Layer.setTracer(Sampler.sampled(counting, () => false)))
    names.length = 0
    const creates = CASES.slice(0, 12)
    const sockets = await Promise.all(creates.map(() => connected(node)))
    const answers = await Promise.all(creates.map((one, at) => exchangeOn(sockets[at], one)))
    const traced = [...names]
    await node.stop()
    assert.isTrue(answers.every(({ status }) => status === 201))
    assert.deepStrictEqual(traced.filter((name) => name !== "http.server POST"), [])
    assert.strictEqual(traced.length, creates.length)
  })

  it("updates share fibers", async () => {
    let fibers = 0
    class Counting extends Supervisor.AbstractSupervisor<void> {
      override readonly value = Effect.void
      override onStart() {
        fibers++
      }
    }
    const node = await Node.start(
      {},
      Layer.merge(Layer.setTracerEnabled(false), Supervisor.addSupervisor(new Counting()))
    )
    const ids = (await Promise.all(Array.from({ length: 24 }, (_, at) => send(node, of(`shared ${at}`, {}))))).map(idOf)
    const before = fibers
    const answers = await changed(node, ids.map((id) => [id, { content: "changed" }]))
    const started = fibers - before
    await node.stop()
    assert.isTrue(answers.every(({ status }) => status === 200))
    assert.isBelow(started, answers.length)
  })

  it("creates under one key are one write", async () => {
    const one = of("the same", {}, { "idempotency-key": "the same" })
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(together, one)))
    const ids = new Set(answers.map(({ json }) => Predicate.hasProperty(json, "id") ? json.id : undefined))
    assert.deepStrictEqual(answers.map(({ status }) => status), Array.from({ length: 10 }, () => 201))
    assert.strictEqual(ids.size, 1)
  })

  it("creates of one title are one memory, and the others are refused", async () => {
    const one = of("only one of these", {})
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(together, one)))
    assert.deepStrictEqual(
      answers.map(({ status }) => status).sort(),
      [201, ...Array.from({ length: 9 }, () => 409)]
    )
  })
})
