import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "../mesh/Cluster.js"
import { call, ERAS, overHttp, overStdio, rows } from "./clients.js"

/* Agents at a mesh of three nodes. */

const withMesh = async (run: (cluster: Awaited<ReturnType<typeof Cluster.make>>) => Promise<void>) => {
  const cluster = await Cluster.make({ size: 3, flags: ["--quorum-writes", "2", "--catchup-interval-secs", "1"] })
  try {
    await Promise.all(cluster.members.map((member) => member.start()))
    await Cluster.inTouch(cluster.members)
    await run(cluster)
  } finally {
    await cluster.close()
  }
}

const countAt = async (url: string, namespace: string): Promise<number> => {
  const { body } = await Cluster.call(url, "GET", "/api/v1/stats", { timeoutMillis: 30_000 })
  const found = Array.isArray(body["by_namespace"]) ? body["by_namespace"].filter(Cluster.isRecord) : []
  return Number(found.find((each) => each["namespace"] === namespace)?.["count"] ?? 0)
}

describe("agents at a mesh", () => {
  it.each(ERAS)(
    "go on through the loss of a node: store, recall, update, conflict, delete, by %s",
    { timeout: 90_000 },
    (era) =>
      withMesh(async ({ members }) => {
        const [one, two, three] = members
        assert.isDefined(one)
        assert.isDefined(two)
        assert.isDefined(three)
        const { client } = await overStdio(["--url", one.url, "--agent-id", "alice"], { era })
        const other = await overHttp(two.url, { era, headers: { "x-agent-id": "bob" } })

        const { tools } = await client.listTools()
        assert.include(tools.map(({ name }) => name), "memory_store")
        assert.include(client.getInstructions() ?? "", "memory_recall")
        const stored = await call(client, "memory_store", {
          title: "Release day",
          content: "The release train leaves on Tuesday morning.",
          namespace: "team/ops",
          tier: "long"
        })
        const { id } = stored.fields
        assert.isAtLeast(Number(stored.fields["quorum_acks"]), 2)

        await three.stop("SIGKILL")
        const recalled = await call(other, "memory_recall", {
          context: "When does the train of releases leave?",
          namespace: "team/ops"
        })
        assert.strictEqual(rows(recalled, "memories")[0]?.["id"], id)
        const read = await call(other, "memory_get", { id })
        const version = read.fields["updated_at"]
        const changed = await call(other, "memory_update", {
          id,
          content: "It leaves on Wednesday.",
          expected_version: version
        })
        assert.strictEqual(changed.fields["quorum_acks"], 2, changed.text)

        // Who has read the version before is told so, and what to do.
        const late = await call(client, "memory_update", {
          id,
          content: "It leaves on Monday.",
          expected_version: version
        })
        assert.isTrue(late.isError)
        const current = /expected_version (\S+)/.exec(late.text)?.[1]
        assert.strictEqual(current, changed.fields["updated_at"])
        assert.isFalse(
          (await call(client, "memory_update", { id, content: "It leaves on Monday.", expected_version: current }))
            .isError
        )
        const taken = await call(client, "memory_store", { title: "Release day", content: "x", namespace: "team/ops" })
        assert.include(taken.text, String(id))
        const second = await call(client, "memory_store", {
          title: "Freeze",
          content: "Nothing leaves in December.",
          namespace: "team/ops"
        })
        assert.isFalse((await call(client, "memory_link", { source_id: second.fields["id"], target_id: id })).isError)
        assert.isFalse((await call(other, "memory_delete", { id: second.fields["id"] })).isError)

        await three.start()
        const back = await overHttp(three.url, { era })
        await Cluster.until("the third node has all of it", async () => {
          const seen = await call(back, "memory_get", { id })
          const gone = await call(back, "memory_get", { id: second.fields["id"] })
          return seen.fields["content"] === "It leaves on Monday." && gone.isError
        })
        for (const each of [client, other, back]) await each.close()
      })
  )

  it(
    "write to two of three nodes or say that they have not, and the write is repeated safely",
    { timeout: 60_000 },
    () =>
      withMesh(async ({ members }) => {
        const [one, two, three] = members
        assert.isDefined(one)
        const { client } = await overStdio(["--url", one.url])
        await two?.stop("SIGKILL")
        await three?.stop("SIGKILL")
        const given = { title: "alone", content: "c", idempotency_key: "alone-1" }
        const missed = await call(client, "memory_store", given)
        assert.isTrue(missed.isError)
        assert.match(missed.text, /durable on 1 of the 2 nodes.*Do not store it again.*idempotency_key/)
        await two?.start()
        await Cluster.until("it is met", async () => !(await call(client, "memory_store", given)).isError)
        assert.lengthOf(rows(await call(client, "memory_list"), "memories"), 1)
        await client.close()
      })
  )
})

/** In all runs of the tests a few sessions; `QUORATE_TEST_SESSIONS=60` has as many as a workshop of agents. */
const SESSIONS = Number(process.env["QUORATE_TEST_SESSIONS"] ?? 6)
const WRITES = 50
/** So many processes on two cores may keep both peers from theirs, at first, for longer than a quorum is waited for. */
const MOST_REPEATED = SESSIONS > 6 ? SESSIONS : 0

describe("many agents at once", () => {
  it(
    `write by ${SESSIONS} bridges on one daemon: all of it is on all nodes`,
    { timeout: 240_000 },
    () =>
      withMesh(async ({ members }) => {
        const [one] = members
        assert.isDefined(one)
        const begin = performance.now()
        const sessions = await Promise.all(
          Array.from({ length: SESSIONS }, (_, at) => overStdio(["--url", one.url, "--agent-id", `agent-${at}`]))
        )
        const opened = performance.now()
        let repeated = 0
        await Promise.all(sessions.map(async ({ client }, session) => {
          for (let at = 0; at < WRITES; at++) {
            const given = {
              title: `fact ${session}/${at}`,
              content: `what agent ${session} found out`,
              namespace: "many",
              idempotency_key: `fact-${session}-${at}`
            }
            // What an agent is told to do where its quorum was missed.
            await Cluster.until(`fact ${session}/${at} is stored`, async () => {
              const { isError, text } = await call(client, "memory_store", given)
              if (!isError) return true
              assert.match(text, /quorum_not_met.*repeat the call with the same idempotency_key/)
              assert.isAtMost(++repeated, MOST_REPEATED, text)
              return false
            }, 60_000)
          }
        }))
        const written = performance.now()
        const expected = SESSIONS * WRITES
        for (const { url } of members) {
          await Cluster.until(`${url} has all`, async () => (await countAt(url, "many")) === expected, 60_000)
        }
        await Promise.all(sessions.map(({ client }) => client.close()))
        const seconds = (from: number, to: number) => `${((to - from) / 1000).toFixed(1)} s`
        console.log(
          `${SESSIONS} sessions: begun in ${seconds(begin, opened)}, ${expected} writes in ${
            seconds(opened, written)
          }, ` +
            `${repeated} of them repeated, on all nodes ${seconds(written, performance.now())} later`
        )
      })
  )
})
