import { afterEach, assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checked, EmbeddingFailed, type Model } from "../../src/embedding/Embedder.js"
import { Embedder } from "../../src/embedding/Embedder.js"
import * as serveVectors from "../../src/federation/inbound/serveVectors.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import * as wire from "../../src/federation/wire/vectors.js"
import { remember } from "../../src/operations/memories/remember.js"
import { update } from "../../src/operations/memories/update.js"
import * as Sharing from "../../src/operations/recall/Sharing.js"
import { keptOf } from "../../src/store/vectors/codes.js"
import { VectorStore } from "../../src/store/vectors/VectorStore.js"
import { Metrics } from "../../src/telemetry/Metrics.js"
import { vectorOf } from "../embedding/server.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNode } from "./inProcess.js"

const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

/** A model that notes every text, and fails while it is told to. */
const modelOf = (id = "openai:small@8", { dimensions = 8, millis = 0 } = {}) => {
  const texts: Array<string> = []
  let isAway = false
  const model: Model = checked({
    id,
    dimensions,
    maxTokens: 100,
    embed: (asked) =>
      Effect.suspend(() => {
        if (isAway) return new EmbeddingFailed({ reason: "unavailable", detail: "away" })
        texts.push(...asked)
        return Effect.succeed(asked.map((text) => Float32Array.from(vectorOf(text, dimensions)))).pipe(
          Effect.delay(millis)
        )
      })
  })
  return {
    model,
    texts,
    away: (now: boolean) => {
      isAway = now
    }
  }
}
type Made = ReturnType<typeof modelOf>

const nodes: Array<Node> = []
const folders: Array<string> = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.dispose()))
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

const A = "http://a"
const B = "http://b"
const C = "http://c"

/** Nodes that know each other, each with a model of its own. */
const mesh = (
  models: Readonly<Record<string, Made>>,
  patience: Duration.DurationInput = "30 seconds",
  file: (url: string) => string = () => ":memory:"
) => {
  const network = new Network()
  const said: Array<string> = []
  const logger = Logger.make(({ message }) => {
    said.push(String(Array.isArray(message) ? message[0] : message))
  })
  const offsets = new Map<string, number>()
  const start = (url: string) => {
    const node = startNode(network, url, Object.keys(models).filter((other) => other !== url), {
      ...{ w: 1, firstRoundAfter: "100 millis", patience, logger, file },
      clockOffsetMillis: () => offsets.get(url) ?? 0,
      embedder: () => models[url]?.model ?? modelOf().model
    })
    nodes.push(node)
    return node
  }
  const asked = () => network.requests.filter(({ path }) => path === PeerApi.VECTORS_PATH)
  /** What a node has of a memory, as its file has it. */
  const parts = async (url: string, id: string) => {
    const { model } = models[url] ?? modelOf()
    const [found] = await network.nodes.get(url)?.runPromise(
      Effect.flatMap(VectorStore, (vectors) => vectors.kept(model, [id]))
    ) ?? []
    return found?.parts.map((part) => Buffer.from(part).toString("hex")) ?? []
  }
  const covered = (url: string, ids: ReadonlyArray<string>) =>
    until(`${url} has vectors of all`, async () => {
      for (const id of ids) if ((await parts(url, id)).length === 0) return false
      return true
    })
  const write = (url: string, title: string, content = "c") =>
    network.nodes.get(url)?.runPromise(Effect.map(remember({ title, content }, nobody), ({ memory }) => memory.id)) ??
      Promise.reject(new Error(url))
  const counted = async (url: string, outcome: string) => {
    const text = await network.nodes.get(url)?.runPromise(Effect.flatMap(Metrics, ({ render }) => render)) ?? ""
    const line = `memory_embeddings_total{outcome="${outcome}"} `
    return Number(text.split("\n").find((each) => each.startsWith(line))?.slice(line.length))
  }
  return { network, said, offsets, start, asked, parts, covered, write, counted }
}

/** How many of these texts were embedded by any of the models, by title. */
const timesOf = (models: ReadonlyArray<Made>, title: string) =>
  models.flatMap(({ texts }) => texts).filter((text) => text.startsWith(`${title}\n`)).length
const hexOf = (text: string) => Buffer.from(keptOf(Float32Array.from(vectorOf(text, 8)))).toString("hex")
const rest = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

describe("a text that is written on one of three nodes", () => {
  it("is embedded there alone, and the others have the same vector of it", async () => {
    const models = [modelOf(), modelOf(), modelOf()] as const
    const { asked, counted, covered, parts, start, write } = mesh({ [A]: models[0], [B]: models[1], [C]: models[2] })
    const urls = [A, B, C]
    urls.forEach(start)
    const titles = Array.from({ length: 12 }, (_, at) => `title ${at}`)
    const ids = await Promise.all(titles.map((title, at) => write(urls[at % 3] ?? A, title)))
    for (const url of urls) await covered(url, ids)
    for (const title of titles) assert.strictEqual(timesOf(models, title), 1, title)
    for (const [at, { texts }] of models.entries()) assert.lengthOf(texts, 4, urls[at])
    for (const [at, id] of ids.entries()) {
      for (const url of urls) assert.deepStrictEqual(await parts(url, id), [hexOf(`title ${at}\nc`)])
    }
    for (const url of urls) {
      assert.deepStrictEqual([await counted(url, "embedded"), await counted(url, "received")], [4, 8])
      assert.strictEqual(await counted(url, "for_others"), 0)
      assert.isAtLeast(await counted(url, "served"), 8)
    }
    const before = asked().length
    await rest(1000)
    assert.strictEqual(asked().length, before, "nobody asks for what nobody lacks")
  })

  it("is asked for in parts, of many at a time, and what was there before a node had this model as well", async () => {
    const models = { [A]: modelOf(), [B]: modelOf("static-minilm-l6-v2/1") }
    const folder = mkdtempSync(join(tmpdir(), "quorate-sharing-"))
    folders.push(folder)
    const { covered, network, parts, start, write } = mesh(models, "30 seconds", (url) => join(folder, url.slice(-1)))
    void start(A)
    const before = start(B)
    const long = "A long text of many sentences. ".repeat(40)
    const ids = await Promise.all(
      Array.from({ length: 300 }, (_, at) => write(A, `title ${at}`, at === 7 ? long : "c"))
    )
    for (const url of [A, B]) await covered(url, ids)
    await before.dispose()
    models[B] = modelOf()
    void start(B)
    await covered(B, ids)
    assert.lengthOf(models[B].texts, 0)
    assert.isAbove((await parts(B, ids[7] ?? "")).length, 1)
    assert.deepStrictEqual(await parts(B, ids[7] ?? ""), await parts(A, ids[7] ?? ""))
    for (const { body, path } of network.requests) {
      if (path === PeerApi.VECTORS_PATH) assert.isAtMost(JSON.parse(body).ids.length, 256)
    }
  })

  it("is embedded by one of the others when its node does not, after a time", async () => {
    const models = [modelOf(), modelOf(), modelOf()] as const
    const { counted, covered, network, start, write } = mesh(
      { [A]: models[0], [B]: models[1], [C]: models[2] },
      "1500 millis"
    )
    const [, b] = [A, B, C].map(start)
    models[0].away(true)
    const begin = performance.now()
    const ids = [await write(A, "first"), await write(A, "second")]
    await until("it is there", async () => (await standing(b, ids[1])) !== null)
    network.cut.add(A)
    await covered(B, ids)
    assert.isAtLeast(performance.now() - begin, 1500)
    await covered(C, ids)
    assert.deepStrictEqual(["first", "second"].map((title) => timesOf(models, title)), [1, 1])
    assert.deepStrictEqual([models[1].texts.length, models[2].texts.length], [2, 0])
    assert.deepStrictEqual([await counted(B, "for_others"), await counted(C, "received")], [2, 2])
  })
})

const standing = async (node: Node | undefined, id: string | undefined) =>
  Option.getOrNull(
    await node?.runPromise(
      Effect.flatMap(VectorStore, (vectors) => vectors.standing(modelOf().model, id ?? ""))
    ) ?? Option.none()
  )

describe("a node that lost its database", () => {
  it("has the vectors of what it wrote before from the others", async () => {
    const models = [modelOf(), modelOf()] as const
    const { covered, parts, start, write } = mesh({ [A]: models[0], [B]: models[1] })
    const a = start(A)
    void start(B)
    const ids = await Promise.all(Array.from({ length: 40 }, (_, at) => write(A, `title ${at}`)))
    await covered(B, ids)
    await a.dispose()
    void start(A)
    await covered(A, ids)
    assert.lengthOf(models[0].texts, 40)
    assert.lengthOf(models[1].texts, 0)
    const later = await write(A, "later")
    await covered(B, [later])
    assert.deepStrictEqual(await parts(B, later), [hexOf("later\nc")])
    assert.lengthOf(models[0].texts, 41)
  })

  it("embeds none of them while they are on their way into its database, however many they are", async () => {
    const models = [modelOf(), modelOf(), modelOf()] as const
    const { covered, start, write } = mesh({ [A]: models[0], [B]: models[1], [C]: models[2] })
    const a = start(A)
    void start(B)
    void start(C)
    const ids = await Promise.all(Array.from({ length: 250 }, (_, at) => write(A, `title ${at}`)))
    await covered(B, ids)
    await covered(C, ids)
    await a.dispose()
    void start(A)
    await covered(A, ids)
    assert.lengthOf(models[0].texts, 250)
    assert.lengthOf([...models[1].texts, ...models[2].texts], 0)
  })
})

describe("what a node is slow with", () => {
  it("is waited for as long as some of it comes", async () => {
    const models = [modelOf("openai:small@8", { millis: 1000 }), modelOf()] as const
    const { covered, start, write } = mesh({ [A]: models[0], [B]: models[1] }, "3 seconds")
    void start(A)
    void start(B)
    const ids = await Promise.all(Array.from({ length: 128 }, (_, at) => write(A, `title ${at}`)))
    await covered(B, ids)
    assert.lengthOf(models[1].texts, 0)
  })

  it("is not waited for any longer where the wall clock is put back", async () => {
    const models = [modelOf(), modelOf()] as const
    const { covered, offsets, start, write } = mesh({ [A]: models[0], [B]: models[1] }, "1 second")
    void start(A)
    const b = start(B)
    models[0].away(true)
    const id = await write(A, "theirs")
    await until("it is there", async () => (await standing(b, id)) !== null)
    await rest(300)
    offsets.set(B, -3_600_000)
    await covered(B, [id])
  })

  it("keeps nobody waiting when it never answers at all", async () => {
    const models = [modelOf(), modelOf()] as const
    const { covered, network, start, write } = mesh({ [A]: models[0], [B]: models[1] }, "500 millis")
    network.hangs = ({ path, to }) => path === PeerApi.VECTORS_PATH && to === A
    void start(A)
    void start(B)
    await covered(B, [await write(A, "theirs"), await write(B, "own")])
    assert.strictEqual(timesOf([models[1]], "theirs"), 1)
  })
})

describe("a node of another model", () => {
  it("has vectors of its own, and the others share theirs of what it wrote", async () => {
    const models = [modelOf("openai:large@8"), modelOf(), modelOf()] as const
    const { covered, said, start, write } = mesh({ [A]: models[0], [B]: models[1], [C]: models[2] })
    const urls = [A, B, C]
    urls.forEach(start)
    const ids = await Promise.all(urls.map((url) => write(url, `of ${url}`)))
    for (const url of urls) await covered(url, ids)
    const others = [models[1], models[2]]
    for (const url of urls) {
      assert.strictEqual(timesOf([models[0]], `of ${url}`), 1, url)
      assert.strictEqual(timesOf(others, `of ${url}`), 1, url)
    }
    const lines = said.filter((line) => line.includes("gives no vectors of use"))
    assert.includeMembers(lines, [
      "peer a gives no vectors of use: it has those of openai:large@8 with 8 numbers. What it wrote is embedded here"
    ])
    assert.strictEqual(new Set(lines).size, lines.length - 1, "once by each node, of which two say the same")
  })

  it("that never travels is not asked, and asks nobody", async () => {
    const models = [modelOf("static-minilm-l6-v2/1"), modelOf()] as const
    const { asked, covered, start, write } = mesh({ [A]: models[0], [B]: models[1] })
    void start(A)
    void start(B)
    const ids = [await write(A, "one"), await write(B, "two")]
    await covered(A, ids)
    await covered(B, ids)
    assert.lengthOf(asked(), 0)
    assert.deepStrictEqual([models[0].texts.length, models[1].texts.length], [2, 2])
  })

  it("does not keep what it writes waiting behind what others wrote", async () => {
    const models = [modelOf("static-minilm-l6-v2/1"), modelOf("openai:small@8", { millis: 400 })] as const
    const { covered, start, write } = mesh({ [A]: models[0], [B]: models[1] })
    void start(A)
    void start(B)
    const ids = await Promise.all(Array.from({ length: 200 }, (_, at) => write(A, `far ${at}`)))
    await until("B has begun", async () => models[1].texts.length > 0)
    await write(B, "near")
    await covered(B, ids)
    const at = models[1].texts.findIndex((text) => text.startsWith("near\n"))
    assert.isAtLeast(at, 0)
    assert.isBelow(at, 150)
  })
})

/** An answer to a question for vectors. */
type Asked = PeerApi.VectorsRequest
const OTHER = keptOf(Float32Array.of(0, 0, 0, 0, 0, 0, 0, 1))
const digest = wire.digestOf({ title: "theirs", content: "c" })
const answerTo = ({ dimensions, embedder, ids }: Asked, changes: Partial<wire.Given> = {}) => ({
  ...{ embedder, dimensions, looked: ids.length },
  memories: ids.slice(0, 1).map((id) => ({ id, digest, parts: [OTHER], ...changes }))
})
const spoilt = Uint8Array.from(OTHER)
new DataView(spoilt.buffer).setFloat32(0, NaN, true)

describe("a peer that is asked for vectors and answers", () => {
  const wrong: ReadonlyArray<readonly [what: string, answer: (asked: Asked) => Uint8Array]> = [
    ["garbage", () => Buffer.from("garbage")],
    ["nothing", () => new Uint8Array(0)],
    ["another model", (asked) => wire.write({ ...answerTo(asked), embedder: "openai:large@8" })],
    [
      "other dimensions",
      (asked) => wire.write({ ...answerTo(asked, { parts: [keptOf(Float32Array.of(0, 1))] }), dimensions: 2 })
    ],
    ["vectors that are none", (asked) => wire.write(answerTo(asked, { parts: [spoilt] }))],
    [
      "vectors of another text",
      (asked) => wire.write(answerTo(asked, { digest: wire.digestOf({ title: "theirs", content: "d" }) }))
    ],
    ["vectors of another memory", (asked) => wire.write(answerTo(asked, { id: "another" }))],
    ["too much", (asked) => wire.write({ ...answerTo(asked), looked: asked.ids.length + 1 })],
    ["that it has none", (asked) => wire.write({ ...answerTo(asked), memories: [] })]
  ]
  it.each(wrong)("%s has nothing kept, and the text is embedded here", async (_, answer) => {
    const models = [modelOf(), modelOf()] as const
    const { counted, covered, network, parts, start, write } = mesh({ [A]: models[0], [B]: models[1] }, "500 millis")
    network.refuse = ({ body, path, to }) =>
      path === PeerApi.VECTORS_PATH && to === A
        ? { status: 200, body: Buffer.from(answer(JSON.parse(body))).toString("latin1") }
        : undefined
    void start(A)
    void start(B)
    const id = await write(A, "theirs")
    await covered(B, [id])
    assert.deepStrictEqual(await parts(B, id), [hexOf("theirs\nc")])
    assert.deepStrictEqual(models[1].texts, ["theirs\nc"])
    assert.deepStrictEqual([await counted(B, "received"), await counted(B, "for_others")], [0, 1])
  })

  it("as it should has its vectors kept", async () => {
    const models = [modelOf(), modelOf()] as const
    const { covered, network, parts, start, write } = mesh({ [A]: models[0], [B]: models[1] })
    network.refuse = ({ body, path }) =>
      path === PeerApi.VECTORS_PATH
        ? { status: 200, body: Buffer.from(wire.write(answerTo(JSON.parse(body)))).toString("latin1") }
        : undefined
    void start(A)
    void start(B)
    const id = await write(A, "theirs")
    await covered(B, [id])
    assert.deepStrictEqual(await parts(B, id), [Buffer.from(OTHER).toString("hex")])
  })

  it("garbage is told once, and is not asked again for a while", async () => {
    const models = [modelOf(), modelOf()] as const
    const { asked, covered, network, said, start, write } = mesh({ [A]: models[0], [B]: models[1] }, "500 millis")
    network.refuse = ({ path, to }) =>
      path === PeerApi.VECTORS_PATH && to === A ? { status: 200, body: "garbage" } : undefined
    void start(A)
    void start(B)
    for (const title of ["one", "two", "three"]) {
      await covered(B, [await write(A, title)])
    }
    assert.lengthOf(asked().filter(({ to }) => to === A), 1)
    assert.lengthOf(said.filter((line) => line.includes("peer a gives no vectors of use: malformed: ")), 1)
  })

  it("late, when the text is another one meanwhile, has nothing kept of the old one", async () => {
    const models = [modelOf(), modelOf()] as const
    const { asked, covered, network, parts, start, write } = mesh({ [A]: models[0], [B]: models[1] })
    const a = start(A)
    const b = start(B)
    network.delayMillis.set(A, 400)
    const id = await write(A, "changed")
    await until("A is asked", async () => asked().some(({ to }) => to === A))
    await b.runPromise(update(id, { content: "newer" }, { caller: nobody }))
    await covered(B, [id])
    await rest(800)
    assert.deepStrictEqual(await parts(B, id), [hexOf("changed\nnewer")])
    await until("A has it", async () => (await parts(A, id))[0] === hexOf("changed\nnewer"))
    assert.strictEqual(timesOf(models, "changed"), 2)
    const space = models[1].model
    const coverage = await a.runPromise(Effect.flatMap(VectorStore, (vectors) => vectors.coverage(space)))
    assert.deepStrictEqual(coverage, { memories: 1, embedded: 1 }, "what it was is not counted")
  })
})

describe("an answer to who asks for vectors", () => {
  it("has as many as a megabyte holds, and says how far it looked", async () => {
    const dimensions = 8000
    const models = [modelOf("openai:small@8000", { dimensions }), modelOf("openai:small@8000", { dimensions })] as const
    const { covered, start, write } = mesh({ [A]: models[0], [B]: models[1] })
    const a = start(A)
    const ids = await Promise.all(Array.from({ length: 200 }, (_, at) => write(A, `title ${at}`)))
    await covered(A, ids)
    const asked = { embedder: models[0].model.id, dimensions, ids }
    const bytes = await a.runPromise(
      serveVectors.answer(asked).pipe(
        Effect.provide(Sharing.layer),
        Effect.provideService(Embedder, Option.some(models[0].model))
      )
    )
    assert.isAtMost(bytes.length, PeerApi.MAX_VECTORS_BYTES)
    const answer = Either.getOrThrow(wire.read(bytes, ids))
    assert.deepStrictEqual(answer.memories.map(({ id }) => id), ids.slice(0, answer.looked))
    assert.isAbove(answer.looked, 120)
    assert.isBelow(answer.looked, 132)
    void start(B)
    await covered(B, ids)
    assert.lengthOf(models[1].texts, 0)
  })
})
