import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { ask, create, type Json, listed, memory, query, rows } from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Original from "./Original.js"

/*
 * Two daemons of ours and one node with the semantics of the original in one mesh, W = 2: whatever one side writes is on
 * the other, but for what the original's protocol has no words for.
 */

let original: Original.Original
let cluster: Awaited<ReturnType<typeof Cluster.make>>
let ours: ReadonlyArray<string>

/** A kind of write: how it is prepared and done through one node, and what must come of it on every node. */
interface Write {
  readonly name: string
  /** Before anything is out of reach. What it gives is handed on. */
  readonly prepare?: (url: string, namespace: string) => Promise<string>
  readonly write: (url: string, namespace: string, prepared: string) => Promise<unknown>
  /** Whether a node of ours shows it. */
  readonly ours: (url: string, namespace: string, prepared: string) => Promise<boolean>
  /** Whether the original shows it. */
  readonly theirs: (namespace: string, prepared: string) => boolean
}

const store = (url: string, namespace: string) => create(url, { namespace, title: "a" }, { agent: "alice" })
const pair = async (url: string, namespace: string) =>
  [await store(url, namespace), await create(url, { namespace, title: "b" }, { agent: "alice" })].join(" ")
const theirRows = (namespace: string) => original.memories().filter((row) => row.namespace === namespace)
const ourTitles = async (url: string, namespace: string) =>
  (await listed(url, namespace)).map(({ title }) => String(title)).sort().join()
const theirTitles = (namespace: string) => theirRows(namespace).map(({ title }) => title).sort().join()
const isGone = async (url: string, id: string) => (await memory(url, id)) === undefined
const pendingOf = (url: string, id: string) =>
  ask(url, "GET /pending?limit=1000").then((body) => rows(body, "pending").find((row) => row["id"] === id))
const inArchive = async (url: string, namespace: string) =>
  rows(await ask(url, `GET /archive${query({ namespace })}`), "archived").length

/** A namespace whose writes need approval, with one that waits. */
const queued = async (url: string, namespace: string) => {
  await ask(url, "POST /namespaces", {
    body: { namespace, governance: { write: "approve", approver: "human" } },
    status: 201,
    agent: "alice"
  })
  const answer = await ask(url, "POST /memories", {
    body: { namespace, title: "wanted", content: "waits" },
    status: 202,
    agent: "alice"
  })
  return String(answer["pending_id"])
}

const WRITES: ReadonlyArray<Write> = [
  {
    name: "store",
    write: store,
    ours: async (url, namespace) => (await ourTitles(url, namespace)) === "a",
    theirs: (namespace) => theirTitles(namespace) === "a"
  },
  {
    name: "bulk",
    write: (url, namespace) =>
      ask(url, "POST /memories/bulk", {
        body: Array.from({ length: 20 }, (_, index) => ({ namespace, title: `row ${index}`, content: "c" }))
      }),
    ours: async (url, namespace) => (await listed(url, namespace)).length === 20,
    theirs: (namespace) => theirRows(namespace).length === 20
  },
  {
    name: "update",
    prepare: store,
    write: (url, _, id) => ask(url, `PUT /memories/${id}`, { body: { content: "edited" } }),
    ours: async (url, _, id) => (await memory(url, id))?.["content"] === "edited",
    theirs: (_, id) => original.memories().find((row) => row.id === id)?.content === "edited"
  },
  {
    name: "promote",
    prepare: store,
    write: (url, _, id) => ask(url, `POST /memories/${id}/promote`),
    ours: async (url, _, id) => (await memory(url, id))?.["tier"] === "long",
    theirs: (_, id) => original.memories().find((row) => row.id === id)?.tier === "long"
  },
  {
    name: "delete",
    prepare: store,
    write: (url, _, id) => ask(url, `DELETE /memories/${id}`),
    ours: (url, _, id) => isGone(url, id),
    theirs: (namespace) => theirRows(namespace).length === 0
  },
  {
    name: "archive",
    prepare: store,
    write: (url, _, id) => ask(url, "POST /archive", { body: { ids: [id] } }),
    ours: async (url, namespace, id) => (await isGone(url, id)) && (await inArchive(url, namespace)) === 1,
    theirs: (namespace, id) => theirRows(namespace).length === 0 && original.archived().some((row) => row.id === id)
  },
  {
    name: "restore",
    prepare: async (url, namespace) => {
      const id = await store(url, namespace)
      for (const node of ours) await Cluster.until("it is stored", async () => !(await isGone(node, id)))
      // A node that has not heard of the archiving would offer the row as live, and an original believes it: also when it
      // asked before, and hears of the archiving before the answer.
      await original.withoutCatchUp(async () => {
        await ask(url, "POST /archive", { body: { ids: [id] } })
        for (const node of ours) await Cluster.until("it is archived", () => isGone(node, id))
        await Cluster.until("the original archived it", async () => original.archived().some((row) => row.id === id))
      })
      return id
    },
    write: (url, _, id) => ask(url, `POST /archive/${id}/restore`),
    ours: async (url, namespace) =>
      (await ourTitles(url, namespace)) === "a" && (await inArchive(url, namespace)) === 0,
    theirs: (namespace) => theirTitles(namespace) === "a"
  },
  {
    name: "link",
    prepare: pair,
    write: (url, _, ids) => {
      const [source_id, target_id] = ids.split(" ")
      return ask(url, "POST /links", { body: { source_id, target_id, relation: "supersedes" }, status: 201 })
    },
    ours: async (url, _, ids) =>
      rows(await ask(url, `GET /links/${ids.split(" ")[0]}`), "links").some((one) => one["relation"] === "supersedes"),
    theirs: (_, ids) => original.links().some((one) => one.source_id === ids.split(" ")[0])
  },
  {
    name: "consolidate",
    prepare: pair,
    write: (url, namespace, ids) =>
      ask(url, "POST /consolidate", {
        body: { ids: ids.split(" "), title: "whole", summary: "both", namespace },
        status: 201
      }),
    ours: async (url, namespace) => (await ourTitles(url, namespace)) === "whole",
    theirs: (namespace) => theirTitles(namespace) === "whole"
  },
  {
    name: "standard",
    prepare: store,
    write: (url, namespace, id) => ask(url, "POST /namespaces", { body: { namespace, id }, status: 201 }),
    ours: async (url, namespace, id) =>
      (await ask(url, `GET /namespaces${query({ namespace })}`))["standard_id"] === id,
    theirs: (namespace, id) =>
      original.namespaceMeta().some((entry) => entry.namespace === namespace && entry.standard_id === id)
  },
  {
    name: "clearing of a standard",
    prepare: async (url, namespace) => {
      const id = await store(url, namespace)
      await ask(url, "POST /namespaces", { body: { namespace, id }, status: 201 })
      return id
    },
    write: (url, namespace) => ask(url, `DELETE /namespaces${query({ namespace })}`),
    ours: async (url, namespace) => (await ask(url, `GET /namespaces${query({ namespace })}`))["standard_id"] === null,
    theirs: (namespace) => !original.namespaceMeta().some((entry) => entry.namespace === namespace)
  },
  {
    name: "pending action",
    write: queued,
    ours: async (url, namespace) =>
      rows(await ask(url, "GET /pending?limit=1000"), "pending").some((row) => row["namespace"] === namespace),
    theirs: (namespace) => original.pendings().some((row) => row.namespace === namespace && row.status === "pending")
  },
  {
    name: "approval",
    prepare: queued,
    write: (url, _, id) => ask(url, `POST /pending/${id}/approve`, { agent: "bob" }),
    ours: async (url, namespace, id) =>
      (await pendingOf(url, id))?.["status"] === "approved" &&
      (await ourTitles(url, namespace)).includes("wanted"),
    theirs: (namespace, id) =>
      original.pendings().some((row) => row.id === id && row.status === "approved") &&
      theirRows(namespace).filter(({ title }) => title === "wanted").length === 1
  },
  {
    name: "rejection",
    prepare: queued,
    write: (url, _, id) => ask(url, `POST /pending/${id}/reject`, { agent: "bob" }),
    ours: async (url, _, id) => (await pendingOf(url, id))?.["status"] === "rejected",
    theirs: (_, id) => original.pendings().some((row) => row.id === id && row.status === "rejected")
  },
  {
    name: "agent",
    write: (url, namespace) =>
      ask(url, "POST /agents", {
        body: { agent_id: `agent:${namespace}`, agent_type: "human", capabilities: [] },
        status: 201
      }),
    ours: async (url, namespace) =>
      rows(await ask(url, "GET /agents"), "agents").some((agent) => agent["agent_id"] === `agent:${namespace}`),
    theirs: (namespace) => original.memories().some(({ title }) => title === `agent:agent:${namespace}`)
  },
  {
    name: "message",
    write: (url, namespace) =>
      ask(url, "POST /notify", {
        body: { target_agent_id: `to:${namespace}`, title: "hello", payload: "you" },
        status: 201,
        agent: "alice"
      }),
    ours: async (url, namespace) =>
      rows(await ask(url, `GET /inbox${query({ agent_id: `to:${namespace}` })}`), "messages").length === 1,
    theirs: (namespace) => original.memories().some((row) => row.namespace === `_messages/to:${namespace}`)
  }
]

/** A rename only leaves our side: the original's push of one is skipped by its own kind, so it can not be relied on. */
const RENAME: Write = {
  name: "rename",
  prepare: store,
  write: (url, _, id) => ask(url, `PUT /memories/${id}`, { body: { title: "renamed" } }),
  ours: async (url, namespace) => (await ourTitles(url, namespace)) === "renamed",
  theirs: (namespace) => theirTitles(namespace) === "renamed"
}

const FORGET: Write = {
  name: "forget",
  prepare: store,
  write: (url, namespace) => ask(url, "POST /forget", { body: { namespace } }),
  ours: async (url, namespace) => (await listed(url, namespace)).length === 0,
  theirs: (namespace) => theirRows(namespace).length === 0
}

const IMPORT: Write = {
  name: "import",
  write: (url, namespace) => ask(url, "POST /import", { body: { memories: [imported(namespace)] } }),
  ours: async (url, namespace) => (await ourTitles(url, namespace)) === "imported",
  theirs: (namespace) => theirTitles(namespace) === "imported"
}

const imported = (namespace: string): Json => ({
  id: crypto.randomUUID(),
  tier: "long",
  namespace,
  title: "imported",
  content: "c",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "import",
  access_count: 0,
  created_at: "2026-01-01T00:00:00.000000000+00:00",
  updated_at: "2026-01-01T00:00:00.000000000+00:00",
  metadata: { agent_id: "alice" }
})

/** It has no word for what is set aside: it hears of what is written then. */
const REVERT: Write = {
  name: "revert",
  prepare: async (url, namespace) => {
    const id = await create(url, { namespace, title: "a", content: "good" }, { agent: "alice" })
    const agent = `poisoned:${namespace}`
    await create(url, { namespace, title: "b", content: "bad" }, { agent })
    await ask(url, `PUT /memories/${id}`, { body: { content: "bad" }, agent })
    return id
  },
  write: async (url, namespace) => {
    const quarantine = { agent: `poisoned:${namespace}`, reason: "test" }
    const { id } = await ask(url, "POST /quarantines", { body: quarantine, status: 201 })
    await ask(url, `POST /quarantines/${String(id)}/revert`)
  },
  ours: async (url, namespace, id) =>
    (await ourTitles(url, namespace)) === "a" && (await memory(url, id))?.["content"] === "good",
  theirs: (namespace) =>
    theirTitles(namespace) === "a" && theirRows(namespace).every(({ content }) => content === "good")
}

const FROM_OURS = [...WRITES, RENAME, FORGET, IMPORT, REVERT]

const everywhere = async (write: Write, namespace: string, prepared: string) => {
  await Cluster.until(`${write.name} is on the original`, () => Promise.resolve(write.theirs(namespace, prepared)))
  for (const url of ours) {
    await Cluster.until(`${write.name} is on ${url}`, () => write.ours(url, namespace, prepared))
  }
}

/** Prepares all, does all, and looks at all: so that one outage serves for every kind of write. */
const round = async (options: {
  readonly label: string
  readonly writes: ReadonlyArray<Write>
  readonly through: string
  readonly before?: () => Promise<unknown>
  readonly after?: () => Promise<unknown>
}) => {
  const cases = options.writes.map((write, index) => ({
    write,
    namespace: `mixed-${options.label}-${index}`,
    prepared: ""
  }))
  for (const one of cases) {
    one.prepared = (await one.write.prepare?.(options.through, one.namespace)) ?? ""
  }
  // What was prepared must be everywhere first.
  const { through } = options
  await Cluster.until(
    "the preparations are everywhere",
    async () =>
      cases.every(({ namespace, prepared, write }) =>
        write.prepare === undefined || write.name === "restore" || theirRows(namespace).length > 0 ||
        prepared === ""
      )
  )
  for (const url of ours) {
    await Cluster.until(`the preparations are on ${url}`, async () => {
      for (const { namespace, write } of cases) {
        if (write.prepare === undefined || write.name === "restore") continue
        if ((await listed(url, namespace)).length === 0) return false
      }
      return true
    })
  }
  await options.before?.()
  for (const { namespace, prepared, write } of cases) await write.write(through, namespace, prepared)
  await options.after?.()
  for (const { namespace, prepared, write } of cases) await everywhere(write, namespace, prepared)
}

describe("a mesh of two nodes of ours and one of the original", () => {
  beforeAll(async () => {
    const [port = 0] = await Cluster.freePorts(1)
    cluster = await Cluster.make({
      size: 2,
      flags: ["--quorum-writes", "2", "--catchup-interval-secs", "1"],
      peers: (urls, index) => [...urls.filter((_, other) => other !== index), `http://127.0.0.1:${port}`]
    })
    ours = cluster.members.map(({ url }) => url)
    original = await Original.start({ name: "o", port, peers: ours, quorumWrites: 2, catchupMillis: 500 })
    await Promise.all(cluster.members.map((member) => member.start()))
    for (const url of ours) {
      await Cluster.until(
        `${url} is in touch`,
        async () => JSON.stringify((await Cluster.call(url, "GET", "/health/ready")).body).includes("2 of 2 answer")
      )
    }
  }, 60_000)
  afterAll(async () => {
    await cluster.close()
    await original.stop()
  })

  it(
    "carries every kind of write of ours to the original",
    () => round({ label: "out", writes: FROM_OURS, through: ours[0] ?? "" }),
    60_000
  )

  it("carries them to an original that was away meanwhile", () =>
    round({
      label: "away",
      writes: FROM_OURS,
      through: ours[0] ?? "",
      before: () => original.stop(),
      after: () => original.restart()
    }), 90_000)

  it(
    "carries every kind of write of the original to ours",
    () => round({ label: "in", writes: WRITES, through: original.url }),
    60_000
  )

  it("carries them to one of ours that was away meanwhile", () =>
    round({
      label: "back",
      writes: WRITES,
      through: original.url,
      before: async () => cluster.members[1]?.stop(),
      after: async () => cluster.members[1]?.start()
    }), 90_000)

  it("lets no delete come back", async () => {
    const id = await store(ours[0] ?? "", "mixed-dead")
    await Cluster.until("the row is on the original", () => Promise.resolve(theirRows("mixed-dead").length === 1))
    await original.stop()
    await ask(ours[0] ?? "", `DELETE /memories/${id}`)
    await original.restart()
    await Cluster.until("it is gone from the original", () => Promise.resolve(theirRows("mixed-dead").length === 0))
    await original.catchUp()
    for (const url of ours) assert.isUndefined(await memory(url, id))
  })

  it("leaves a vote that was cast at the original while its action went round", async () => {
    const namespace = "mixed-votes"
    const governance = { write: "approve", approver: { consensus: 2 } }
    const at = original.url
    for (const agent_id of ["alice", "bob"]) {
      await ask(at, "POST /agents", { body: { agent_id, agent_type: "human", capabilities: [] }, status: 201 })
    }
    await ask(at, "POST /namespaces", { body: { namespace, governance }, status: 201, agent: "alice" })
    const body = { namespace, title: "wanted", content: "waits" }
    const queued = await ask(at, "POST /memories", { body, status: 202, agent: "alice" })
    const id = String(queued["pending_id"])
    await ask(at, `POST /pending/${id}/approve`, { agent: "bob", status: 202 })
    for (const url of ours) await Cluster.until("it is queued", async () => (await pendingOf(url, id)) !== undefined)
    // What comes after it in the log has been told by both.
    const ids = [await store(ours[0] ?? "", `${namespace}-0`), await store(ours[1] ?? "", `${namespace}-1`)]
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    for (const made of ids) assert.isTrue(original.memories().some((row) => row.id === made))
    assert.deepStrictEqual(original.pendings().find((row) => row.id === id)?.approvals.map((one) => one.agent_id), [
      "bob"
    ])
  }, 30_000)

  it("brings nothing back to life there when one of ours is killed before it has told what it heard", async () => {
    const [, away] = cluster.members
    assert.isDefined(away)
    const ids = [await store(original.url, "mixed-killed-0"), await store(original.url, "mixed-killed-1")]
    for (const url of ours) {
      for (const id of ids) {
        await Cluster.until("it is heard", async () => !(await isGone(url, id)))
      }
    }
    await away.stop()
    await ask(original.url, "POST /archive", { body: { ids: ids.slice(0, 1) } })
    await ask(original.url, `DELETE /memories/${ids[1]}`)
    await away.start()
    const until = Date.now() + 6_000
    while (Date.now() < until) {
      assert.isFalse(original.memories().some(({ id }) => ids.includes(id)), "it is live again")
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const url of ours) for (const id of ids) assert.isUndefined(await memory(url, id))
  }, 40_000)
})
