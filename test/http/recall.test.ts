import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { SAID } from "../store/said.js"
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

describe("whatever is stored is found over HTTP, whole and by part", () => {
  let node: Node.Node
  beforeAll(async () => {
    // By its own words alone: not by its meaning, and not by what stands beside it.
    node = await Node.start({ embedder: "none", recallWeights: { semantic: 0, time: 0.75, context: 0 } })
  })
  afterAll(() => node.stop())

  it(`${SAID.length} texts, in a search and in a recall`, async () => {
    const ask = Call.to(node)
    const missed: Array<string> = []
    for (const [at, [stored, ...parts]] of SAID.entries()) {
      const memory = { title: `t${at}`, content: `q${at} ${stored} z${at}`, namespace: "said" }
      assert.strictEqual((await ask("POST", "/memories", { body: memory })).status, 201, stored)
      for (const text of [stored, ...parts]) {
        const found = Call.rows(
          await ask("GET", `/search?${new URLSearchParams({ q: text, limit: "200" })}`),
          "results"
        )
        if (!found.some(({ matched, title }) => title === `t${at}` && matched === "all")) missed.push(`search: ${text}`)
        const recalled = Call.rows(await ask("POST", "/recall", { body: { context: text, limit: 50 } }), "memories")
        if (!recalled.some(({ title }) => title === `t${at}`)) missed.push(`recall: ${text}`)
      }
    }
    assert.deepStrictEqual(missed, [])
  })

  it("also in its title and its tags", async () => {
    const ask = Call.to(node)
    const memory = {
      title: "Die Straße zu localhost:9077",
      content: "c",
      tags: ["図書館", "max_open_files"],
      namespace: "x"
    }
    assert.strictEqual((await ask("POST", "/memories", { body: memory })).status, 201)
    for (const text of ["strasse", "localhost:9077", "9077", "図書館", "図書", "max_open_files", "open"]) {
      const query = new URLSearchParams({ q: text, namespace: "x" })
      assert.lengthOf(Call.rows(await ask("GET", `/search?${query}`), "results"), 1, text)
      const body = { context: text, namespace: "x" }
      assert.lengthOf(Call.rows(await ask("POST", "/recall", { body }), "memories"), 1, text)
    }
  })

  it("and a recall finds it by its dates: of its creation, and those that are written in it", async () => {
    const ask = Call.to(node)
    const texts = [
      "the dentist is on 6 May 2025",
      "vet: 2025-05-06T10:00:00Z",
      "Zahnarzt am 6.5.2025",
      "会議は2025年5月6日"
    ]
    for (const [at, content] of texts.entries()) {
      const { status } = await ask("POST", "/memories", { body: { title: `d${at}`, content, namespace: "dates" } })
      assert.strictEqual(status, 201)
    }
    const recalled = async (context: string) =>
      Call.rows(await ask("POST", "/recall", { body: { context, namespace: "dates" } }), "memories")
        .map(({ title }) => title).sort()
    const all = texts.map((_, at) => `d${at}`)
    for (
      const context of ["what happened in May", "on Tuesday", "6 May", "2025-05-06", "am 6. Mai 2025", "2025年5月"]
    ) {
      assert.deepStrictEqual(await recalled(context), all, context)
    }
    for (const context of ["what happened today", "this week", String(new Date().getUTCFullYear())]) {
      assert.deepStrictEqual(await recalled(context), all, context)
    }
  })
})

describe("a memory that is stored names those of its namespace with words of its title", () => {
  let node: Node.Node
  const ids: Array<unknown> = []
  beforeAll(async () => {
    node = await Node.start({ embedder: "none" })
    for (const [at, [before]] of pairs.entries()) ids.push((await store(`pair/${at}`, before))["id"])
    // A language that is new here is known to hints a second later.
    await new Promise((done) => setTimeout(done, 1_100))
  })
  afterAll(() => node.stop())

  const store = async (namespace: string, title: string) => {
    const answered = await Call.to(node)("POST", "/memories", { body: { title, content: "c", namespace } })
    assert.strictEqual(answered.status, 201, answered.text)
    return answered.body
  }

  const pairs: ReadonlyArray<readonly [before: string, now: string, other: string]> = [
    ["The office door code is 4711", "Code of the office door", "The lunch of the week"],
    ["Deploying goes by rsync", "How we deploy now", "How we eat now"],
    ["Die Häuser haben rote Türen", "Die Tür vom Haus", "Die Katze vom Nachbarn"],
    ["Los gatos de la vecina", "El gato de la vecina", "El coche de la empresa"],
    ["Пароль от сейфа", "Новый пароль", "Новый диван"],
    ["办公室的密码是4711", "新的密码", "新的沙发"],
    ["金庫のパスワード", "新しいパスワード", "昼ごはんの店"],
    ["รหัสผ่านของตู้เซฟ", "รหัสผ่านใหม่", "อาหารกลางวัน"],
    ["사무실 비밀번호", "새 비밀번호는", "점심 식당"],
    ["كلمة المرور للخزنة", "كلمة مرور جديدة", "مطعم الغداء"],
    ["getUserName returns null", "user name of the guest", "guest list"]
  ]
  for (const [at, [before, now, other]] of pairs.entries()) {
    it(`as ${JSON.stringify(before)} for ${JSON.stringify(now)}, and not for ${JSON.stringify(other)}`, async () => {
      const id = ids[at]
      assert.deepStrictEqual((await store(`pair/${at}`, now))["potential_contradictions"], [id])
      const third = (await store(`pair/${at}`, other))["potential_contradictions"]
      assert.notInclude(Array.isArray(third) ? third : [], id)
    })
  }
})
