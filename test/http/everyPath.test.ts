import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, createHmac, randomUUID } from "node:crypto"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { bodies } from "../../src/http/contract/examples.js"
import { until } from "../mesh/Cluster.js"
import * as Call from "./call.js"
import { engineName } from "./engine.js"
import * as Node from "./node.js"

/*
 * Each operation of the document that a node gives out is asked for once, about something that is there: whatever has the
 * memories, all of them answer.
 */

interface Operation {
  readonly id: string
  readonly method: string
  readonly path: string
}

/** What stands in the path of an operation and behind it, and what is sent; the example of the document unless given. */
interface Request {
  readonly named?: string
  readonly query?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const SECRET = "a secret of the approvals"
const NAMESPACE = "every/path"
const AGENT = "alice"
const ASKING = "every/asking"

const methods = ["get", "post", "put", "delete"]

const listening = (answer: (method: string, url: string) => readonly [status: number, body: string]) =>
  new Promise<{ readonly server: Server; readonly url: string }>((resolve) => {
    const server = createServer((request, response) => {
      request.resume().on("end", () => {
        const [status, body] = answer(request.method ?? "", request.url ?? "")
        response.writeHead(status, { "content-type": "application/json" }).end(body)
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const address: AddressInfo | string | null = server.address()
      resolve({ server, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}` })
    })
  })

/** A peer that takes nothing, so that there are dead letters. */
const refusing = () =>
  listening((method, url) => {
    if (method === "POST") return [422, `{"error":"unknown tier"}`]
    return url.startsWith("/api/v1/sync/since") ? [200, `{"memories":[]}`] : [404, ""]
  })

const signed = (body: unknown) => {
  const at = String(Math.floor(Date.now() / 1000))
  const key = createHash("sha256").update(SECRET).digest()
  const text = `${at}.${JSON.stringify(body)}`
  return {
    "x-ai-memory-timestamp": at,
    "x-ai-memory-signature": `sha256=${createHmac("sha256", key).update(text).digest("hex")}`
  }
}

/** What operations are about is made by others of them. */
const making = (send: Call.Send, hook: string) => {
  const made = async (method: string, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const answered = await send(method, path, { body, headers })
    assert.isBelow(answered.status, 300, `${method} ${path}: ${answered.text}`)
    return answered.body
  }
  const idOf = async (what: Promise<Readonly<Record<string, unknown>>>) => String((await what)["id"])
  const memory = (more: object = {}, agent = AGENT) =>
    idOf(
      made("POST", "/memories", { namespace: NAMESPACE, title: randomUUID(), content: "a deploy", ...more }, {
        "x-agent-id": agent
      })
    )
  const first = async (what: string, list: string, path: string) => {
    let id = ""
    await until(what, async () => {
      id = String(Call.rows(await send("GET", path), list)[0]?.["id"] ?? "")
      return id !== ""
    }, 25_000)
    return id
  }
  const subscription = () => idOf(made("POST", "/subscriptions", { url: hook, namespace_filter: NAMESPACE }))
  const quarantine = async () => {
    const agent = `agent-${randomUUID()}`
    await memory({}, agent)
    return idOf(made("POST", "/quarantines", { agent, reason: "its key was stolen" }))
  }
  return {
    memory,
    subscription,
    quarantine,
    archived: async () => {
      const id = await memory()
      await made("POST", "/archive", { ids: [id] })
      return id
    },
    link: async () => {
      const link = { source_id: await memory(), target_id: await memory(), relation: "derived_from" }
      await made("POST", "/links", link)
      return link
    },
    pending: async () => {
      await made("POST", "/namespaces", { namespace: ASKING, governance: { write: "approve" } })
      const { pending_id } = await made("POST", "/memories", { namespace: ASKING, title: randomUUID(), content: "c" })
      return String(pending_id)
    },
    standard: () =>
      made("POST", "/namespaces", { namespace: NAMESPACE, ...Object(bodies["governance.setStandardAt"]) }),
    agent: () => made("POST", "/agents", bodies["agents.register"]),
    entity: () => made("POST", "/entities", bodies["graph.registerEntity"]),
    /** Two that claim a title: the one that has it not. */
    conflict: async () => {
      const [memory] = Object(bodies["data.import"]).memories
      const two = { ...memory, namespace: NAMESPACE, title: randomUUID(), id: randomUUID() }
      const id = randomUUID()
      const memories = [two, { ...two, id, updated_at: "2026-01-04T09:00:00.000000000+00:00" }]
      await made("POST", "/import", { memories })
      return id
    },
    letter: () => first("a dead letter", "dead_letters", "/federation/dlq"),
    /** The receiver takes nothing. */
    deadEvent: async () => {
      const known = Call.rows(await send("GET", "/subscriptions/dlq"), "dead_letters")
      if (known.length === 0) {
        await subscription()
        await memory()
      }
      return first("a dead event", "dead_letters", "/subscriptions/dlq")
    }
  }
}

/** How to ask for what needs more than its example, by its id. */
const asking = (there: ReturnType<typeof making>): Readonly<Record<string, () => Promise<Request>>> => {
  const named = (make: () => Promise<string>) => async () => ({ named: await make() })
  const query = (text: string) => () => Promise.resolve({ query: text })
  const body = (make: () => Promise<object>) => async () => ({ body: await make() })
  const at = { named: encodeURIComponent(NAMESPACE) }
  return {
    "memories.get": named(there.memory),
    "memories.update": named(there.memory),
    "memories.remove": named(there.memory),
    "memories.promote": named(there.memory),
    "memories.search": query("q=deploy"),
    "memories.recallQuery": query("context=deploy"),
    "archive.archive": body(async () => ({ ids: [await there.memory()] })),
    "archive.restore": named(there.archived),
    "archive.foresee": query(`namespace=${NAMESPACE}&pattern=staging`),
    "graph.link": body(async () => ({
      source_id: await there.memory(),
      target_id: await there.memory(),
      relation: "derived_from"
    })),
    "graph.unlink": body(there.link),
    "graph.links": named(there.memory),
    "graph.lineage": named(there.memory),
    "graph.kgQuery": body(async () => ({ source_id: await there.memory(), max_depth: 2 })),
    "graph.kgTimeline": async () => ({ query: `source_id=${await there.memory()}` }),
    "graph.kgInvalidate": body(there.link),
    "graph.entityByAlias": async () => {
      await there.entity()
      return { query: "alias=stage" }
    },
    "governance.clearStandard": async () => {
      await there.standard()
      return { query: `namespace=${at.named}` }
    },
    "governance.getStandard": async () => {
      await there.standard()
      return at
    },
    "governance.setStandardAt": () => Promise.resolve(at),
    "governance.clearStandardAt": async () => {
      await there.standard()
      return at
    },
    "governance.approve": named(there.pending),
    "governance.reject": named(there.pending),
    "governance.decide": async () => ({
      named: await there.pending(),
      headers: signed(bodies["governance.decide"])
    }),
    "agents.bindKey": async () => {
      await there.agent()
      return { named: AGENT }
    },
    "agents.inbox": query(`agent_id=${AGENT}`),
    "data.consolidate": body(async () => ({
      ...bodies["data.consolidate"],
      namespace: NAMESPACE,
      ids: [await there.memory(), await there.memory()]
    })),
    "data.contradictions": query(`namespace=${NAMESPACE}`),
    "federation.resolveConflict": named(there.conflict),
    "federation.deadLetter": named(there.letter),
    "federation.discardDeadLetter": named(there.letter),
    "federation.retryDeadLetter": named(there.letter),
    "undo.provenance": query(`agent=${AGENT}`),
    "undo.release": named(there.quarantine),
    "undo.revert": named(there.quarantine),
    "subscriptions.unsubscribe": async () => ({ query: `id=${await there.subscription()}` }),
    "subscriptions.unsubscribeAt": named(there.subscription),
    "subscriptions.replay": named(there.subscription),
    "subscriptions.replayDeadEvent": named(there.deadEvent),
    "subscriptions.discardDeadEvent": named(there.deadEvent)
  }
}

describe("every path of the document", () => {
  let node: Node.Node
  let others: ReadonlyArray<{ readonly server: Server; readonly url: string }> = []
  beforeAll(async () => {
    const peer = await refusing()
    others = [peer, await listening(() => [422, "{}"])]
    node = await Node.start({
      quorumPeers: [peer.url],
      quorumWrites: Option.some(1),
      allowLoopbackWebhooks: true,
      approvalsSecret: Option.some(Redacted.make(SECRET))
    })
  })
  afterAll(async () => {
    await node.stop()
    for (const { server } of others) {
      server.closeAllConnections()
      server.close()
    }
  })

  const operations = async (): Promise<ReadonlyArray<Operation>> => {
    const { paths } = Object(await (await fetch(`${node.url}/openapi.json`)).json())
    return Object.keys(paths).flatMap((path) =>
      methods.flatMap((method) => {
        const found = Object(Object(paths[path])[method])
        return typeof found.operationId === "string"
          ? [{ id: found.operationId, method: method.toUpperCase(), path }]
          : []
      })
    )
  }

  /** What is wrong with its answer: nothing where that is a success. A stream has no end. */
  const wrongWith = async ({ id, method, path }: Operation, { body = bodies[id], headers, named, query }: Request) => {
    const target = `${path.replace(/\{\w+\}/, named ?? "")}${query === undefined ? "" : `?${query}`}`
    const end = new AbortController()
    const response = await fetch(`${node.url}${target}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: end.signal
    })
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true
    const text = isStream ? "" : await response.text()
    end.abort()
    return response.ok ? [] : [`${id}: ${response.status} ${text}`]
  }

  it("is answered, with success, whatever has the memories", async ({ task }) => {
    const all = await operations()
    const requests = asking(making(Call.to(node), `${others[1]?.url}/hook`))
    for (const id of Object.keys(requests)) assert.include(all.map((one) => one.id), id)
    const wrong: Array<string> = []
    for (const one of all) wrong.push(...await wrongWith(one, await requests[one.id]?.() ?? {}))
    const answered = all.length - wrong.length
    const paths = new Set(all.map(({ path }) => path)).size
    Object.assign(task.meta, { paths, operations: all.length, answered })
    console.log(`engine=${engineName} paths=${paths} operations=${all.length} answered=${answered}`)
    assert.deepStrictEqual(wrong, [])
  }, 90_000)
})
