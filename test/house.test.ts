import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Folders from "../packaging/house/folders.mjs"
import * as Graph from "../packaging/house/graph.mjs"
import * as Sites from "../packaging/house/sites.mjs"
import * as Sources from "../packaging/house/sources.mjs"
import { unusedExports } from "./house/exports.js"
import * as Rules from "./house/rules.js"

const MOST_LINES = 70

/** Functions that are longer, and how long they may be. One that gets shorter leaves the list. */
const LONG: Readonly<Record<string, number>> = {
  // Released: it may not change any more.
  "src/store/log/migrations.ts \"0001_foundation\"": 121
}

/** Types that nobody imports, and that the compiler must be able to name in the declarations of others. */
const NAMED: ReadonlyArray<string> = [
  // Schemas that mean themselves: the client's type spells them out otherwise, for ever.
  "src/http/contract/graph.ts Node",
  // What each kind of operation holds: the declarations of whatever answers a payload name them.
  "src/replication/kinds.ts Contents",
  "src/replication/kinds.ts OfMemory",
  "src/replication/kinds.ts OfEntity"
]

/** One thing has one word. */
const REFUSED: ReadonlyArray<Rules.Refused> = [
  { word: /legacy/i, instead: "original" },
  { word: /\btombstones?\b/i, instead: "ended version" },
  { word: /\breplicas?\b/i, instead: "node" },
  { word: /\bfanOut|FanOut/, instead: "fanout" },
  { word: /\w(Impl|Manager|Helpers?|Utils?)\b/, instead: "a name that says what it does" },
  { word: /\b[A-Z]\w*Live\b/, instead: "layer" }
]

const root = fileURLToPath(new URL("..", import.meta.url))
const sources = Sources.parse(Sources.read(root, ["src", "test", "packaging"]))
const own = sources.filter(({ path }) => path.startsWith("src/"))
const decisions = readdirSync(`${root}/ADR`)
const pages = [
  ...decisions.map((file) => ({ path: `ADR/${file}`, text: readFileSync(`${root}/ADR/${file}`, "utf8") })),
  ...own
]

/** The sources behind what the package offers: its command, what others import, and what its pages run. */
const entries = new Set([
  ...(readFileSync(`${root}/package.json`, "utf8").match(/dist\/[\w/]+\.js\b/g) ?? []).map((file) =>
    file.replace("dist/", "src/").replace(/\.js$/, ".ts")
  ),
  "src/console/browser/console.ts",
  "src/console/browser/home.ts"
])

const graph = Graph.make(own)

/** What was found, a line each: the test fails with the list of what is to be mended. */
const assertNone = (found: ReadonlyArray<string>) => assert.deepStrictEqual(found, [])

/** What stands at the top, beside what begins with a dot; the last two are made. */
const TOP: ReadonlySet<string> = new Set(
  "package.json package-lock.json tsconfig.json LICENSE README.md src test packaging ADR dist node_modules".split(" ")
)

describe("the house is tidy", () => {
  it("has nothing at its top that does not belong there", () => {
    assertNone(readdirSync(root).filter((name) => !name.startsWith(".") && !TOP.has(name)))
  })

  it("has no export that nobody uses", () => {
    const unused = unusedExports(sources, entries).map((found) => ({ ...found, key: `${found.path} ${found.name}` }))
    assertNone(
      unused.filter(({ key }) => !NAMED.includes(key)).map(({ line, name, path }) => `${path}:${line} ${name}`)
    )
    assertNone(NAMED.filter((name) => unused.every(({ key }) => key !== name)))
  })

  it("has no file that nobody imports", () => {
    assertNone(Rules.unusedFiles(graph, entries))
  })

  it("has no function that is longer than a screen, but a named few", () => {
    const found = Rules.longFunctions(own, MOST_LINES)
    assertNone(
      Rules.beyond(found, LONG).map(({ line, lines, name, path }) => `${path}:${line} ${name}: ${lines} lines`)
    )
    assertNone(Rules.needless(found, LONG))
  })

  it("has one word for one thing", () => {
    assertNone(
      Rules.refusedWords(own, REFUSED).map(({ found, instead, line, path }) => `${path}:${line} ${found}: ${instead}`)
    )
  })

  it("mentions no decision that is not there", () => {
    assertNone(Rules.lostDecisions(pages, decisions).map(({ mention, path }) => `${path} ${mention}`))
  })

  it("has no circles between files", () => {
    assertNone(Graph.circles(graph).map((circle) => circle.join(" ")))
  })

  it.each(Folders.LARGE)("has wings in %s that import in one direction", (folder) => {
    assertNone(Rules.wingCircles(graph, folder).map((circle) => circle.join(" ")))
  })

  it.each(Sites.find(own))("decides $name in one room", ({ inside, outside }) => {
    assert.isNotEmpty(inside)
    assertNone(outside.map(({ line, path }) => `${path}:${line}`))
  })
})

const made = (files: Readonly<Record<string, string>>) =>
  Sources.parse(Object.entries(files).map(([path, text]) => ({ path, text })))

const unusedIn = (files: Readonly<Record<string, string>>) =>
  unusedExports(made(files), new Set(["src/index.ts"])).map(({ name, path }) => `${path} ${name}`)

describe("the rule on exports", () => {
  it("finds constants, functions, classes, types and names of a list that nobody imports", () => {
    const text =
      "export const a = 1, { b, c: [d] } = f()\nexport function e() {}\nexport class F {}\nexport type G = 1\n" +
      "export interface H {}\nconst i = 1\nexport { i, i as j }\nexport * as k from \"./used.js\"\n"
    assert.deepStrictEqual(
      unusedIn({ "src/a.ts": text, "src/used.ts": "" }),
      ["a", "b", "d", "e", "F", "G", "H", "i", "j", "k"].map((name) => `src/a.ts ${name}`)
    )
  })

  it("takes a type and a value of one name for one", () => {
    const text = "export const Id = 1\nexport type Id = number\n"
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text }), ["src/a.ts Id"])
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "src/b.ts": "import type { Id } from \"./a.js\"" }), [])
  })

  it("lets be what another source, a test or a script imports, and what an entry exports", () => {
    const text = "export const a = 1\n"
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "src/b.ts": "import { a as b } from \"./a.js\"" }), [])
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "test/a.test.ts": "import { a } from \"../src/a.js\"" }), [])
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "packaging/a.mjs": "import { a } from \"../dist/a.js\"" }), [])
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "src/index.ts": "export * as A from \"./a.js\"" }), [])
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "src/index.ts": "export { a } from \"./a.js\"" }), [])
    assert.deepStrictEqual(unusedIn({ "src/index.ts": text }), [])
  })

  it("looks at what is taken out of a namespace", () => {
    const text = "export const a = 1\nexport type B = 1\nexport const c = 1\n"
    const using = (rest: string) => unusedIn({ "src/a.ts": text, "src/b.ts": `import * as A from "./a.js"\n${rest}` })
    assert.deepStrictEqual(using(""), ["src/a.ts a", "src/a.ts B", "src/a.ts c"])
    assert.deepStrictEqual(using("f(A.a)\nlet x: A.B"), ["src/a.ts c"])
    assert.deepStrictEqual(using("other.A(A.a)\nf({ A: 1 })"), ["src/a.ts B", "src/a.ts c"])
    assert.deepStrictEqual(using("f(A)"), [])
    assert.deepStrictEqual(using("f({ A })"), [])
  })

  it("looks at types that are imported where they stand", () => {
    const text = "export type A = 1\nexport type B = 1\n"
    assert.deepStrictEqual(
      unusedIn({ "src/a.ts": text, "src/b.ts": "let x: import(\"./a.js\").A" }),
      ["src/a.ts B"]
    )
    assert.deepStrictEqual(unusedIn({ "src/a.ts": text, "src/b.ts": "await import(\"./a.js\")" }), [])
  })
})

describe("the rule on files", () => {
  it("finds one that no other imports, but for the entries", () => {
    const lonely = Graph.make(made({
      "src/index.ts": "export * from \"./a.js\"",
      "src/a.ts": "import \"./b/c.js\"",
      "src/b/c.ts": "",
      "src/b/d.ts": ""
    }))
    assert.deepStrictEqual(Rules.unusedFiles(lonely, new Set(["src/index.ts"])), ["src/b/d.ts"])
  })
})

describe("the rule on long functions", () => {
  const lines = (count: number) => "  f()\n".repeat(count)
  const namesIn = (text: string) =>
    Rules.longFunctions(made({ "src/a.ts": text }), MOST_LINES).map(({ line, lines, name }) => ({ line, lines, name }))

  it("finds functions, arrows, methods and generators, by the name around them", () => {
    assert.deepStrictEqual(namesIn(`function a() {\n${lines(68)}}\n`), [])
    assert.deepStrictEqual(namesIn(`function a() {\n${lines(69)}}\n`), [{ line: 1, lines: 71, name: "a" }])
    assert.deepStrictEqual(namesIn(`\nconst b = () => {\n${lines(69)}}\n`), [{ line: 2, lines: 71, name: "b" }])
    assert.deepStrictEqual(namesIn(`class C {\n  d() {\n${lines(69)}  }\n}\n`), [{ line: 2, lines: 71, name: "d" }])
    assert.deepStrictEqual(
      namesIn(`const e = Effect.gen(function*() {\n${lines(69)}})\n`),
      [{ line: 1, lines: 71, name: "e" }]
    )
  })

  it("tells the outermost alone", () => {
    assert.deepStrictEqual(
      namesIn(`const a = () => {\n  const b = () => {\n${lines(69)}  }\n}\n`),
      [{ line: 1, lines: 73, name: "a" }]
    )
  })

  it("allows a named one up to its bound, and no name that needs none", () => {
    const found = Rules.longFunctions(made({ "src/a.ts": `function a() {\n${lines(69)}}\n` }), MOST_LINES)
    assert.lengthOf(Rules.beyond(found, {}), 1)
    assert.lengthOf(Rules.beyond(found, { "src/a.ts a": 70 }), 1)
    assert.lengthOf(Rules.beyond(found, { "src/a.ts a": 71 }), 0)
    assert.deepStrictEqual(Rules.needless(found, { "src/a.ts a": 71, "src/a.ts b": 99 }), ["src/a.ts b"])
  })
})

describe("the rule on words", () => {
  const spokenIn = (path: string, text: string) =>
    Rules.refusedWords(made({ [path]: text }), REFUSED).map(({ found, line }) => `${line} ${found}`)

  it("finds them in identifiers, comments and names of files", () => {
    assert.deepStrictEqual(spokenIn("src/a.ts", "\nconst isLegacy = 1 // a legacy node\n"), ["2 Legacy", "2 legacy"])
    assert.deepStrictEqual(spokenIn("src/LegacyPull.ts", ""), ["0 Legacy"])
    assert.deepStrictEqual(spokenIn("src/a.ts", "// a tombstone, on every replica\n"), ["1 tombstone", "1 replica"])
    assert.deepStrictEqual(spokenIn("src/a.ts", "const MemoryStoreLive = makeUtils(StoreImpl)"), [
      "1 eUtils",
      "1 eImpl",
      "1 MemoryStoreLive"
    ])
  })

  it("lets texts be: a column of a released migration, an answer", () => {
    assert.deepStrictEqual(spokenIn("src/a.ts", "sql`SELECT ${a} FROM legacy_cursor ${b} legacy`\nf(\"legacy\")"), [])
    assert.deepStrictEqual(spokenIn("src/a.ts", "sql`SELECT ${legacy} FROM a`"), ["1 legacy"])
  })

  it("lets words be that only look alike", () => {
    assert.deepStrictEqual(spokenIn("src/a.ts", "// replication replicates; alive\nconst isLive = quorumFanout"), [])
  })
})

describe("the rule on decisions", () => {
  const lostIn = (text: string) =>
    Rules.lostDecisions([{ path: "src/a.ts", text }], ["0003-operation-log.md"]).map(({ mention }) => mention)

  it("finds numbers and links of decisions that are not there", () => {
    assert.deepStrictEqual(lostIn("See ADR 0003, ADR-0004."), ["ADR-0004"])
    assert.deepStrictEqual(lostIn("[0003](0003-operation-log.md) [0003](../ADR/0003-operation-log.md#why)"), [])
    assert.deepStrictEqual(lostIn("[0003](0003-oplog.md)"), ["[0003](0003-oplog.md)"])
    assert.deepStrictEqual(lostIn("[0004](0003-operation-log.md)"), ["[0004](0003-operation-log.md)"])
  })
})

describe("the rule on directions", () => {
  const graphOf = (files: Readonly<Record<string, string>>) => Graph.make(made(files))

  it("finds files that import each other in a circle, types included", () => {
    const files = {
      "src/a.ts": "import { b } from \"./b.js\"",
      "src/b.ts": "import type { C } from \"./c.js\"",
      "src/c.ts": "export { a } from \"./a.js\""
    }
    assert.deepStrictEqual(Graph.circles(graphOf(files)), [["src/a.ts", "src/b.ts", "src/c.ts"]])
    assert.deepStrictEqual(Graph.circles(graphOf({ ...files, "src/c.ts": "" })), [])
  })

  it("finds wings that import each other where no files do", () => {
    const files = {
      "src/store/log/a.ts": "import \"../read/b.js\"",
      "src/store/read/b.ts": "",
      "src/store/read/c.ts": "import \"../log/d.js\"",
      "src/store/log/d.ts": ""
    }
    assert.deepStrictEqual(Graph.circles(graphOf(files)), [])
    assert.deepStrictEqual(Rules.wingCircles(graphOf(files), "store"), [["log/", "read/"]])
    assert.deepStrictEqual(Rules.wingCircles(graphOf({ ...files, "src/store/read/c.ts": "" }), "store"), [])
  })

  it("takes a file beside the wings for a wing of its own", () => {
    const files = {
      "src/store/Store.ts": "import \"./log/a.js\"",
      "src/store/log/a.ts": "",
      "src/store/log/b.ts": "import \"../Store.js\""
    }
    assert.deepStrictEqual(Rules.wingCircles(graphOf(files), "store"), [["Store.ts", "log/"]])
  })

  it("counts arrows and floors", () => {
    const graph = graphOf({
      "src/a.ts": "import { b } from \"./b.js\"\nimport type { B } from \"./b.js\"\nimport \"./c.js\"",
      "src/b.ts": "import \"./c.js\"",
      "src/c.ts": "import \"effect\""
    })
    assert.lengthOf(Graph.arrows(graph), 3)
    assert.strictEqual(Graph.floors(graph), 3)
  })
})

describe("the rule on rooms", () => {
  const outsideIn = (path: string, text: string) =>
    Sites.find(made({ [path]: text })).map(({ outside }) => outside.map(({ line }) => line))

  it("finds who follows an alias by himself", () => {
    assert.deepStrictEqual(
      outsideIn("src/a.ts", "\nconst a = (now) => now.byId(id) ?? now.byId(now.alias(id) ?? id)"),
      [
        [2],
        []
      ]
    )
    assert.deepStrictEqual(outsideIn("src/a.ts", "let a = now.alias(id)\nnow.alias(a)\nbatch.alias(id, target, hlc)"), [
      [1, 2],
      []
    ])
    assert.deepStrictEqual(outsideIn("src/store/deciding/liveId.ts", "now.alias(id)"), [[], []])
  })

  it("finds SQL that does, and not what goes the other way", () => {
    const found = (text: string) => outsideIn("src/a.ts", `sql\`${text}\``)[0]
    assert.deepStrictEqual(found("SELECT target FROM aliases WHERE id = ${id}"), [1])
    assert.deepStrictEqual(found("SELECT ${id} UNION SELECT a.target FROM c CROSS JOIN aliases a ON a.id = c.id"), [1])
    assert.deepStrictEqual(found("SELECT a.target FROM aliases AS a WHERE a.id IN (${ids})"), [1])
    assert.deepStrictEqual(found("SELECT a.id FROM names n CROSS JOIN aliases a ON a.target = n.id"), [])
    assert.deepStrictEqual(found("SELECT target_id FROM aliases WHERE id = 1"), [])
  })

  it("finds who compares the expiry of a holder with now", () => {
    const found = (text: string) => outsideIn("src/a.ts", `const a = ${text}`)[1]
    assert.deepStrictEqual(found("holder.expiresAt !== null && holder.expiresAt <= Stamp.fromMillis(now.wallMillis)"), [
      1
    ])
    assert.deepStrictEqual(found("now > held.expiresAt"), [1])
    assert.deepStrictEqual(found("a.expiresAt > known.expiresAt"), [])
    assert.deepStrictEqual(outsideIn("src/store/deciding/slot.ts", "h.expiresAt <= now"), [[], []])
  })
})
