import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { daemon } from "../daemon.js"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as prng from "../simulation/prng.js"
import * as Postgres from "./cluster.js"
import * as Pglite from "./pglite.js"
import * as Site from "./site.js"

/*
 * A memory goes from a file to a database and back, whatever breaks it off, and is the same. A greater one, on a real server:
 * `ROWS=200000 QUESTIONS=500 POSTGRES=1`.
 */

const MEMORIES = Number(process.env["ROWS"] ?? 3_000)
const QUESTIONS = Number(process.env["QUESTIONS"] ?? 12)
const isReal = process.env["POSTGRES"] === "1"

/** What takes longer the more there is. */
const WITHIN_MILLIS = Math.max(180_000, MEMORIES * 12)

interface Server {
  /** A database of its own, which is empty when it is asked for first. */
  readonly database: (name: string) => Promise<string>
  readonly stop: () => Promise<void>
}

const begin = async (): Promise<Server> => {
  if (!isReal) {
    const { stop, url } = await Pglite.start()
    return { database: (name) => Promise.resolve(url(name)), stop }
  }
  const { createDatabase, stop, url } = await Postgres.start({ standbys: 0, synchronous: null })
  return {
    database: async (name) => {
      await createDatabase(name)
      return url(name)
    },
    stop
  }
}

let server: Server

beforeAll(async () => {
  server = await begin()
}, 70_000)
afterAll(() => server.stop())

interface Ended {
  readonly code: number | null
  /** Its answer, and what it says besides. */
  readonly answer: string
  readonly said: string
}

/** The most memory that a process had at once, as Linux tells of one that runs; 0 where nobody does. */
const mostMegabytesOf = ({ pid }: ChildProcess): number => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Runs `quorate move`; `onBegun` has the process. */
const move = (from: string, to: string, onBegun: (child: ChildProcess) => void = () => {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const begun = performance.now()
    const child = spawn(process.execPath, [daemon, "move", "--from", from, "--to", to, "--json"])
    let [answer, said] = ["", ""]
    child.stdout.on("data", (chunk) => (answer += String(chunk)))
    child.stderr.on("data", (chunk) => (said += String(chunk)))
    let mostMegabytes = 0
    const watch = setInterval(() => (mostMegabytes = Math.max(mostMegabytes, mostMegabytesOf(child))), 100)
    child.once("error", reject)
    child.once("close", (code) => {
      clearInterval(watch)
      const seconds = (performance.now() - begun) / 1000
      console.info(
        `move: ended with ${code} after ${seconds.toFixed(1)} s, ${mostMegabytes.toFixed(0)} MB at most\n${said}`
      )
      resolve({ code, answer, said })
    })
    onBegun(child)
  })

/** Runs it, and kills it once so much is there. */
const killed = async (from: string, to: string, there: () => Promise<number>, enough: number) => {
  const { code, said } = await move(from, to, async (child) => {
    while (child.exitCode === null && await there().catch(() => 0) < enough) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    child.kill("SIGKILL")
  })
  assert.isNull(code, `it ended before it was killed: ${said}`)
}

const moved = async (from: string, to: string): Promise<api.Json> => {
  const { answer, code, said } = await move(from, to)
  assert.strictEqual(code, 0, said)
  const found: unknown = JSON.parse(answer)
  return api.record(found)
}

const entriesOf = async (store: string): Promise<number> =>
  Number((await Site.select(store, "SELECT count(*) AS entries FROM quorate_entries"))[0]?.["entries"])

/** How many operations a file has that somebody else may write to. */
const operationsOf = async (file: string): Promise<number> => {
  const db = new Database(file, { readonly: true })
  try {
    return Number(db.prepare("SELECT count(*) FROM oplog").pluck().get())
  } finally {
    db.close()
  }
}

const SUBJECTS = "heron kettle harbour ledger lantern orchard engine violin glacier market compass bakery".split(" ")
const VERBS = "leaves mends carries forgets counts paints borrows follows measures guards opens".split(" ")
const PLACES = "morning river cellar station garden theatre mountain library bridge island kitchen tower valley".split(
  " "
)

/** What a memory says: words that many of them have, and a number that is its own. */
const contentOf = (at: number) => {
  const chance = prng.make(`content ${at}`)
  const sentence = () => `the ${chance.pick(SUBJECTS)} ${chance.pick(VERBS)} the ${chance.pick(PLACES)}`
  return `${sentence()}, and ${sentence()}; it says ${at * 7919}`
}

const fill = async (url: string) => {
  for (let from = 0; from < MEMORIES; from += 1000) {
    const body = Array.from({ length: Math.min(1000, MEMORIES - from) }, (_, index) => ({
      // By being used it can earn nothing, which would be written.
      tier: "long",
      priority: 10,
      title: `memory ${from + index}`,
      content: contentOf(from + index)
    }))
    await api.ask(url, "POST /memories/bulk", { body, timeoutMillis: 60_000 })
  }
  const [first] = api.rows(await api.ask(url, "GET /memories?limit=1"), "memories")
  await api.ask(url, `DELETE /memories/${String(first?.["id"])}`)
}

/** A number, words that many have, and a title, in turns. */
const questions = Array.from({ length: QUESTIONS }, (_, index) => {
  const at = Math.floor(index * MEMORIES / QUESTIONS)
  const [words = ""] = contentOf(at).split(",")
  return [
    `it says ${at * 7919}`,
    `where ${words}`,
    `memory ${at}`,
    `who knows of ${words} and ${at * 7919}`
  ][index % 4] ?? ""
})

const hasVectors = async (url: string) => {
  const { embeddings } = await api.ask(url, "GET /capabilities")
  const { embedded, memories, passed_over: passedOver } = api.record(embeddings)
  return typeof memories === "number" && memories > 0 && Number(embedded) + Number(passedOver) === memories
}

/** By words and by meaning: a machine that is busy has no time for the vector of a question now and then. */
const recalled = async (url: string, context: string): Promise<api.Json> => {
  const path = `/recall${api.query({ context, limit: 10, explain: "true" })}`
  let body: api.Json = {}
  await Cluster.until(`the meaning of ${context}`, async () => {
    body = await api.ask(url, `GET ${path}`, { timeoutMillis: 60_000 })
    return body["mode"] === "hybrid"
  }, 60_000)
  return body
}

/** What is answered, best first, and what each score is made of but age and use: those grow by being asked. */
const answerTo = async (url: string, context: string) => {
  const body = await recalled(url, context)
  const memories = api.rows(body, "memories")
  return {
    ids: memories.map(({ id }) => id),
    parts: memories.flatMap(({ explain }) => {
      const { context, distance, keyword, semantic, time } = api.record(explain)
      return [keyword, semantic, time, context, distance].map(Number)
    })
  }
}

/** What was of use is not counted in the file: that is done some time after the answer, and no two runs would be alike in every place. */
const countNothing = (db: string) => {
  const file = new Database(db)
  file.exec("CREATE TRIGGER count_nothing BEFORE UPDATE OF access_count ON memories BEGIN SELECT RAISE(IGNORE); END")
  file.close()
}

/** Puts a copy in the place of a file. What is answered puts that back with all that was beside it: to a node it is as it was. */
const setAside = (db: string) => {
  const [folder, kept] = [dirname(db), `${dirname(db)}-kept`]
  const namesIn = (where: string) => readdirSync(where).filter((name) => name.startsWith(basename(db)))
  mkdirSync(kept)
  for (const name of namesIn(folder)) renameSync(join(folder, name), join(kept, name))
  Site.copyFile(join(kept, basename(db)), db)
  countNothing(db)
  return () => {
    for (const name of namesIn(folder)) rmSync(join(folder, name))
    for (const name of namesIn(kept)) renameSync(join(kept, name), join(folder, name))
    rmSync(kept, { recursive: true })
  }
}

/**
 * What a node of a file or a site holds and answers; it is started for that alone, and asked on a copy of its file that
 * nothing comes of.
 */
const looked = async (member: Cluster.Member, flags: ReadonlyArray<string>) => {
  await member.start({ flags })
  await Cluster.until("all have vectors", () => hasVectors(member.url), WITHIN_MILLIS)
  const standing: unknown = JSON.parse(await Site.standing(member.url))
  await member.stop("SIGTERM")
  const putBack = setAside(member.db)
  await member.start({ flags })
  const begun = performance.now()
  const answers = []
  for (const context of questions) answers.push(await answerTo(member.url, context))
  const millis = (performance.now() - begun) / QUESTIONS
  console.info(`recall: ${QUESTIONS} questions, ${millis.toFixed(0)} ms each`)
  assert.deepStrictEqual(JSON.parse(await Site.standing(member.url)), standing, "asking has written something")
  await member.stop("SIGTERM")
  putBack()
  return { standing, answers }
}

const assertSame = (one: Awaited<ReturnType<typeof looked>>, other: Awaited<ReturnType<typeof looked>>) => {
  assert.deepStrictEqual(one.standing, other.standing)
  for (const [index, { ids, parts }] of one.answers.entries()) {
    const there = other.answers[index]
    assert.deepStrictEqual(ids, there?.ids, questions[index])
    assert.isAbove(ids.length, 0, questions[index])
    for (const [at, part] of parts.entries()) assert.closeTo(part, there?.parts[at] ?? NaN, 1e-9, questions[index])
  }
}

/** What is brought at once: how far that was may not be known of the last one. */
const PAGE = 1_000

describe("a memory", () => {
  it(
    "goes to a database and back, also when each way is broken off, and is the same",
    { timeout: WITHIN_MILLIS },
    async () => {
      const store = await server.database("there_and_back")
      const nodes = await Cluster.make({ size: 2, peers: () => [] })
      const [node, other] = nodes.members
      assert.isDefined(node)
      assert.isDefined(other)
      try {
        await node.start()
        await fill(node.url)
        await node.stop()
        const before = await looked(node, [])

        // What was brought by then stands there, and nobody takes the half for the whole.
        await killed(node.db, store, () => entriesOf(store), MEMORIES / 2)
        assert.include(await Site.refused(["--db", node.db, "--store", store]), "quorate move")
        const rest = await moved(node.db, store)
        assert.strictEqual(rest["operations"], MEMORIES + 1)
        assert.isAtMost(Number(rest["brought"]), MEMORIES / 2 + PAGE, "what was there is not brought again")
        assert.strictEqual((await moved(node.db, store))["brought"], 0)
        assert.strictEqual(await entriesOf(store), MEMORIES + 1)
        assertSame(await looked(node, ["--store", store]), before)

        await killed(store, other.db, () => operationsOf(other.db), MEMORIES / 2)
        const back = await moved(store, other.db)
        assert.strictEqual(back["operations"], MEMORIES + 1)
        assert.isAtMost(Number(back["brought"]), MEMORIES / 2 + PAGE, "what was followed before is not followed again")
        assertSame(await looked(other, []), before)
      } finally {
        await nodes.close()
      }
    }
  )

  it("goes nowhere where there is another one", { timeout: 60_000 }, async () => {
    const store = await server.database("another")
    const nodes = await Cluster.make({ size: 2, peers: () => [] })
    try {
      for (const { db, start, stop, url } of nodes.members) {
        await start()
        await api.ask(url, "POST /memories", { body: { title: db, content: "its own" }, status: 201 })
        await stop()
      }
      const [node, other] = nodes.members
      await moved(node?.db ?? "", store)
      const refused = await move(other?.db ?? "", store)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.said, "the store has a memory already")
      const third = await server.database("third")
      assert.strictEqual((await moved(store, third))["operations"], 1)
      assert.strictEqual((await moved(store, third))["brought"], 0)
      const fourth = await server.database("fourth")
      await moved(other?.db ?? "", fourth)
      assert.include((await move(fourth, third)).said, "the store is that of node")
      assert.include((await move(node?.db ?? "", other?.db ?? "")).said, "from a file to a file")
      assert.include((await move(await server.database("empty"), "never.db")).said, "does not have the memory")
    } finally {
      await nodes.close()
    }
  })
})

describe("the background work", () => {
  it("is taken over within ten seconds from a daemon that is gone", { timeout: 60_000 }, async () => {
    const store = await server.database("lease")
    const site = await Site.make(2, store)
    const holder = async () => {
      const [row] = await Site.select(store, "SELECT holder, fence FROM quorate_lease WHERE expires_at > now()")
      return row
    }
    try {
      await site.daemon(0).start()
      await site.daemon(1).start()
      const first = await holder()
      assert.isDefined(first)
      await site.daemon(0).stop("SIGKILL")
      await Cluster.until("another one has it", async () => {
        const now = await holder()
        return now !== undefined && now["holder"] !== first["holder"] &&
          Number(now["fence"]) === Number(first["fence"]) + 1
      }, 10_000)
      // Who ends in order gives it up, and nobody waits for the end of it.
      await site.daemon(1).stop("SIGTERM")
      assert.isUndefined(await holder())
    } finally {
      await site.close()
    }
  })
})
