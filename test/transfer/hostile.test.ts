import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Intake from "../../src/transfer/Intake.js"
import { elements } from "../../src/transfer/reading/elements.js"
import { read, readAll } from "../../src/transfer/reading/read.js"
import { lines, texts } from "../../src/transfer/reading/texts.js"
import { bytesOf } from "./fixtures.js"

/** What a source comes to: contents of memories, and what is wrong. */
const taken = async (source: Buffer | string, how: Parameters<typeof readAll>[1] = {}) => {
  const intake = Intake.make()
  const all = (await readAll(Buffer.from(source), how)).flatMap((each) => intake.take(each))
  const rows = [...all, ...intake.links()]
  return {
    contents: rows.flatMap((row) => row.kind === "row" && row.type === "memory" ? [String(row.value["content"])] : []),
    values: rows.flatMap((row) => row.kind === "row" ? [row.value] : []),
    problems: rows.flatMap((row) => row.kind === "problem" ? [`${row.at.line}: ${row.reason}`] : [])
  }
}

const JSONS = [
  "ai-memory.json",
  "mem0.json",
  "chatgpt.json",
  "claude.json",
  "letta.json",
  "letta-archival.json",
  "zep.json"
]
const LINES = ["quorate.ndjson", "mcp-memory.jsonl"]
const ALL = [...JSONS, ...LINES, "table.csv", "basic-memory/Coffee Brewing Methods.md"]

describe("a source that is not as it should be", () => {
  it.each(JSONS)("%s: cut anywhere, gives what is whole and says where it ends", async (name) => {
    const source = bytesOf(name)
    const whole = (await taken(source)).contents
    for (let at = 1; at < source.length - 1; at += 37) {
      const { contents, problems } = await taken(source.subarray(0, at), { format: "quorate" }).catch(() => ({
        contents: [],
        problems: ["none"]
      }))
      const any = await taken(source.subarray(0, at)).catch((cause: unknown) => ({
        contents: [],
        problems: [String(cause)]
      }))
      assert.isNotEmpty(any.problems, `cut at ${at}`)
      assert.deepStrictEqual(any.contents.filter((content) => !whole.includes(content)), [])
      assert.isAtLeast(problems.length + contents.length, 0)
    }
  })

  it("a broken line, or element, stops no other", async () => {
    const source = bytesOf("mcp-memory.jsonl").toString("utf8").split("\n")
    source.splice(
      2,
      0,
      "{\"type\":\"entity\",\"name\":\"cut",
      "[]",
      "null",
      "\u0000",
      "{\"type\":\"entity\",\"name\":5}"
    )
    const { contents, problems } = await taken(source.join("\n"))
    assert.lengthOf(contents, 4)
    assert.deepStrictEqual(problems, [
      "3: it is not valid JSON",
      "4: it is not understood: a list",
      "5: it is not understood: null",
      "6: it is not valid JSON",
      "7: it is not understood: an object with type, name"
    ])
    const list = await taken("[{\"memory\":\"a\"},\n{\"memory\":b},\n{\"memory\":\"c\"},]")
    assert.deepStrictEqual([list.contents, list.problems], [["a", "c"], ["2: it is not valid JSON"]])
    const ended = await taken("[{\"memory\":\"a\"}]\n]")
    assert.deepStrictEqual(ended.problems, ["2: something follows the end of the JSON: nothing after it was read"])
  })

  it("nested without end is refused without being followed", async () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`
    assert.deepStrictEqual((await taken(`[{"memory":"a"},${deep}]`)).problems, [
      "1: it is nested more than 128 levels deep"
    ])
    const { contents, problems } = await taken(`{"memory":"a"}\n{"memory":${deep}}\n{"memory":"b"}`)
    assert.deepStrictEqual([contents, problems], [["a", "b"], ["2: it is nested more than 128 levels deep"]])
  })

  it("front matter that its parser would not come back from is text", async () => {
    const levels = Array.from(
      "bcdefghi",
      (name, at) => `${name}: &${name} [${Array(10).fill(`*${"abcdefgh"[at]}`).join(",")}]`
    )
    const matters = [
      `a: ${"[".repeat(20_000)}`,
      `a: ${"[".repeat(200)}${"]".repeat(200)}`,
      "- ".repeat(5_000),
      "? ".repeat(5_000),
      "k: v\n".repeat(8_000),
      ["a: &a [1,1,1,1,1,1,1,1,1,1]", ...levels].join("\n"),
      "a: b: c",
      "a: [unclosed"
    ]
    for (const matter of matters) {
      const note = `---\n${matter}\n---\ntext`
      const begun = performance.now()
      assert.deepStrictEqual((await taken(note)).contents, [note])
      assert.isBelow(performance.now() - begun, 2_000)
    }
  })

  it("a note is read in no time, whatever stands in it", async () => {
    const evil = [
      "](",
      "[[",
      "](a.m",
      "# ",
      "- ",
      "`",
      "```\n",
      "#1",
      "[[a]]",
      "- a [[b",
      "---\n",
      "<",
      " ",
      "\t\n",
      "#a"
    ]
    for (const part of evil) {
      for (const before of ["", "- ", "# ", "](", "[["]) {
        const begun = performance.now()
        await taken(`${before}${part.repeat(Math.floor(100_000 / part.length))}x`, { format: "markdown", path: "a.md" })
        assert.isBelow(performance.now() - begun, 4_000, JSON.stringify([before, part]))
      }
    }
  }, 60_000)

  it("names of prototypes are names like any other", async () => {
    const source =
      "[{\"memory\":\"a\",\"__proto__\":{\"polluted\":1},\"metadata\":{\"__proto__\":{\"polluted\":1},\"constructor\":{\"prototype\":{\"polluted\":1}}}}]"
    const { contents, values } = await taken(source)
    assert.deepStrictEqual(contents, ["a"])
    assert.isUndefined(Reflect.get({}, "polluted"))
    assert.isUndefined(values[0]?.["polluted"])
    const tree = { mapping: { a: { message: null, parent: "__proto__" } }, current_node: "a" }
    assert.deepStrictEqual((await taken(JSON.stringify([tree]))).contents, [])
    const csv = await taken("content,__proto__,constructor\na,b,c\n", { format: "csv" })
    assert.deepStrictEqual(csv.contents, ["a"])
    assert.isUndefined(Reflect.get({}, "b"))
    const note = await taken("---\n__proto__: {polluted: 1}\ntitle: t\n---\ntext")
    assert.deepStrictEqual(note.contents, ["text"])
    assert.isUndefined(Reflect.get({}, "polluted"))
  })

  it("a tree of messages that is a circle ends", async () => {
    const node = (parent: string, text: string) => ({
      parent,
      children: ["a", "b"],
      message: { id: text, author: { role: "user" }, content: { parts: [text] } }
    })
    const circle = { title: "t", mapping: { a: node("b", "one"), b: node("a", "two") }, current_node: "a" }
    assert.deepStrictEqual((await taken(JSON.stringify([circle]))).contents, ["two", "one"])
    const { problems } = await taken(
      JSON.stringify([{ title: "t", mapping: { a: node("b", "one"), b: node("a", "two") } }])
    )
    assert.deepStrictEqual(problems, ["1: none of the messages of this conversation is the last of its branch"])
  })

  it("a line that is longer than any may be is passed over, and not kept", async () => {
    async function* source() {
      yield "short\nlo"
      for (let part = 0; part < 100; part++) yield "o".repeat(1000)
      yield "ng\nlast"
    }
    const found: Array<unknown> = []
    for await (const line of lines(source(), 1000)) found.push(line)
    assert.deepStrictEqual(found, [{ number: 1, text: "short" }, { number: 2, text: undefined }, {
      number: 3,
      text: "last"
    }])
  })

  it("bytes that are no text are refused, also where a character is cut between two pieces", async () => {
    async function* pieces(...all: ReadonlyArray<Buffer>) {
      yield* all
    }
    const whole = Buffer.from("[{\"memory\":\"é😀\"}]")
    for (let at = 1; at < whole.length; at++) {
      let text = ""
      for await (const part of texts(pieces(whole.subarray(0, at), whole.subarray(at)))) text += part
      assert.strictEqual(text, whole.toString("utf8"))
    }
    const failed = await taken(Buffer.from([0x5b, 0xff, 0xfe])).catch(String)
    assert.include(String(failed), "not a text in UTF-8")
    assert.include(String(await taken(whole.subarray(0, 13)).catch(String)), "not a text in UTF-8")
  })

  it("a table with a row that is none tells of it", async () => {
    const { contents, problems } = await taken("title,content\na,\"one\nb,two\n")
    assert.deepStrictEqual(contents, [])
    assert.match(String(problems[0]), /it is no row of a table: CSV_QUOTE_NOT_CLOSED/)
    assert.deepStrictEqual((await taken("title,content\na,b\"c\nd,two\n")).contents, ["two"])
  })

  it("comes to the same, into whatever pieces it is cut", async () => {
    for (const name of ALL) {
      const source = bytesOf(name)
      const whole = await readAll(source, {})
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }), async (sizes) => {
          async function* pieces() {
            for (let at = 0, turn = 0; at < source.length; turn++) {
              const size = sizes[turn % sizes.length] ?? 1
              yield source.subarray(at, at + size)
              at += size
            }
          }
          const found = []
          for await (const each of read(pieces())) found.push(each)
          assert.deepStrictEqual(found, whole, name)
        }),
        { numRuns: 10 }
      )
    }
  })

  it("any JSON is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        (values, size, isIndented) => {
          const text = JSON.stringify(values, null, isIndented ? 2 : 0)
          const scan = elements()
          const found = Array.from(
            { length: Math.ceil(text.length / size) },
            (_, at) => scan.push(text.slice(at * size, (at + 1) * size))
          )
          assert.deepStrictEqual(found.flat().map((each) => "value" in each ? each.value : each), JSON.parse(text))
          assert.deepStrictEqual(scan.end(), [])
        }
      )
    )
  })
})
