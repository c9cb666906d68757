import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { quorate } from "../cli/program.js"
import * as api from "./api.js"
import * as Cluster from "./Cluster.js"

/*
 * An agent is led astray on a mesh of three daemons: one command on one node hides what it wrote, through whatever node and however
 * late it arrives; and one takes it back for good.
 */

const GOOD = "good"
const BAD = "poisoned"
const NAMESPACE = "work"

describe("what an agent wrote, on three nodes", () => {
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  beforeAll(async () => {
    cluster = await Cluster.make({
      size: 3,
      flags: ["--quorum-writes", "2", "--quorum-timeout-ms", "2000", "--catchup-interval-secs", "1"]
    })
    await Promise.all(cluster.members.map((member) => member.start()))
    await Cluster.inTouch(cluster.members)
  }, 60_000)
  afterAll(() => cluster.close())

  const at = (index: number) => {
    const member = cluster.members[index]
    assert.isDefined(member)
    return member
  }
  const everywhere = async (what: string, holds: (url: string) => Promise<boolean>) => {
    for (const { url } of cluster.members) await Cluster.until(`${what} on ${url}`, () => holds(url), 30_000)
  }
  /** All nodes hold the same, and it comes to the same. */
  const converged = () =>
    Cluster.until("vectors and digests agree", async () => {
      const told = await Promise.all(cluster.members.map(async (member) => {
        const { body } = await Cluster.call(member.url, "GET", "/api/v1/sync/hello")
        return `${await Cluster.vector(member)} ${JSON.stringify(body["digest"])}`
      }))
      return told.every((one) => one === told[0])
    }, 30_000)
  const content = async (url: string, id: string) => (await api.memory(url, id))?.["content"]
  const relations = async (url: string, id: string) => (await api.links(url, id)).map(({ relation }) => relation)
  const run = async (...args: ReadonlyArray<string>) => {
    const ended = await quorate([...args, "--json", "--url", at(0).url, "--agent-id", "root"])
    assert.strictEqual(ended.code, 0, ended.stderr)
    return api.record(JSON.parse(ended.stdout))
  }

  /** Good things, and what the agent does to them through all nodes; the third of them is alone with the last of it. */
  const spoil = async (namespace: string) => {
    const [one, two, three] = [at(0), at(1), at(2)]
    const store = (url: string, title: string, agent: string) =>
      api.create(url, { namespace, title, content: `${title} of ${agent}` }, { agent })
    const overwritten = await store(one.url, "overwritten", GOOD)
    const deleted = await store(two.url, "deleted", GOOD)
    const kept = await store(three.url, "kept", GOOD)
    const late = await store(one.url, "overwritten late", GOOD)
    await api.ask(one.url, "POST /links", {
      body: { source_id: kept, target_id: overwritten },
      agent: GOOD,
      status: 201
    })
    await everywhere("what is good", async (url) => (await Cluster.contents({ ...one, url }, namespace)).size === 4)
    const since = new Date().toISOString()
    await new Promise((resolve) => setTimeout(resolve, 5))
    const added = await store(one.url, "added", BAD)
    await api.ask(two.url, `PUT /memories/${overwritten}`, { body: { content: "lies" }, agent: BAD })
    await api.ask(three.url, `DELETE /memories/${deleted}`, { agent: BAD })
    await api.ask(two.url, "POST /links", {
      body: { source_id: kept, target_id: late, relation: "contradicts" },
      agent: BAD,
      status: 201
    })
    await api.ask(one.url, "DELETE /links", {
      body: { source_id: kept, target_id: overwritten, relation: "related_to" },
      agent: BAD
    })
    await converged()
    // The third goes on alone, and is away before anybody hears of it.
    await Promise.all([one.stop(), two.stop()])
    const missed = { agent: BAD, status: 503, timeoutMillis: 20_000 }
    await api.ask(three.url, `PUT /memories/${late}`, { ...missed, body: { content: "late lies" } })
    await api.ask(three.url, "POST /memories", { ...missed, body: { namespace, title: "added late", content: "c" } })
    await three.stop()
    await Promise.all([one.start(), two.start()])
    await Cluster.until("the two are in touch", async () =>
      (await Cluster.call(one.url, "POST", "/api/v1/memories", {
        body: { namespace: "probe", title: "t", content: "c", on_conflict: "merge" }
      })).status < 300)
    return { added, deleted, kept, late, overwritten, since }
  }
  type Ids = Awaited<ReturnType<typeof spoil>>

  const isAsBefore = async (url: string, { added, deleted, kept, late, overwritten }: Ids, namespace: string) =>
    await content(url, added) === undefined &&
    await content(url, overwritten) === `overwritten of ${GOOD}` &&
    await content(url, late) === `overwritten late of ${GOOD}` &&
    await content(url, deleted) === `deleted of ${GOOD}` &&
    api.same(await relations(url, kept), ["related_to"]) &&
    api.same(await api.titles(url, namespace), ["deleted", "kept", "overwritten", "overwritten late"])
  const isSpoilt = async (url: string, { added, deleted, kept, late, overwritten }: Ids) =>
    await content(url, added) === `added of ${BAD}` &&
    await content(url, overwritten) === "lies" &&
    await content(url, late) === "late lies" &&
    await content(url, deleted) === undefined &&
    api.same(await relations(url, kept), ["contradicts"])

  it("is hidden by one command, also what arrives later and after a restart, and shown again", async () => {
    const ids = await spoil(NAMESPACE)
    const set = await run("quarantine", "--agent", BAD, "--since", ids.since, "--reason", "led astray")
    assert.strictEqual(set["quorum_acks"], 2)
    for (const { url } of [at(0), at(1)]) {
      await Cluster.until(`it is hidden on ${url}`, () => isAsBefore(url, ids, NAMESPACE))
    }
    await at(2).start()
    await converged()
    await everywhere("it is hidden", (url) => isAsBefore(url, ids, NAMESPACE))
    await everywhere("all of it is listed", async (url) => {
      const { operations } = await api.ask(url, `GET /provenance${api.query({ agent: BAD, since: ids.since })}`)
      return api.rows({ operations }, "operations").length === 7 &&
        api.rows({ operations }, "operations").every(({ quarantined_by: by, void: why }) =>
          api.same(by, [set["id"]]) && why === `quarantined by ${String(set["id"])}`
        )
    })
    // It is refused on every node, and others are not.
    for (const { url } of cluster.members) {
      await api.ask(url, "POST /memories", { body: { title: "more", content: "c" }, agent: BAD, status: 403 })
    }

    await at(1).stop()
    await at(1).start()
    assert.isTrue(await isAsBefore(at(1).url, ids, NAMESPACE))
    const audited = await quorate(["audit", "tail", "--type", "federation.operation_void", "--db", at(1).db])
    assert.include(audited.stdout, `quarantined by ${String(set["id"])}`)
    assert.notInclude(audited.stdout, "lies")

    await run("release", String(set["id"]))
    await everywhere("it is back", (url) => isSpoilt(url, ids))
    await converged()
  }, 120_000)

  it("is taken back for good, also what arrives later", async () => {
    const namespace = "taken-back"
    const ids = await spoil(namespace)
    const set = await run("quarantine", "--agent", BAD, "--since", ids.since, "--reason", "led astray")
    const quarantine = String(set["id"])
    const first = await run("revert", quarantine)
    assert.isTrue(api.has(first, { restored: 2, deleted: 1, links: 2, left: 0 }), JSON.stringify(first))
    await at(2).start()
    await converged()
    await everywhere("it is hidden", (url) => isAsBefore(url, ids, namespace))
    const second = await run("revert", quarantine)
    assert.isTrue(api.has(second, { restored: 1, deleted: 1, links: 0 }), JSON.stringify(second))
    const third = await run("revert", quarantine)
    assert.isTrue(api.has(third, { restored: 0, deleted: 0, links: 0 }), JSON.stringify(third))
    await run("release", quarantine)
    await converged()
    await everywhere("it is as before", (url) => isAsBefore(url, ids, namespace))
    for (const type of ["memory.quarantined", "memory.reverted", "memory.released"]) {
      await Cluster.until(`${type} is written down`, async () => {
        const { stdout } = await quorate(["audit", "tail", "--type", type, "--db", at(0).db])
        return stdout.includes(quarantine) && stdout.includes("root")
      })
    }
    for (const { log } of cluster.members) assert.notInclude(fs.readFileSync(log, "utf8"), "late lies")
  }, 120_000)
})
