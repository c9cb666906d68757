import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { readFileSync } from "node:fs"
import * as embeddings from "../../src/federation/wire/embeddings.js"

/** What the original makes of vectors, made from the layouts of its wire and recomputed with its own code. */
const golden: {
  readonly json_of_f32_0_1: string
  readonly sanitize: ReadonlyArray<{ readonly in: ReadonlyArray<string>; readonly out: ReadonlyArray<number> | null }>
} = JSON.parse(readFileSync(new URL("../fixtures/embedding.json", import.meta.url), "utf8"))

const item = (changes: Record<string, unknown> = {}) => ({
  memory_id: "m",
  model: "all-MiniLM-L6-v2 (384-dim, local)",
  dim: 2,
  vector: [0.6, 0.8],
  ...changes
})
const without = (field: string) => Object.fromEntries(Object.entries(item()).filter(([name]) => name !== field))
const wrongOf = (...list: ReadonlyArray<unknown>) =>
  Either.match(embeddings.read({ embeddings: list }), { onLeft: ({ message }) => message, onRight: () => "" })

describe("a shipped vector", () => {
  it("is written in the numbers of 64 bits that its own are", () => {
    const written = embeddings.write({ memoryId: "m", model: "x", vector: Float32Array.from([0.1, 1]) })
    assert.strictEqual(
      JSON.stringify(written),
      `{"memory_id":"m","model":"x","dim":2,"vector":[${golden.json_of_f32_0_1},1]}`
    )
  })

  it("is kept or brought to length 1 as the original does it", () => {
    for (const { in: given, out } of golden.sanitize) {
      const vector = given.map(Number)
      const kept = embeddings.unitOf({ dim: vector.length, vector }, vector.length)
      assert.deepStrictEqual(kept === null ? null : Array.from(kept), out, given.join())
    }
  })

  it("that is nearly of length 1 stays as it is", () => {
    const vector = [0.6006, 0.8]
    const kept = embeddings.unitOf({ dim: 2, vector }, 2)
    assert.deepStrictEqual(Array.from(kept ?? []), vector.map(Math.fround))
    const longer = embeddings.unitOf({ dim: 2, vector: [0.603, 0.8] }, 2)
    assert.notDeepEqual(Array.from(longer ?? []), [0.603, 0.8].map(Math.fround))
  })

  it("of other dimensions, or of other numbers than it says, is none", () => {
    assert.isNull(embeddings.unitOf({ dim: 2, vector: [0.6, 0.8] }, 3))
    assert.isNull(embeddings.unitOf({ dim: 3, vector: [0.6, 0.8] }, 3))
    assert.isNull(embeddings.unitOf({ dim: 3, vector: [0.6, 0.8] }, 2))
  })

  it("of the wrong shape is told where", () => {
    assert.strictEqual(wrongOf(item(), item({ extra: true }), item({ dim: 0, vector: [] })), "")
    assert.strictEqual(wrongOf(item(), item({ dim: -1 })), "embeddings[1].dim must be a non-negative number")
    for (
      const wrong of [
        ...["memory_id", "model", "dim", "vector"].map(without),
        item({ dim: 1.5 }),
        item({ dim: "2" }),
        item({ memory_id: 1 }),
        item({ model: null }),
        item({ vector: [0.6, null] }),
        item({ vector: ["0.6", 0.8] }),
        item({ vector: 1 }),
        "text",
        null
      ]
    ) {
      assert.match(wrongOf(wrong), /^embeddings\[0\]/, JSON.stringify(wrong))
    }
    assert.isTrue(Either.isLeft(embeddings.read({ embeddings: null })))
    assert.isTrue(Either.isLeft(embeddings.read({ embeddings: {} })))
  })
})

describe("the description of a model", () => {
  it("comes down to the space of its vectors", () => {
    const spaces: ReadonlyArray<readonly [string, string]> = [
      ["all-MiniLM-L6-v2 (384-dim, local)", "sentence-transformers/all-minilm-l6-v2#none"],
      ["sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-minilm-l6-v2#none"],
      ["All-MiniLM", "sentence-transformers/all-minilm-l6-v2#none"],
      ["nomic-embed-text-v1.5 (768-dim, Ollama)", "nomic-ai/nomic-embed-text-v1.5#nomic-task-v1"],
      ["  Nomic-Embed-Text (768-dim, remote)  ", "nomic-ai/nomic-embed-text-v1.5#nomic-task-v1"],
      ["nomic_embed_v15", "nomic-ai/nomic-embed-text-v1.5#nomic-task-v1"],
      ["my-nomic-embed:v2", "my-nomic-embed:v2#nomic-task-v1"],
      ["granite-embedding (768-dim, remote)", "granite-embedding#none"],
      ["Granite:latest", "granite#none"],
      ["granite:latest:latest", "granite:latest#none"],
      ["granite:v1.5", "granite:v1.5#none"],
      ["static-minilm-l6-v2/1", "static-minilm-l6-v2/1#none"],
      ["sender-model", "sender-model#none"]
    ]
    for (const [model, space] of spaces) assert.strictEqual(embeddings.spaceOf(model), space)
  })
})
