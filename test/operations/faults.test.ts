import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Memory } from "../../src/domain/Memory.js"
import * as quorate from "../../src/index.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"

/* Ids that were taken over more than once, and slots whose holder has expired, where governance looks at them. */

const node = quorate.MemoryNode.layer.pipe(Layer.provide(quorate.NodeConfig.layerWith({ db: ":memory:" })))

const as = (agent: string): quorate.Caller => ({ agentId: Option.some(agent), idempotencyKey: Option.none() })
const PAST = "2020-01-01T00:00:00.000000000+00:00"

const owner = as("owner")
const stranger = as("stranger")

const store = (title: string, more: object = {}) =>
  Effect.map(quorate.remember({ title, content: title, ...more }, owner), ({ memory }) => memory.id)

/** The id of the one memory that took the place of two. */
const merged = (title: string, ids: ReadonlyArray<string>, more: object = {}) =>
  Effect.map(quorate.consolidate({ ids, title, summary: title, ...more }, owner), ({ memory }) => memory.id)

/** A namespace of its own rules, whose standard is a memory with an id. */
const govern = (namespace: string, rules: object, id?: string) =>
  quorate.setStandard({ namespace, governance: { write: "any", ...rules }, id }, owner)

const removeAs = (id: string, caller: quorate.Caller) => quorate.remove(id, { caller, ifMatch: Option.none() })

/** The id of the pending action that a write comes to. */
const queued = <A, E, R>(write: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.flip(write), (refused) => {
    assert(refused instanceof quorate.errors.AwaitingApproval, String(refused))
    return Effect.succeed(refused.pendingId)
  })

const isGone = (id: string) => Effect.map(Effect.either(quorate.getMemory(id)), ({ _tag }) => _tag === "Left")

describe("governance of what was taken over", () => {
  it.live("holds when the standard was consolidated, once and again", () =>
    Effect.gen(function*() {
      const standard = yield* store("standard")
      yield* govern("ruled", { delete: "approve", approver: "human" }, standard)
      const ids = yield* Effect.forEach(["a", "b", "c"], (title) => store(title, { namespace: "ruled" }))
      const [a = "", b = "", c = ""] = ids
      yield* queued(removeAs(a, stranger))
      const once = yield* merged("once", [standard, yield* store("w")])
      yield* queued(removeAs(b, stranger))
      const twice = yield* merged("twice", [once, yield* store("v")])
      yield* queued(removeAs(c, stranger))
      assert.strictEqual((yield* quorate.standardOf("ruled")).standardId, twice)
      yield* Effect.forEach(ids, (id) => Effect.map(isGone(id), assert.isFalse))
    }).pipe(Effect.provide(node)))

  it.live("deletes and promotes what took the place of what was asked for, once and again", () =>
    Effect.gen(function*() {
      yield* govern("ruled", { delete: "approve", promote: "approve", approver: "human" })
      const namespace = { namespace: "ruled" }
      const asked = yield* store("asked", namespace)
      const [deletion, promotion] = yield* Effect.all([
        queued(removeAs(asked, stranger)),
        queued(quorate.promote(asked, stranger))
      ])
      const once = yield* merged("once", [asked, yield* store("w", namespace)], { ...namespace, tier: "short" })
      const twice = yield* merged("twice", [once, yield* store("v", namespace)], { ...namespace, tier: "short" })
      const promoted = yield* quorate.approve(promotion, owner)
      assert.deepInclude(promoted, { _tag: "Approved", memoryId: twice })
      assert.strictEqual((yield* quorate.getMemory(twice)).tier, "long")
      const deleted = yield* quorate.approve(deletion, owner)
      assert.deepInclude(deleted, { _tag: "Approved", memoryId: twice })
      assert.isTrue(yield* isGone(twice))
    }).pipe(Effect.provide(node)))
})

describe("an approved store onto the title of an expired memory", () => {
  /** A memory that expired long ago and was not collected yet. */
  const expired = (namespace: string) =>
    Effect.gen(function*() {
      const { memory } = yield* quorate.remember(
        { title: "t", content: "old", namespace, priority: 9, tags: ["old"] },
        owner
      )
      const { commit } = yield* MemoryStore
      yield* commit((now) => {
        const { version } = now.byId(memory.id) ?? assert.fail("it is not there")
        return Either.right({
          payload: { kind: "store", memory: { ...memory, updated_at: now.stamp, expires_at: PAST } },
          baseHlc: version.hlc,
          covers: [version]
        })
      }, null)
      return memory
    })

  const request = { title: "t", content: "new", priority: 2 }
  const told = ({ content, metadata, priority, tags }: Memory) => ({
    content,
    priority,
    tags,
    owner: metadata["agent_id"]
  })

  it.live("makes a new memory, as an ungoverned one does", () =>
    Effect.gen(function*() {
      const before = yield* expired("free")
      const { memory: free } = yield* quorate.remember({ ...request, namespace: "free" }, stranger)
      assert.notStrictEqual(free.id, before.id)
      assert.strictEqual((yield* quorate.getMemory(before.id)).id, free.id)

      const old = yield* expired("ruled")
      yield* govern("ruled", { write: "approve", delete: "any", approver: "human" })
      const pending = yield* queued(quorate.remember({ ...request, namespace: "ruled" }, stranger))
      const approved = yield* quorate.approve(pending, owner)
      assert(approved._tag === "Approved" && approved.memoryId !== null)
      const ruled = yield* quorate.getMemory(approved.memoryId)
      assert.notStrictEqual(ruled.id, old.id, "its own id")
      assert.deepStrictEqual(told(ruled), told(free), "its own fields")
      assert.strictEqual((yield* quorate.getMemory(old.id)).id, ruled.id, "the old id stands for it")
      assert.lengthOf(yield* quorate.listMemories({ namespace: "ruled", minPriority: 1 }), 2, "it and the standard")
    }).pipe(Effect.provide(node)))
})
