import { assert, describe, it } from "@effect/vitest"
import * as Stamp from "../../src/domain/Stamp.js"
import * as Intake from "../../src/transfer/Intake.js"
import { readAll } from "../../src/transfer/reading/read.js"
import { bytesOf } from "./fixtures.js"

/** What a source comes to, in short. */
const taken = async (source: Buffer | string, how: Parameters<typeof readAll>[1] = {}, namespace?: string) => {
  const intake = Intake.make({ namespace })
  const all = (await readAll(Buffer.from(source), how)).flatMap((each) => intake.take(each))
  const rows = [...all, ...intake.links()]
  const of = (type: string) => rows.flatMap((row) => row.kind === "row" && row.type === type ? [row.value] : [])
  const said = (kind: string) =>
    rows.flatMap((row) => row.kind !== "row" && row.kind === kind ? [`${row.at.line}: ${row.reason}`] : [])
  return { memories: of("memory"), links: of("link"), problems: said("problem"), remarks: said("remark"), rows }
}

const field = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>, name: string) => rows.map((row) => row[name])

describe("a source is known by what is in it", () => {
  it("the memory server of the Model Context Protocol: entities, observations, relations in any order", async () => {
    const { links, memories, problems } = await taken(bytesOf("mcp-memory.jsonl"))
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(field(memories, "title"), [
      "Ada works_at Engine works",
      "Ada",
      "Engine works",
      "Bernoulli notes"
    ])
    assert.deepStrictEqual(field(memories, "content").slice(1), [
      "Writes programs for machines that are not built yet\nPrefers letters to calls",
      "Builds calculating engines",
      "Bernoulli notes"
    ])
    const [relation, ada, works, notes] = field(memories, "id")
    assert.sameDeepMembers(links.map(({ relation, source_id, target_id }) => [source_id, relation, target_id]), [
      [relation, "related_to", ada],
      [relation, "related_to", works],
      [notes, "derived_from", ada]
    ])
  })

  it("mem0: texts, categories, dates with an offset, relations", async () => {
    const { memories, problems } = await taken(bytesOf("mem0.json"))
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(field(memories, "content"), [
      "Is vegetarian and allergic to nuts",
      "Works as a senior engineer",
      "dev works_at techcorp"
    ])
    assert.deepInclude(memories[0], {
      tags: ["food", "health"],
      created_at: "2024-07-20T08:30:36.275141000+00:00",
      updated_at: "2024-08-01T16:00:00.000000000+00:00"
    })
    // An agent of another program owns nothing here.
    assert.notProperty(memories[0]?.["metadata"], "agent_id")
    assert.deepNestedInclude(memories[0], { "metadata.imported.agent_id": "cook", "metadata.imported.from": "mem0" })
  })

  it("ChatGPT: the branch that was seen last, without what was hidden, each message with its time", async () => {
    const { memories, problems } = await taken(bytesOf("chatgpt.json"))
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(field(memories, "content"), [
      "How warm should my starter stand?",
      "At about 25 degrees.",
      "[image asset pointer]\n\nIt looks like this now."
    ])
    assert.deepStrictEqual(field(memories, "title"), ["Sourdough · 1", "Sourdough · 2", "Sourdough · 3"])
    assert.deepStrictEqual(field(memories, "created_at"), [
      "2023-11-09T21:20:01.250000000+00:00",
      "2023-11-09T21:20:20.000000000+00:00",
      "2023-11-09T22:20:00.500000000+00:00"
    ])
  })

  it("Claude: messages with the files that were read, and nothing of an empty conversation", async () => {
    const { memories, problems } = await taken(bytesOf("claude.json"))
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(field(memories, "content"), [
      "My beds get sun from noon on. What grows there?\n\n[beds.txt]\nBed one: 2 by 3 metres.",
      "Beans, chard and peas."
    ])
    assert.deepStrictEqual(field(memories, "tags"), [["chat", "human"], ["chat", "assistant"]])
    assert.strictEqual(memories[0]?.["created_at"], "2025-04-01T08:00:10.500000000+00:00")
  })

  it("Letta: blocks and what was said of an agent file, passages of an archive", async () => {
    const file = await taken(bytesOf("letta.json"))
    assert.deepStrictEqual([file.problems, file.remarks], [[], []])
    assert.deepStrictEqual(field(file.memories, "content"), [
      "Where is the atlas?",
      "On the third shelf.",
      "Name: Ada. Reads maps.",
      "A patient librarian."
    ])
    const { memories, problems } = await taken(bytesOf("letta-archival.json"))
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(field(memories, "tags"), [["atlas"], []])
    assert.deepInclude(memories[0], {
      content: "The atlas of 1890 lacks its last page.",
      created_at: "2025-05-01T12:00:00.250000000+00:00",
      updated_at: "2025-05-02T12:00:00.000000000+00:00"
    })
  })

  it("Zep: nodes, facts with what they say of time, messages, facts of a session", async () => {
    const { links, memories, problems } = await taken(bytesOf("zep.json"))
    assert.deepStrictEqual(problems, [])
    assert.deepStrictEqual(field(memories, "content"), [
      "Runs marathons.",
      "Kendra loves Adidas shoes",
      "Kendra likes Puma shoes",
      "My Adidas shoes are the best.",
      "Good to know!",
      "Kendra runs on Sundays"
    ])
    assert.deepNestedInclude(memories[1], { "metadata.imported.invalid_at": "2024-09-01T00:00:00Z" })
    // Ends that are not in the file lead nowhere, and nothing is wrong with that.
    assert.deepStrictEqual(links.map(({ target_id }) => target_id), [memories[0]?.["id"], memories[0]?.["id"]])
  })

  it("a table: columns by their names, several lines in a cell, what has no text", async () => {
    const { memories, problems } = await taken(bytesOf("table.csv"))
    assert.deepStrictEqual(problems, ["5: it has no text"])
    assert.deepStrictEqual(field(memories, "content"), [
      "The code of the side door is posted\ninside the locker.",
      "Bins are collected on Thursdays.",
      "The \"red\" kettle, not the blue one."
    ])
    assert.deepInclude(memories[0], {
      title: "Door code",
      tags: ["house", "door"],
      priority: 8,
      created_at: "2025-01-02T03:04:05.000000000+00:00",
      metadata: { imported: { from: "csv", Owner: "ann" } }
    })
  })

  it("our own export and that of ai-memory, as they are", async () => {
    for (const [name, memories, links] of [["quorate.ndjson", 3, 1], ["ai-memory.json", 2, 1]] as const) {
      const read = await taken(bytesOf(name))
      assert.deepStrictEqual([read.problems, read.memories.length, read.links.length], [[], memories, links], name)
    }
  })

  it("a folder of notes: front matter, tags in the text, relations and links by name, path and alias", async () => {
    const intake = Intake.make()
    const read = async (path: string, folder: string) =>
      (await readAll(bytesOf(`${folder}/${path}`), { path })).flatMap((each) => intake.take(each, { file: path }))
    const rows = [
      ...await read("Coffee Brewing Methods.md", "basic-memory"),
      ...await read("Old Coffee Notes.md", "basic-memory"),
      ...await read("decisions/Grinder.md", "basic-memory")
    ].flatMap((row) => row.kind === "row" ? [row.value] : [])
    const links = [...intake.links()]
    const [methods, old, grinder] = field(rows, "id")
    assert.deepInclude(rows[0], {
      title: "Coffee Brewing Methods",
      tags: ["coffee", "brewing", "pour-over"],
      created_at: "2025-02-01T07:00:00.000000000+00:00",
      updated_at: "2025-02-03T07:00:00.000000000+00:00"
    })
    assert.deepInclude(rows[2], { tags: ["hardware", "coffee"], created_at: "2025-01-20T00:00:00.000000000+00:00" })
    assert.deepStrictEqual(
      links.flatMap((row) =>
        row.kind === "row" ? [[row.value["source_id"], row.value["relation"], row.value["target_id"]]] : []
      ),
      [[methods, "supersedes", old], [methods, "related_to", grinder], [grinder, "related_to", old]]
    )
    assert.deepStrictEqual(links.flatMap((row) => row.kind === "remark" ? [row.reason] : []), [
      "a link leads to nothing that is imported: Nothing Written Yet"
    ])
  })
})

describe("a note", () => {
  it("was changed when its file was, where it says no more than when it was made", async () => {
    const date = Stamp.fromMillis(Date.UTC(2025, 5, 1))
    const intake = Intake.make()
    const rows = async (text: string) =>
      (await readAll(Buffer.from(text), { path: "a.md" })).flatMap((each) => intake.take(each, { date }))
    for (
      const [front, created, updated] of [
        ["created: 2025-01-20", "2025-01-20", "2025-06-01"],
        ["modified: 2025-02-20", "2025-02-20", "2025-02-20"],
        ["a: b", "2025-06-01", "2025-06-01"]
      ] as const
    ) {
      const [row] = await rows(`---\n${front}\n---\ntext`)
      const value = row?.kind === "row" ? row.value : {}
      assert.deepStrictEqual([value["created_at"], value["updated_at"]].map((stamp) => String(stamp).slice(0, 10)), [
        created,
        updated
      ])
    }
  })
})

describe("the same source", () => {
  it("comes to the same ids every time, and to others in another namespace", async () => {
    const names = ["mcp-memory.jsonl", "mem0.json", "chatgpt.json", "claude.json", "letta.json", "zep.json"]
    for (const name of names) {
      const ids = async (namespace?: string) => field((await taken(bytesOf(name), {}, namespace)).memories, "id")
      const first = await ids()
      assert.deepStrictEqual(await ids(), first)
      assert.strictEqual(new Set(first).size, first.length)
      assert.isEmpty((await ids("elsewhere")).filter((id) => first.includes(id)))
      for (const id of first) {
        assert.match(String(id), /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
      }
    }
  })

  it("keeps its ids from version to version", async () => {
    const { memories } = await taken(bytesOf("mem0.json"))
    assert.strictEqual(memories[0]?.["id"], "f12f7f72-bbb6-8788-981d-a1d639d3d077")
  })
})

describe("a text that is too long for one memory", () => {
  it("becomes several, cut between paragraphs, each linked to the first", async () => {
    const paragraph = `${"word ".repeat(2000)}end.`
    const memory = Array.from({ length: 14 }, () => paragraph).join("\n\n")
    const { links, memories, problems } = await taken(JSON.stringify({ results: [{ id: "1", memory }] }))
    assert.deepStrictEqual(problems, [])
    assert.lengthOf(memories, 3)
    for (const { content } of memories) {
      assert.isAtMost(Buffer.byteLength(String(content)), 65_536)
      assert.isTrue(String(content).endsWith("end."))
    }
    assert.strictEqual(field(memories, "content").join("\n\n"), memory)
    assert.match(String(memories[1]?.["title"]), /\(part 2 of 3\)$/)
    assert.deepStrictEqual(links.map(({ target_id }) => target_id), [memories[0]?.["id"], memories[0]?.["id"]])
  })

  it("is never cut within a character", async () => {
    const { memories } = await taken(JSON.stringify([{ id: "1", memory: "😀".repeat(20_000) }]))
    assert.strictEqual(field(memories, "content").join(""), "😀".repeat(20_000))
  })
})
