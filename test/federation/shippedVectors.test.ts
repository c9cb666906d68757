import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import * as Memory from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Embedder, type Model } from "../../src/embedding/Embedder.js"
import { push } from "../../src/federation/inbound/receive.js"
import { ShippedVectors } from "../../src/federation/wire/ShippedVectors.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as Shipping from "../../src/operations/recall/Shipping.js"
import { LocalWriteFailed } from "../../src/store/errors.js"
import { VectorStore } from "../../src/store/vectors/VectorStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNode } from "./inProcess.js"

const MINILM = "all-MiniLM-L6-v2 (384-dim, local)"
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }

/** A model that makes the same of every text, once it is let. */
const modelOf = (changes: Partial<Model> = {}) => {
  const texts: Array<string> = []
  const latch = Effect.runSync(Effect.makeLatch(false))
  const model: Model = {
    id: "minilm-l6-v2/1",
    dimensions: 2,
    maxTokens: 256,
    embed: (asked) =>
      latch.whenOpen(Effect.sync(() => {
        texts.push(...asked)
        return asked.map(() => {
          const vector = new Float32Array(model.dimensions)
          vector[1] = 1
          return vector
        })
      })),
    ...changes
  }
  return { model, texts, open: () => Effect.runSync(latch.open) }
}

let node: Node | undefined
afterEach(() => node?.dispose())

const started = (model: Model, others: ReadonlyArray<string> = [], network = new Network()) => {
  node = startNode(network, "http://me", others, { w: 1, firstRoundAfter: "100 millis", embedder: () => model })
  return node
}

const standing = async (of: Node, { model }: ReturnType<typeof modelOf>, id: string) =>
  Option.getOrNull(await of.runPromise(Effect.flatMap(VectorStore, (vectors) => vectors.standing(model, id))))
const vectorAt = async (of: Node, made: ReturnType<typeof modelOf>, id: string) => {
  await until("it has a vector", async () => ((await standing(of, made, id))?.vectors.length ?? 0) > 0)
  return Array.from((await standing(of, made, id))?.vectors[0] ?? []).map((each) => Math.round(each * 20) / 20)
}

const rowOf = (changes: object = {}) => {
  const now = Stamp.fromMillis(Date.now())
  return {
    ...{ id: randomUUID(), tier: "long", namespace: "n", title: randomUUID(), content: "c", tags: [], priority: 5 },
    ...{ confidence: 1, source: "api", access_count: 0, created_at: now, updated_at: now, metadata: {} },
    ...changes
  }
}
const itemOf = (id: string, changes: object = {}) => ({
  memory_id: id,
  model: MINILM,
  dim: 2,
  vector: [0.6, 0.8],
  ...changes
})
const send = (of: Node, lists: object) =>
  of.runPromise(push({ sender_agent_id: "host:rust", memories: [], ...lists }, {}))

const SHIPPED = [0.6, 0.8]
const OWN = [0, 1]

describe("a vector that came with a row of an original node", () => {
  const cases: ReadonlyArray<readonly [name: string, items: ReadonlyArray<object>, kept: ReadonlyArray<number>]> = [
    ["of this node's model is kept", [{}], SHIPPED],
    ["of its model by another name is kept", [{ model: "sentence-transformers/all-MiniLM-L6-v2" }], SHIPPED],
    ["of another length is brought to 1", [{ vector: [30, 40] }], SHIPPED],
    ["is kept when it is the last of its id", [{ vector: [1, 0] }, {}], SHIPPED],
    ["is not kept when another of its id comes later", [{}, { dim: 3 }], OWN],
    ["of another model is embedded here", [{ model: "sender-model" }], OWN],
    ["of other dimensions is embedded here", [{ dim: 3, vector: [0.6, 0.8, 0] }], OWN],
    ["of other numbers than it says is embedded here", [{ vector: [0.6, 0.8, 0] }], OWN],
    ["beyond 32 bits is embedded here", [{ vector: [1e39, 0] }], OWN],
    ["without a direction is embedded here", [{ vector: [0, 0] }], OWN],
    ["of none of the rows is ignored", [{ memory_id: randomUUID() }], OWN]
  ]
  for (const [name, items, kept] of cases) {
    it(name, async () => {
      const made = modelOf()
      const me = started(made.model)
      const row = rowOf()
      const answer = await send(me, { memories: [row], embeddings: items.map((item) => itemOf(row.id, item)) })
      assert.strictEqual(answer.applied, 1)
      if (kept === OWN) made.open()
      assert.deepStrictEqual(await vectorAt(me, made, row.id), kept)
    })
  }

  it("is kept at the memory that its row became part of", async () => {
    const made = modelOf()
    const me = started(made.model)
    const row = rowOf()
    await send(me, { memories: [row] })
    const other = rowOf({ title: row.title, content: "newer", updated_at: Stamp.fromMillis(Date.now() + 5) })
    await send(me, { memories: [other], embeddings: [itemOf(other.id)] })
    assert.deepStrictEqual(await vectorAt(me, made, row.id), SHIPPED)
  })

  it("stays when one is made meanwhile", async () => {
    const made = modelOf()
    const me = started(made.model)
    const row = rowOf()
    await send(me, { memories: [row], embeddings: [itemOf(row.id)] })
    assert.deepStrictEqual(await vectorAt(me, made, row.id), SHIPPED)
    const rid = (await standing(me, made, row.id))?.rid ?? 0
    const late = [{ rid, vectors: [Float32Array.from(OWN)] }]
    await me.runPromise(Effect.flatMap(VectorStore, (vectors) => vectors.keep(made.model, late)))
    assert.deepStrictEqual(await vectorAt(me, made, row.id), SHIPPED)
  })

  it("of a text that this node does not have, or not as a whole, is not kept", async () => {
    const made = modelOf()
    const me = started(made.model)
    const [known, long] = [rowOf({ content: "newer" }), rowOf({ content: "A long text. ".repeat(200) })]
    await send(me, { memories: [known] })
    const older = { ...known, content: "older", updated_at: Stamp.fromMillis(Date.now() - 60_000) }
    const answer = await send(me, { memories: [older, long], embeddings: [itemOf(known.id), itemOf(long.id)] })
    assert.strictEqual(answer.applied, 2)
    made.open()
    assert.deepStrictEqual(await vectorAt(me, made, known.id), OWN)
    assert.deepStrictEqual(await vectorAt(me, made, long.id), OWN)
  })

  it("of a row that was not applied is not looked at", async () => {
    const made = modelOf()
    const me = started(made.model)
    const [dry, invalid] = [rowOf(), rowOf({ priority: 99 })]
    await send(me, { memories: [dry], embeddings: [itemOf(dry.id)], dry_run: true })
    const answer = await send(me, { memories: [invalid], embeddings: [itemOf(invalid.id)] })
    assert.deepInclude(answer, { applied: 0, skipped: 1 })
    assert.isNull(await standing(me, made, dry.id))
    assert.isNull(await standing(me, made, invalid.id))
  })

  it("is never of the built-in model", async () => {
    const made = modelOf({ id: "static-minilm-l6-v2/1" })
    const me = started(made.model)
    const row = rowOf()
    await send(me, { memories: [row], embeddings: [itemOf(row.id, { model: "static-minilm-l6-v2/1" })] })
    made.open()
    assert.deepStrictEqual(await vectorAt(me, made, row.id), OWN)
  })

  it("is ignored by a node that embeds nothing", async () => {
    node = startNode(new Network(), "http://me", [], { w: 1 })
    const row = rowOf()
    assert.strictEqual((await send(node, { memories: [row], embeddings: [itemOf(row.id)] })).applied, 1)
  })

  it("has the whole push refused when it is of the wrong shape, and when there are too many", async () => {
    const me = started(modelOf().model)
    const row = rowOf()
    const refusal = (embeddings: unknown) =>
      me.runPromise(Effect.flip(push({ sender_agent_id: "host:rust", memories: [row], embeddings }, {})))
    for (const wrong of [{ dim: -2 }, { dim: 2.5 }, { vector: [null, 1] }, { model: undefined }, { memory_id: 7 }]) {
      const refused = await refusal([itemOf(row.id, wrong)])
      assert.deepInclude(refused, { status: 400 })
      assert.match(refused.message, /^malformed sync_push body: embeddings\[0\]/)
    }
    assert.match((await refusal(5)).message, /^malformed sync_push body: embeddings must be an array/)
    const many = await refusal(Array.from({ length: 1001 }, () => itemOf(row.id)))
    assert.deepInclude(many, { status: 400, error: "sync_push limited to 1000 embeddings per request" })
    assert.isNull(await standing(me, modelOf(), row.id))
  })
})

/** A store in which these rows stand, each at its place among them. */
const storeOf = (rows: ReadonlyArray<Memory.Memory>, keep: VectorStore["Type"]["keep"]) => {
  const unused = () => Effect.dieMessage("nobody asks")
  return VectorStore.of({
    ...{ lackingIds: unused, stillLacking: unused, greatest: Effect.succeed(0), take: unused, kept: unused },
    ...{ lacking: unused, nearest: unused, cosines: unused, coverage: unused, sweep: unused, keep },
    standing: (_, id) => {
      const rid = rows.findIndex((row) => row.id === id)
      const { content = "", title = "" } = rows[rid] ?? {}
      return Effect.succeed(Option.some({ rid, title, content, vectors: [] }))
    }
  })
}
const decoded = (...rows: ReadonlyArray<object>) => rows.map((row) => Either.getOrThrow(Memory.decode(rowOf(row))))

describe("a vector that can not be kept", () => {
  it("is a warning that names its memory and its model, and the next one is kept", async () => {
    const made = modelOf()
    const kept: Array<number> = []
    const warnings: Array<string> = []
    const rows = decoded({ title: "fails" }, { title: "works" })
    const store = storeOf(rows, (_, embedded) =>
      embedded.some(({ rid }) => rid === 0)
        ? new LocalWriteFailed({ detail: "no room" })
        : Effect.sync(() => kept.push(...embedded.map(({ rid }) => rid))))
    const program = Effect.gen(function*() {
      const { receive } = yield* ShippedVectors
      for (const row of rows) {
        yield* receive([row], [itemOf(row.id)])
        yield* Effect.sleep("20 millis")
      }
    })
    await Effect.runPromise(program.pipe(
      Effect.provide(Shipping.layer.pipe(
        Layer.provide(Layer.merge(
          Layer.succeed(VectorStore, store),
          Layer.succeed(Embedder, Option.some(made.model))
        )),
        Layer.provide(
          Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => warnings.push(String(message))))
        )
      ))
    ))
    assert.deepStrictEqual(warnings, [
      `sync_push: storing shipped embedding failed for ${
        rows[0]?.id
      } (model ${MINILM}): the local write failed and was rolled back: no room`
    ])
    assert.deepStrictEqual(kept, [1])
  })
})

describe("what waits of vectors", () => {
  const shipping = (model: Model, store: VectorStore["Type"]) =>
    Shipping.layer.pipe(
      Layer.provide(Layer.merge(Layer.succeed(VectorStore, store), Layer.succeed(Embedder, Option.some(model))))
    )

  it("has a bound in bytes: what comes beyond it is embedded here", async () => {
    const { model } = modelOf({ maxTokens: 100_000 })
    const rows = decoded(...Array.from({ length: 400 }, () => ({ content: "a".repeat(60_000) })))
    let kept = 0
    const store = storeOf(rows, (_, embedded) =>
      Effect.sync(() => {
        kept += embedded.length
      }))
    await Effect.runPromise(
      Effect.gen(function*() {
        const { receive } = yield* ShippedVectors
        yield* receive(rows, rows.map(({ id }) => itemOf(id)))
        yield* Effect.sleep("100 millis")
        assert.isBelow(kept, 150)
        assert.isAbove(kept, 100)
        // What was looked at has made room.
        yield* receive(rows, rows.slice(0, 100).map(({ id }) => itemOf(id)))
        const before = kept
        yield* Effect.sleep("100 millis")
        assert.strictEqual(kept, before + 100)
      }).pipe(Effect.provide(shipping(model, store)))
    )
  })

  it("for pushes is sixteen texts at once: those of more go without", async () => {
    let asked = 0
    const { model } = modelOf({
      dimensions: 384,
      embed: () =>
        Effect.suspend(() => {
          asked += 1
          return Effect.never
        })
    })
    const rows = decoded(...Array.from({ length: 40 }, () => ({})))
    const store = storeOf(rows, () => Effect.void)
    await Effect.runPromise(
      Effect.gen(function*() {
        const { of } = yield* ShippedVectors
        const found = yield* Effect.forEach(rows, (row) => of(row, true), { concurrency: "unbounded" })
        assert.isTrue(found.every(Option.isNone))
        assert.strictEqual(asked, 16)
      }).pipe(Effect.provide(shipping(model, store)))
    )
  })
})

describe("what an original node is sent of a memory", () => {
  /** What it was pushed, and when. */
  const meshOf = (model: Model) => {
    const network = new Network()
    const pushes: Array<Record<string, unknown>> = []
    network.strangers.set("http://rust", (path, body) => {
      if (path.startsWith("/api/v1/sync/since")) return { status: 200, body: JSON.stringify({ memories: [] }) }
      if (body === undefined) return { status: 404, body: "" }
      const request = JSON.parse(body)
      pushes.push(request)
      return { status: 200, body: JSON.stringify({ applied: request.memories.length }) }
    })
    const me = started(model, ["http://rust"], network)
    const write = (title: string) =>
      me.runPromise(Effect.map(remember({ title, content: "c" }, nobody), ({ memory }) => memory.id))
    const pushOf = async (title: string) => {
      const found = () => pushes.find(({ memories }) => Object(memories)[0]?.title === title)
      await until("it is told", async () => found() !== undefined)
      return found() ?? {}
    }
    return { me, network, write, pushOf }
  }

  it("has its vector, of a quick model of a dimension that it takes, and the text is embedded once", async () => {
    const made = modelOf({ dimensions: 384 })
    made.open()
    const { me, pushOf, write } = meshOf(made.model)
    const vector = Array.from({ length: 384 }, (_, at) => at === 1 ? 1 : 0)
    for (const title of ["a", "b", "c", "d", "e"]) {
      const id = await write(title)
      const { embeddings } = await pushOf(title)
      assert.deepStrictEqual(embeddings, [{ memory_id: id, model: MINILM, dim: 384, vector }])
      assert.strictEqual((await vectorAt(me, made, id)).length, 384)
    }
    await new Promise((resolve) => setTimeout(resolve, 400))
    // What embeds in the background may have come upon one of them in between.
    assert.isAtMost(made.texts.length, 6)
  })

  it("has none, not even the key, of another dimension, of the built-in model, and of a text in parts", async () => {
    for (
      const changes of [{ dimensions: 256 }, { dimensions: 384, id: "static-big/1" }, { dimensions: 384, maxTokens: 1 }]
    ) {
      const made = modelOf(changes)
      made.open()
      const { pushOf, write } = meshOf(made.model)
      await write("a longer title")
      assert.notProperty(await pushOf("a longer title"), "embeddings")
      await node?.dispose()
    }
  })

  it("is not kept waiting by a model that is slow, which is not asked again at once", async () => {
    const made = modelOf({ dimensions: 384 })
    const { pushOf, write } = meshOf(made.model)
    await write("slow")
    assert.notProperty(await pushOf("slow"), "embeddings")
    made.open()
    await until("it is embedded", async () => made.texts.length > 0)
    await write("second")
    assert.notProperty(await pushOf("second"), "embeddings")
  })

  it("has the vector that is kept when it is told later", async () => {
    const made = modelOf({ dimensions: 384 })
    made.open()
    const { me, network, pushOf, write } = meshOf(made.model)
    network.cut.add("http://rust")
    const id = await write("later")
    await vectorAt(me, made, id)
    network.cut.delete("http://rust")
    const { embeddings } = await pushOf("later")
    assert.deepInclude(Object(embeddings)[0], { memory_id: id, dim: 384 })
    assert.closeTo(Object(embeddings)[0].vector[1], 1, 0.001)
  })
})
