import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { Schema } from "effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Columns from "../packaging/bench/lib/columns.mjs"
import * as Comparison from "../packaging/bench/lib/comparison.mjs"
import * as Goals from "../packaging/bench/lib/goals.mjs"
import * as GoalsReport from "../packaging/bench/lib/goalsReport.mjs"
import * as Groups from "../packaging/bench/lib/groups.mjs"
import * as Markdown from "../packaging/bench/lib/markdown.mjs"
import * as Options from "../packaging/bench/lib/options.mjs"
import * as OtherDaemon from "../packaging/bench/lib/otherDaemon.mjs"
import * as Parts from "../packaging/bench/lib/parts.mjs"
import * as Report from "../packaging/bench/lib/report.mjs"
import { verdict } from "../packaging/bench/lib/verdict.mjs"
import * as WalIndex from "../packaging/bench/lib/walIndex.mjs"
import * as Work from "../packaging/bench/lib/work.mjs"

const times = (values: ReadonlyArray<number>, factor: number) => values.map((value) => value * factor)

describe("the verdict on another build", () => {
  const theirs = [100, 101, 99, 102, 98]

  it("is worse when the medians differ by more than 5 % and the ranges do not overlap", () => {
    assert.strictEqual(verdict(times(theirs, 0.94), theirs, "higher"), "worse")
    assert.strictEqual(verdict(times(theirs, 1.06), theirs, "lower"), "worse")
    assert.strictEqual(verdict(times(theirs, 1.06), theirs, "higher"), "better")
    assert.strictEqual(verdict(times(theirs, 0.94), theirs, "lower"), "better")
  })

  it("is the same when they differ by less, or when the ranges overlap", () => {
    assert.strictEqual(verdict(times(theirs, 0.955), theirs, "higher"), "same")
    assert.strictEqual(verdict([90, 90, 90, 90, 98], theirs, "higher"), "same")
    assert.strictEqual(verdict([110, 110, 110, 110, 102], theirs, "lower"), "same")
  })

  it("waits for five runs of both", () => {
    assert.strictEqual(verdict([50, 50, 50, 50], theirs, "higher"), "too few runs")
    assert.strictEqual(verdict([50, 50, 50, 50, 50], theirs.slice(1), "higher"), "too few runs")
  })

  it("looks only at repetitions in which both were measured", () => {
    const cell = (shape: string, rep: number, writesPerSecond: number) => ({ shape, rep, clients: 64, writesPerSecond })
    const cells = theirs.flatMap((value, rep) => [
      cell("quorate", rep, rep === 4 ? 1 : value),
      ...(rep === 4 ? [] : [cell("against", rep, value)])
    ])
    const compared = Comparison.compare({ cells, runs: [], reads: [], recalled: [] }, ["quorate", "against"])
    const writes = compared.find(({ title }) => title === "64 clients, writes/s")
    assert.deepInclude({ ...writes }, { runs: 4, verdict: "too few runs", ours: { median: 100.5, min: 99, max: 102 } })
  })

  it("is told of every part, for what can be better or worse", () => {
    const run = (shape: string, rep: number, rowsPerSecond: number) => ({ shape, rep, rowsPerSecond, refused: 3 })
    const bulk = theirs.flatMap((value, rep) => [run("quorate", rep, 2 * value), run("against", rep, value)])
    const entries = [{ shape: "quorate", rep: 1, entries: "all", p99: 1 }, {
      shape: "against",
      rep: 1,
      entries: "all",
      p99: 2
    }]
    const compared = Comparison.compare({ cells: [], runs: [], reads: [], recalled: [] }, ["quorate", "against"], [
      ...Groups.of({ bulk, entries })
    ])
    const of = (title: string) => compared.find((each) => each.title === title)?.verdict
    assert.strictEqual(of("bulk of 1000 rows, 1 client, rows/s"), "better")
    assert.strictEqual(of("entry nodes, 64 clients, all, p99 ms"), "too few runs")
    assert.isUndefined(of("bulk of 1000 rows, 1 client, refused"))
  })

  it("is told for each figure, and which are worse in one line", () => {
    const read = (shape: string, rep: number, p50: number) => ({
      shape,
      rep,
      read: "get",
      clients: 1,
      readsPerSecond: 1000,
      p50,
      p99: 2 * p50
    })
    const reads = theirs.flatMap((value, rep) => [read("quorate", rep, 2 * value), read("against", rep, value)])
    const names = ["quorate", "against"] as const
    const compared = Comparison.compare({ cells: [], runs: [], reads, recalled: [] }, names)
    assert.deepStrictEqual(compared.map(({ verdict }) => verdict), ["same", "worse", "worse"])
    assert.match(
      Comparison.render(compared, names),
      /^worse in 2 of 3 figures, better in 0 \(.*\): get, 1 client, p50 ms; get, 1 client, p99 ms$/m
    )
  })
})

describe("the options of the bench", () => {
  const given = (...args: ReadonlyArray<string>) => Options.fromArguments(["--shapes", "naive,grouped", ...args])

  it("choose some parts, in the order of a run", () => {
    assert.deepStrictEqual(given("--only", "bulk,cells,recall").parts, ["cells", "bulk", "recall"])
    assert.deepStrictEqual(given().parts, Parts.names)
    assert.throws(() => given("--only", "bulk,speed"), Options.UsageError, "--only knows cells, ")
  })

  it("say how much is held and missed, less for a look", () => {
    assert.deepInclude(given(), { rows: [10_000, 100_000, 1_000_000], missed: 100_000, memories: 100_000, reps: 5 })
    assert.deepInclude(given("--quick"), { rows: [1_000, 10_000], missed: 10_000, memories: 10_000, reps: 1 })
    assert.deepInclude(given("--rows", "5000", "--missed", "20000"), { rows: [5_000], missed: 20_000 })
    assert.throws(() => given("--rows", "10000,many"), Options.UsageError, "--rows")
    assert.throws(() => given("--missed", "1.5e3.5"), Options.UsageError, "--missed")
  })

  it("add another daemon as a shape of its own", () => {
    const { shapes } = given("--peer", "/opt/other --flag")
    assert.deepStrictEqual(shapes.map(({ name }) => name), ["naive", "grouped", "peer"])
    assert.deepInclude({ ...shapes[2] }, { program: "/opt/other", isLenient: true })
    assert.deepStrictEqual(OtherDaemon.wordsOf("\"/a b/c\" --x  y"), ["/a b/c", "--x", "y"])
    assert.throws(() => given("--peer", " "), Options.UsageError, "--peer")
  })

  it("are listed, with every part", () => {
    for (const name of Parts.names) assert.include(Options.usage, ` ${name}`)
  })
})

describe("the goals of the bench", () => {
  const cell = (shape: string, rep: number, writesPerSecond: number) => ({ shape, rep, clients: 64, writesPerSecond })
  const of = (title: string, measured: Goals.Measured) => Goals.met(measured).find((goal) => goal.title === title)

  it("are reached by the ratio of the medians of one run", () => {
    const cells = [50, 70, 90].flatMap((ours, rep) => [cell("grouped", rep, 100), cell("quorate", rep, ours)])
    assert.deepInclude({ ...of("writes/s, 64 clients / the limit", { cells }) }, {
      figure: { median: 0.7, min: 0.5, max: 0.9 },
      met: "must"
    })
  })

  it("are not measured where one side, or a repetition of it, is not there", () => {
    const cells = [cell("quorate", 1, 100), cell("quorate", 2, 100), cell("grouped", 1, 100)]
    assert.strictEqual(of("writes/s, 64 clients / the limit", { cells })?.met, "not measured")
    assert.isTrue(Goals.met({}).every(({ met }) => met === "not measured"))
  })

  it("hold of the amounts that they name", () => {
    const start = [{ shape: "quorate", rep: 1, memories: 10_000, readyMs: 10 }]
    assert.strictEqual(of("start to ready with 100,000 memories, ms", { start })?.met, "not measured")
    const catchUp = [{ shape: "quorate", rep: 1, missed: 100_500, operationsPerSecond: 9_000 }]
    assert.strictEqual(of("catch-up of 100,000 operations, a second", { "catch-up": catchUp })?.met, "must")
  })

  it("know which way is good", () => {
    const most = { title: "", way: "≤", must: 2, aim: 1 } as const
    assert.deepStrictEqual([0.9, 1, 1.5, 2, 2.1].map((value) => Goals.reached(most, value)), [
      "aim",
      "aim",
      "must",
      "must",
      "missed"
    ])
    assert.strictEqual(Goals.reached({ ...most, way: "≥", must: 1, aim: undefined }, 5), "must")
  })

  it("aim at more than what must be", () => {
    for (const { aim, must, title, way } of Goals.GOALS) {
      if (aim !== undefined) assert.isTrue(way === "≥" ? aim > must : aim < must, title)
    }
  })

  it("are those of its page", () => {
    const page = readFileSync("packaging/bench/README.md", "utf8")
    const table = Markdown.table([
      ["goal", "must", "aim"],
      ...Goals.GOALS.map((goal) => [goal.title, ...GoalsReport.bounds(goal)])
    ])
    assert.include(page, table)
  })

  it("are told with their bounds, and how many were not measured", () => {
    const cells = [cell("quorate", 1, 95), cell("grouped", 1, 100)]
    const report = GoalsReport.render(Goals.met({ cells }))
    assert.match(report, /^writes\/s, 64 clients \/ the limit +0\.95 \[0\.95–0\.95\] +≥ 0\.7 +≥ 0\.9 +aim$/m)
    assert.include(report, `1, 0 and 0; ${Goals.GOALS.length - 1} were not measured`)
  })
})

describe("the tables of the bench", () => {
  it("say below them what each column is", () => {
    for (const [name, { table }] of Object.entries(Parts.PARTS)) {
      const text = Report.renderRuns(table, [])
      for (const key of table.keys) {
        const [title, meaning] = Columns.COLUMNS[key] ?? assert.fail(`${name}: nothing says what ${key} is`)
        assert.isTrue(text.split("\n").some((line) => line.startsWith(`  ${title}`) && line.endsWith(meaning)), title)
      }
    }
  })

  it("have a line for each kind of run and each shape", () => {
    const run = (mesh: string, shape: string, rep: number, p50: number) => ({ mesh, shape, rep, p50 })
    const runs = [run("N=3", "a", 1, 1), run("N=3", "a", 2, 3), run("N=5", "a", 1, 4), run("N=3", "b", 1, 5)]
    const [, ...lines] = Report.renderRuns({ title: "nodes", keys: ["p50"], labelOf: ({ mesh }) => String(mesh) }, runs)
      .split("\n")
    assert.deepStrictEqual(lines.slice(0, 3).map((line) => line.trim().split(/ {2,}/)), [
      ["N=3", "a", "2.00 [1.00–3.00]"],
      ["N=5", "a", "4.00"],
      ["N=3", "b", "5.00"]
    ])
  })

  it("of the manual take each part from the last run that measured it", () => {
    const conditions = { date: "2026-11-27T10:00:00.000Z", node: "v20", processors: 2, processor: "x" }
    const cells = (writesPerSecond: number) => [{ shape: "quorate", rep: 1, clients: 64, writesPerSecond }]
    const bulk = [{ shape: "quorate", rep: 1, rowsPerSecond: 6_000 }]
    const runs = [
      { conditions, measured: { cells: cells(1), bulk } },
      { conditions, measured: { cells: cells(1_234), bulk: [] } }
    ]
    assert.deepStrictEqual(Markdown.merge(runs), { cells: cells(1_234), bulk })
    const text = Markdown.render(runs)
    assert.include(text, "- cells, bulk: 2026-11-27, Node v20, 2 × x")
    assert.include(text, "| bulk of 1,000 rows, rows/s | 6000 [6000–6000] | ≥ 5,000 | ≥ 8,000 | must |")
    assert.include(text, "| 64 clients | quorate | 1234 |")
    assert.include(text, "| writes/s | writes answered with a quorum inside the cell's seconds |")
  })
})

describe("the load of the bench", () => {
  const sent = (request: Uint8Array) => {
    const [head = "", body = ""] = Buffer.from(request).toString("latin1").split("\r\n\r\n")
    const [line = "", ...headers] = head.split("\r\n")
    assert.include(headers, `content-length: ${body.length}`)
    const parsed: unknown = JSON.parse(body)
    return { line, parsed }
  }
  const titles = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ title: Schema.String })))

  it("stores memories one by one and in bulk, none twice, from where it is told on", () => {
    const { nextOf, rows, status } = Work.workOf({ rows: 3, from: 5_000 })
    assert.deepStrictEqual({ rows, status }, { rows: 3, status: 200 })
    const one = Work.workOf({}).nextOf(9)
    const bulk = nextOf(9)
    const first = sent(bulk())
    const single = sent(one())
    const second = sent(bulk())
    assert.strictEqual(first.line, "POST /api/v1/memories/bulk HTTP/1.1")
    assert.strictEqual(single.line, "POST /api/v1/memories HTTP/1.1")
    const numbers = [...titles(first.parsed), ...titles([single.parsed]), ...titles(second.parsed)].map(({ title }) =>
      Number(title.split(" ")[1])
    )
    assert.deepStrictEqual(numbers, [5_000, 5_001, 5_002, 5_003, 5_004, 5_005, 5_006])
    assert.strictEqual(Work.next(), 5_007)
  })

  it("puts the same memories as values of keys", () => {
    const { nextOf, status } = Work.workOf({ kind: "put", from: 9_000 })
    const { line, parsed } = sent(nextOf(9)())
    const { key, value } = Schema.decodeUnknownSync(Schema.Struct({ key: Schema.String, value: Schema.String }))(parsed)
    assert.deepStrictEqual([line, status], ["POST /v3/kv/put HTTP/1.1", 200])
    assert.strictEqual(Buffer.from(key, "base64").toString(), "bench/0000009000")
    assert.strictEqual(Buffer.from(value, "base64").length, 560)
    assert.match(titles([JSON.parse(Buffer.from(value, "base64").toString())])[0]?.title ?? "", /^note 0000009000 /)
  })

  it("takes the refusal of a write for its answer where it is told so", () => {
    assert.strictEqual(Work.workOf({ status: 503 }).status, 503)
  })
})

describe("what a database has written", () => {
  it("is read from the head of SQLite's shared memory", () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-bench-test-"))
    const database = new Database(join(folder, "a.db"))
    try {
      database.pragma("journal_mode = WAL")
      database.exec("CREATE TABLE a (b)")
      const before = WalIndex.read(join(folder, "a.db"))
      assert.deepInclude({ ...before }, { pages: 2, pageBytes: 4096 })
      database.exec("INSERT INTO a VALUES (1)")
      assert.strictEqual(WalIndex.framesBetween(before, WalIndex.read(join(folder, "a.db"))), 1)
      database.pragma("wal_checkpoint(RESTART)")
      database.exec("INSERT INTO a VALUES (2)")
      assert.isUndefined(WalIndex.framesBetween(before, WalIndex.read(join(folder, "a.db"))))
    } finally {
      database.close()
      rmSync(folder, { recursive: true })
    }
  })
})
