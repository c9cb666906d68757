import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import type { Stamp } from "../../src/domain/Stamp.js"
import * as quorate from "../../src/index.js"
import { SlotTaken } from "../../src/operations/errors.js"
import { Permissions } from "../../src/operations/writing/Permissions.js"
import * as Write from "../../src/operations/writing/Write.js"
import { type Decision, MemoryStore } from "../../src/store/MemoryStore.js"
import { keyed } from "./node.js"

type Mode = (typeof Permissions)["Service"]["mode"]

const node = (mode: Mode = "enforce", logged: Array<unknown> = []) =>
  quorate.MemoryNode.layer.pipe(
    Layer.provide(quorate.NodeConfig.layerWith({ db: ":memory:", permissionsMode: mode })),
    Layer.provideMerge(quorate.Metrics.layer),
    Layer.provideMerge(Logger.replace(
      Logger.defaultLogger,
      Logger.make(({ message }) => logged.push(...Array.isArray(message) ? message : [message]))
    ))
  )

const memory = (title: string, stamp: Stamp): Memory => ({
  id: MemoryId.make(randomUUID()),
  tier: "mid",
  namespace: "n",
  title,
  content: "c",
  tags: [],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: { agent_id: "owner" }
})

const storing = (title: string, stamp: Stamp): Decision => ({
  payload: { kind: "store", memory: memory(title, stamp) },
  baseHlc: null,
  covers: []
})

const head = (name: string, caller = Write.anonymous) => ({ name, counts: "created" as const, caller, request: [name] })

/** A write in which nobody has a say, and how often it decided. */
const ungoverned = (name: string, options: { readonly caller?: Write.Caller; readonly refuse?: boolean } = {}) => {
  const runs: Array<string> = []
  const write = Write.one({
    ...head(name, options.caller),
    governed: "ungoverned",
    prepare: () => Effect.succeed(name),
    decide: ({ stamp }, title): Either.Either<Decision, SlotTaken> => {
      runs.push(title)
      return options.refuse === true
        ? Either.left(new SlotTaken({ namespace: "n", existingId: "other" }))
        : Either.right(storing(title, stamp))
    },
    answer: ({ acknowledged, operation }, title) => ({ ...acknowledged, title, entity: operation.entity })
  })
  return { runs, write }
}

/** One that the rules of its namespace are asked about. */
const governed = (name: string, caller = Write.anonymous) => {
  const runs: Array<string> = []
  const write = Write.one({
    ...head(name, caller),
    governed: { action: "store" },
    prepare: () => Effect.void,
    decide: ({ stamp }, _, { agentId }) => {
      runs.push(agentId)
      return Either.right({ decision: storing(name, stamp), memory: memory(name, stamp) })
    },
    answer: Write.withMemory
  })
  return { runs, write }
}

const govern = (write: "any" | "registered" | "owner" | "approve") =>
  quorate.setStandard({ namespace: "n", governance: { write, delete: "any", approver: "human" } })

const counts = Effect.map(Permissions, (permissions) => ({ ...permissions.counts }))

/** How many operations are in the log. */
const written = Effect.map(
  MemoryStore,
  (store) => store.operations({ origin: store.origin(), from: 1, to: 1000 }, 1000)
)
  .pipe(Effect.flatten, Effect.map((log) => log.length))

/** Together with a job that fails, so that all that waits is undone and run again. */
const besideFailing = <A, E, R>(write: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const failing = store.local(() => {
      throw new Error("of no other's concern")
    })
    const [done] = yield* Effect.all([write, Effect.exit(failing)], { concurrency: "unbounded" })
    return done
  })

/** What was counted of writes, beside what is nought. */
const counted = Effect.map(quorate.Metrics.Metrics, ({ snapshot }) =>
  Object.fromEntries(
    snapshot().flatMap(({ metricKey, metricState }) =>
      metricKey.name === "memory_writes_total" && "count" in metricState && metricState.count !== 0
        ? [[metricKey.tags.map(({ value }) => value).join(), metricState.count]]
        : []
    )
  ))

describe("a write", () => {
  it.live("that is ungoverned prepares, decides, and answers once the quorum holds it", () =>
    Effect.gen(function*() {
      const { runs, write } = ungoverned("a")
      const done = yield* write
      assert.deepStrictEqual([done.title, done.acks, runs], ["a", 1, ["a"]])
      assert.strictEqual((yield* quorate.getMemory(done.entity)).title, "a")
      assert.deepStrictEqual(yield* counted, { created: 1 })
    }).pipe(Effect.provide(node())))

  it.live("is counted by what became of it, and not when the caller made a mistake", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(ungoverned("a", { refuse: true }).write)
      assert.strictEqual(refused._tag, "SlotTaken")
      assert.deepStrictEqual([yield* counted, yield* written], [{ conflict: 1 }, 0])
      yield* Effect.flip(quorate.remember({ title: "", content: "c" }))
      assert.deepStrictEqual([yield* counted, yield* written], [{ conflict: 1 }, 0])
    }).pipe(Effect.provide(node())))

  it.live("is counted on its node, also when another one is in the same process", () =>
    Effect.gen(function*() {
      /** On a node of its own, which is there for as long as the other. */
      const alone = <A, E>(write: Effect.Effect<A, E, Write.WriteServices>) =>
        write.pipe(
          Effect.zipRight(Effect.sleep("50 millis")),
          Effect.zipRight(counted),
          Effect.provide(node())
        )
      const bulk = quorate.bulk([{ title: "one", content: "c" }, { title: "two", content: "c" }, {}])
      const counts = yield* Effect.all([
        alone(Effect.zip(ungoverned("a").write, bulk)),
        alone(ungoverned("b").write)
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(counts, [{ created: 3 }, { created: 1 }])
    }))

  it.live("under the same key is the same write, and decides no second time", () =>
    Effect.gen(function*() {
      const { runs, write } = ungoverned("a", { caller: keyed("k") })
      const first = yield* write
      const second = yield* write
      assert.deepStrictEqual([second, runs, yield* written], [first, ["a"], 1])
      const { write: other } = ungoverned("b", { caller: keyed("k") })
      assert.strictEqual((yield* Effect.flip(other))._tag, "KeyReused")
      assert.deepStrictEqual([yield* counted, yield* written], [{ created: 2, conflict: 1 }, 1])
    }).pipe(Effect.provide(node())))

  it.live("that is run again because of another one is there once, and counted once", () =>
    Effect.gen(function*() {
      const { runs, write } = ungoverned("a")
      const done = yield* besideFailing(write)
      assert.deepStrictEqual([runs, yield* written, yield* counted], [["a", "a"], 1, { created: 1 }])
      assert.strictEqual((yield* quorate.getMemory(done.entity)).title, "a")
    }).pipe(Effect.provide(node())))
})

describe("a governed write", () => {
  const nothing = { allowed: 0, denied: 0, queued: 0 }

  it.live("is done where nobody set any rules, and nothing is noted of it", () =>
    Effect.gen(function*() {
      yield* governed("a").write
      assert.deepStrictEqual([yield* counts, yield* written], [nothing, 1])
    }).pipe(Effect.provide(node())))

  it.live("is done where the rules allow it", () =>
    Effect.gen(function*() {
      yield* govern("any")
      const { memory } = yield* governed("a").write
      assert.strictEqual(memory.title, "a")
      assert.deepStrictEqual(yield* counts, { ...nothing, allowed: 1 })
    }).pipe(Effect.provide(node())))

  it.live("is refused where they forbid it, and nothing is written", () =>
    Effect.gen(function*() {
      yield* govern("registered")
      const before = yield* written
      const refused = yield* Effect.flip(governed("a").write)
      assert.deepInclude(refused, {
        _tag: "Denied",
        detail: "store denied by governance: the caller is not a registered agent"
      })
      assert.deepStrictEqual([yield* counts, yield* written], [{ ...nothing, denied: 1 }, before])
      yield* quorate.registerAgent({ agent_id: "ann", agent_type: "human" })
      yield* governed("a", keyed("k")).write
      assert.deepStrictEqual(yield* counts, { ...nothing, denied: 1, allowed: 1 })
    }).pipe(Effect.provide(node())))

  it.live("is queued where they ask for approval, under its key once", () =>
    Effect.gen(function*() {
      yield* govern("approve")
      const before = yield* written
      const { runs, write } = governed("a", keyed("k"))
      const first = yield* Effect.flip(write)
      const second = yield* Effect.flip(write)
      assert(first._tag === "AwaitingApproval" && second._tag === "AwaitingApproval")
      assert.deepStrictEqual([second.pendingId, second.opId], [first.pendingId, first.opId])
      assert.deepStrictEqual([runs, yield* written], [["ann"], before + 1])
      assert.deepStrictEqual(yield* counts, { ...nothing, queued: 1 }, "a repeated write asks no rules")
    }).pipe(Effect.provide(node())))

  it.live("that is run again because of another one is noted once", () =>
    Effect.gen(function*() {
      yield* govern("approve")
      const queued = governed("a")
      yield* Effect.flip(besideFailing(queued.write))
      assert.deepStrictEqual([queued.runs.length, yield* counts], [2, { ...nothing, queued: 1 }])
      yield* govern("registered")
      const denied = governed("b")
      yield* Effect.flip(besideFailing(denied.write))
      assert.deepStrictEqual([denied.runs.length, yield* counts], [2, { ...nothing, queued: 1, denied: 1 }])
    }).pipe(Effect.provide(node())))

  it.live("is done where the rules only advise, which is noted and logged", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function*() {
      for (const rule of ["approve", "registered", "any"] as const) {
        yield* govern(rule)
        yield* governed(rule).write
      }
      assert.deepStrictEqual(yield* counts, { allowed: 1, denied: 1, queued: 1 })
      assert.deepStrictEqual(logged.filter((line) => String(line).startsWith("governance")), [
        "governance (advisory): store would need approval",
        "governance (advisory): store would be denied: the caller is not a registered agent"
      ])
    }).pipe(Effect.provide(node("advisory", logged)))
  })

  it.live("is done where nobody looks at the rules, and nothing is noted", () =>
    Effect.gen(function*() {
      yield* govern("approve")
      yield* governed("a").write
      assert.deepStrictEqual(yield* counts, nothing)
    }).pipe(Effect.provide(node("off"))))
})

describe("a write of several operations", () => {
  const several = (titles: ReadonlyArray<string>, caller = Write.anonymous) =>
    Write.together({
      ...head("several", caller),
      request: titles,
      governed: "ungoverned",
      prepare: () => Effect.succeed(titles.length),
      decide: (batch, count) => {
        if (count === 0) return Either.left(new SlotTaken({ namespace: "n", existingId: "other" }))
        for (const title of titles) batch.write(storing(title, batch.now().stamp))
        return Either.right(titles.join())
      },
      settle: ({ answer, written }, count) =>
        Effect.map(Write.acknowledge(written), ({ acks }) => ({ acks, answer, count, written: written.length }))
    })

  it.live("is one transaction, and under the same key the same one", () =>
    Effect.gen(function*() {
      const first = yield* several(["a", "b"], keyed("k"))
      assert.deepStrictEqual(first, { acks: 1, answer: Option.some("a,b"), count: 2, written: 2 })
      const again = yield* several(["a", "b"], keyed("k"))
      assert.deepStrictEqual(again, { ...first, answer: Option.none() })
      assert.strictEqual((yield* Effect.flip(several([])))._tag, "SlotTaken")
      assert.deepStrictEqual([yield* written, yield* counted], [2, { created: 2, conflict: 1 }])
    }).pipe(Effect.provide(node())))

  it.live("that is run again because of another one is there once", () =>
    Effect.gen(function*() {
      yield* besideFailing(several(["a", "b"]))
      assert.deepStrictEqual([yield* written, yield* counted], [2, { created: 1 }])
    }).pipe(Effect.provide(node())))

  it.live("may have any number, and is counted once", () =>
    Effect.gen(function*() {
      const titles = Chunk.map(Chunk.range(1, 300), String)
      const many = Write.inChunks({
        ...head("many"),
        governed: "ungoverned",
        prepare: () => Effect.succeed(titles),
        items: (_, prepared) => Stream.fromChunk(prepared),
        write: (batch, title) => batch.write(storing(title, batch.now().stamp))
      })
      assert.deepInclude(yield* many, { acks: 1, count: 300 })
      assert.deepStrictEqual([yield* written, yield* counted], [300, { created: 1 }])
    }).pipe(Effect.provide(node())))
})

describe("verbs", () => {
  it.live("have a caller when nobody says who calls", () =>
    Effect.gen(function*() {
      const store = (title: string) =>
        Effect.map(quorate.remember({ title, content: title }), ({ memory }) => memory.id)
      const [one, two, three] = [yield* store("one"), yield* store("two"), yield* store("three")]
      const ends = { source_id: one, target_id: two }
      yield* quorate.link(ends)
      yield* quorate.kgInvalidate({ ...ends, relation: "related_to" })
      assert.strictEqual((yield* quorate.unlink(ends)).removed, 1)
      yield* quorate.update(one, { content: "new" })
      yield* quorate.promote(one)
      yield* quorate.archive({ ids: [one] })
      yield* quorate.restore(one)
      yield* quorate.consolidate({ ids: [one, two], title: "both", summary: "both" })
      yield* quorate.remove(three)
      yield* quorate.bulk([{ title: "four", content: "four" }])
      assert.strictEqual((yield* quorate.forget({ pattern: "four" })).count, 1)
      assert.strictEqual((yield* quorate.purgeArchive()).count, 1)
      yield* quorate.collectExpired()
      yield* quorate.importData([])
      yield* quorate.registerEntity({ canonical_name: "Ann", namespace: "people" })
      yield* quorate.registerAgent({ agent_id: "ann", agent_type: "human" })
      yield* quorate.notify({ to: "ann", title: "t", payload: "p" })
      assert.lengthOf((yield* quorate.inbox({ agentId: "ann" })).messages, 1)
      assert.strictEqual((yield* quorate.startSession()).agentId._tag, "None")
      yield* govern("approve")
      const asks = Effect.flip(quorate.remember({ title: "t", content: "c", namespace: "n" }))
      const [first, second] = [yield* asks, yield* asks]
      assert(first._tag === "AwaitingApproval" && second._tag === "AwaitingApproval")
      assert.strictEqual((yield* quorate.approve(first.pendingId))._tag, "Approved")
      yield* quorate.reject(second.pendingId)
      assert.isTrue((yield* quorate.clearStandard("n")).cleared)
      assert.strictEqual((yield* Effect.flip(quorate.resolveConflict(one, { keep: "winner" })))._tag, "NotFound")
    }).pipe(Effect.provide(node())))
})
