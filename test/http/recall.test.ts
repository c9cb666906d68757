import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Call from "./call.js"
import * as Node from "./node.js"

const recall = async (node: Node.Node, context: string) => {
  const answered = await Call.to(node)("POST", "/recall", { body: { context, namespace: "nord/a" } })
  assert.strictEqual(answered.status, 200, answered.text)
  return Call.rows(answered, "memories")
}

const titlesOf = async (node: Node.Node, context: string) => (await recall(node, context)).map(({ title }) => title)

const store = async (node: Node.Node, memory: { readonly title: string; readonly content: string }) => {
  const { status, text } = await Call.to(node)("POST", "/memories", { body: { ...memory, namespace: "nord/a" } })
  assert.strictEqual(status, 201, text)
}

describe("the settings of a recall", () => {
  let usual: Node.Node
  let set: Node.Node
  beforeAll(async () => {
    usual = await Node.start({ embedder: "none" })
    set = await Node.start({
      embedder: "none",
      recallWeights: { semantic: 0, time: 0, context: 0 },
      namespaceLanguage: new Map([["nord", "de"]])
    })
  })
  afterAll(() => Promise.all([usual.stop(), set.stop()]))

  it("weigh what was written beside a memory, and the time that a question names", async () => {
    for (const node of [usual, set]) {
      await store(node, { title: "Dentist", content: "She looked at the tooth" })
      await store(node, { title: "Beside", content: "It was quick" })
    }
    assert.deepStrictEqual(await titlesOf(usual, "dentist"), ["Dentist", "Beside"])
    assert.deepStrictEqual(await titlesOf(set, "dentist"), ["Dentist"])
    const [usually, asSet] = await Promise.all([usual, set].map((node) => recall(node, "dentist on 2020-01-05")))
    assert.isBelow(Number(usually?.[0]?.["score"]), 0.6)
    assert.isAbove(Number(asSet?.[0]?.["score"]), 0.9)
  })

  it("name the language of a namespace", async () => {
    for (const node of [usual, set]) await store(node, { title: "Merkzettel", content: "Häuser" })
    assert.notInclude(await titlesOf(usual, "Haus"), "Merkzettel")
    assert.include(await titlesOf(set, "Haus"), "Merkzettel")
    const { body } = await Call.to(set)("POST", "/recall", { body: { context: "Haus" } })
    assert.deepInclude(body["evidence"], { strength: 1, coverage: 1 })
  })
})
