import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { MemoryId } from "../../src/domain/ids.js"
import type { Memory } from "../../src/domain/Memory.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { archive } from "../../src/operations/archive/archive.js"
import { listArchive } from "../../src/operations/archive/listArchive.js"
import { collectExpired } from "../../src/operations/memories/collectExpired.js"
import * as Collector from "../../src/operations/memories/Collector.js"
import { forget } from "../../src/operations/memories/forget.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { remember } from "../../src/operations/memories/remember.js"
import { recall } from "../../src/operations/recall/recall.js"
import { Uses } from "../../src/operations/recall/Uses.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { storedElsewhere } from "../store/elsewhere.js"
import { memory } from "../store/memories.js"
import * as Node from "./node.js"

const start = Date.UTC(2026, 0, 15, 12)

/** A node whose clock stands at noon, and is the test's. */
const onNode = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.zipRight(TestClock.setTime(start), Effect.provide(test, Node.layer()))

const store = (title: string, seconds: number, tier: Memory["tier"] = "short") =>
  Effect.map(remember({ title, content: "plan", tier, ttl_secs: seconds }, Node.anonymous), ({ memory }) => memory.id)

const inArchive = Effect.map(listArchive({}), (found) => found.map(({ memory: { title } }) => title).sort())
const live = Effect.map(listMemories({}), (found) => found.map(({ title }) => title).sort())

/** A memory as another node wrote it, stamped so many seconds after noon. */
const receive = (oseq: number, fields: Partial<Omit<Memory, "id">> & { readonly id: string }, seconds: number) =>
  Effect.gen(function*() {
    const node = yield* MemoryStore
    const hlc = Stamp.fromMillis(start + seconds * 1000)
    const theirs = { ...memory(fields.id, "t", hlc), namespace: "global", ...fields, id: MemoryId.make(fields.id) }
    yield* node.receive([storedElsewhere(theirs, { oseq })])
  })

describe("the collector", () => {
  const minutes = (count: number) => TestClock.adjust(Duration.minutes(count))

  it.effect("collects by itself what no other node can have extended, again and again", () =>
    onNode(Effect.gen(function*() {
      yield* store("short", 60)
      yield* store("mid", 60, "mid")
      yield* store("alive", 3 * 86_400)
      // Between the first rounds: each comes 24 to 36 minutes after the one before.
      yield* minutes(23)
      assert.deepStrictEqual(yield* inArchive, [])
      yield* minutes(50)
      yield* Node.until(Effect.map(inArchive, (titles) => titles.length > 0))
      assert.deepStrictEqual(yield* inArchive, ["short"], "half an hour after it expired, by the second round")
      yield* minutes(12 * 60)
      yield* Node.until(Effect.map(inArchive, (titles) => titles.length > 1))
      assert.deepStrictEqual(yield* inArchive, ["mid", "short"], "half a day after it expired")
      assert.deepStrictEqual((yield* listArchive({})).map(({ reason }) => reason), ["ttl_expired", "ttl_expired"])
      assert.deepStrictEqual(yield* live, ["alive"])
    })))

  it.effect("is told at once by a client", () =>
    onNode(Effect.gen(function*() {
      yield* store("short", 60)
      yield* store("mid", 60, "mid")
      yield* minutes(1)
      assert.strictEqual((yield* collectExpired(Node.anonymous)).count, 2)
      assert.deepStrictEqual(yield* inArchive, ["mid", "short"])
    })))

  it.effect("leaves alone what this node was asked for", () =>
    onNode(Effect.gen(function*() {
      const id = yield* store("short", 40 * 60)
      const before = (yield* MemoryStore).vector()
      yield* recall({ context: "plan" })
      yield* (yield* Uses).flush
      yield* Node.until(Effect.map(listMemories({}), ([memory]) => memory?.access_count === 1))
      assert.strictEqual((yield* MemoryStore).vector(), before, "the others need not know yet")
      yield* minutes(59)
      assert.strictEqual((yield* collectExpired(Node.anonymous)).count, 0)
      yield* minutes(1)
      assert.strictEqual((yield* collectExpired(Node.anonymous)).count, 1)
      assert.strictEqual((yield* listArchive({}))[0]?.memory.id, id)
    })))

  it.effect("collects memories that stand behind others, and leaves those that do not", () =>
    onNode(Effect.gen(function*() {
      const expires = Stamp.fromMillis(start + 50_000)
      yield* receive(1, { id: "winner", title: "a" }, 20)
      yield* receive(2, { id: "shadow", title: "a", expires_at: expires }, 10)
      yield* receive(3, { id: "expiring", title: "b", expires_at: expires }, 20)
      yield* receive(4, { id: "behind", title: "b" }, 10)
      yield* minutes(1)
      assert.strictEqual((yield* collectExpired(Node.anonymous)).count, 2)
      assert.deepStrictEqual((yield* listArchive({})).map(({ memory: { id } }) => id).sort(), ["expiring", "shadow"])
      assert.deepStrictEqual((yield* listMemories({})).map(({ id }) => id).sort(), ["behind", "winner"])
    })))

  it("waits half an hour between rounds", () => {
    assert.strictEqual(Duration.toMinutes(Collector.INTERVAL), 30)
  })
})

describe("forget", () => {
  it.effect("takes what comes forward as well, as long as it matches", () =>
    onNode(Effect.gen(function*() {
      for (const oseq of [1, 2, 3]) yield* receive(oseq, { id: `m${oseq}`, namespace: "n", content: "old plan" }, oseq)
      yield* receive(4, { id: "kept", namespace: "n", content: "good" }, 0)
      const { count } = yield* forget({ namespace: "n", pattern: "plan" }, Node.anonymous)
      assert.strictEqual(count, 3)
      assert.deepStrictEqual((yield* listMemories({ namespace: "n" })).map(({ id }) => id), ["kept"])
      assert.deepStrictEqual((yield* listArchive({})).map(({ memory: { id } }) => id).sort(), ["m1", "m2", "m3"])
    })))

  it.effect("forgets what another node stamped ahead of this one's clock", () =>
    onNode(Effect.gen(function*() {
      yield* receive(1, { id: "ahead" }, 50)
      assert.strictEqual((yield* forget({ namespace: "global" }, Node.anonymous)).count, 1)
    })))
})

describe("archive", () => {
  it.effect("lets the memory behind come forward", () =>
    onNode(Effect.gen(function*() {
      yield* receive(1, { id: "winner" }, 2)
      yield* receive(2, { id: "shadow" }, 1)
      yield* archive({ ids: ["winner"] }, Node.anonymous)
      assert.deepStrictEqual((yield* listMemories({})).map(({ id }) => id), ["shadow"])
    })))
})
