import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AgentReader from "../../src/store/read/AgentReader.js"
import { after, insert, layer as library, now } from "./library.js"

const layer = Layer.provideMerge(AgentReader.layer, library)

const namespace = "_messages/bob"

const inbox = (asked: Partial<AgentReader.InboxPage> = {}) =>
  Effect.flatMap(
    AgentReader.AgentReader,
    (reader) => reader.inbox({ namespace, now, unreadOnly: false, limit: 100, offset: 0, ...asked })
  ).pipe(
    Effect.map(({ rows }) => rows.map(({ id }) => id))
  )

describe("inbox", () => {
  it.effect("has the messages of one title that were sent on two nodes at once, though one hides the other", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "first", namespace, title: "ping", created_at: after(-20), visible: false },
        { id: "second", namespace, title: "ping", created_at: after(-10) },
        { id: "third", namespace, title: "pong", created_at: after(-15) },
        { id: "elsewhere", namespace: "_messages/bob/x", title: "ping" }
      ])
      assert.deepStrictEqual(yield* inbox(), ["second", "third", "first"])
      assert.deepStrictEqual(yield* inbox({ limit: 2 }), ["second", "third"])
      assert.deepStrictEqual(yield* inbox({ limit: 2, offset: 1 }), ["third", "first"])
      assert.deepStrictEqual(yield* inbox({ since: after(-15) }), ["second", "third"])
    }).pipe(Effect.provide(layer)))

  it.effect("leaves out what has expired, and what was read where only the unread are wanted", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "expired", namespace, created_at: after(-9), expires_at: now },
        { id: "extended", namespace, created_at: after(-8), expires_at: now, extendedUntil: after(1) },
        { id: "read", namespace, created_at: after(-7), expires_at: after(1), access_count: 1 },
        { id: "unread", namespace, created_at: after(-6) }
      ])
      assert.deepStrictEqual(yield* inbox(), ["unread", "read", "extended"])
      assert.deepStrictEqual(yield* inbox({ unreadOnly: true }), ["unread", "extended"])
    }).pipe(Effect.provide(layer)))
})

describe("isRegistered", () => {
  it.effect("knows an agent by the title of its memory, exactly", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "1", namespace: "_agents", title: "agent:alice" },
        { id: "2", namespace: "elsewhere", title: "agent:bob" }
      ])
      const { isRegistered } = yield* AgentReader.AgentReader
      assert.isTrue(yield* isRegistered("alice"))
      for (const agentId of ["Alice", "alic", "bob", ""]) assert.isFalse(yield* isRegistered(agentId), agentId)
    }).pipe(Effect.provide(layer)))
})
