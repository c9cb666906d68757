import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { MAX_PAGE_BYTES } from "../../src/domain/limits.js"
import type { Memory } from "../../src/domain/Memory.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { conflictsPage, listConflicts } from "../../src/operations/memories/listConflicts.js"
import { listMemories } from "../../src/operations/memories/listMemories.js"
import { remember } from "../../src/operations/memories/remember.js"
import { remove } from "../../src/operations/memories/remove.js"
import { type ResolveConflict, resolveConflict } from "../../src/operations/memories/resolveConflict.js"
import { update } from "../../src/operations/memories/update.js"
import type { Caller } from "../../src/operations/writing/Written.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import type { Conflict } from "../../src/store/read/ConflictReader.js"
import { Network, type Node, startNodes } from "../federation/inProcess.js"
import { until } from "../mesh/Cluster.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody: Caller = { agentId: Option.none(), idempotencyKey: Option.none() }
const keyed = (key: string): Caller => ({ agentId: Option.none(), idempotencyKey: Option.some(key) })

describe("conflicts", () => {
  let nodes: ReadonlyArray<Node> = []
  let network = new Network()
  afterEach(() => Promise.all(nodes.map((node) => node.dispose())))

  const start = async () => {
    network = new Network()
    nodes = startNodes(network, [A, B, C], { w: 1 })
    await settled()
  }
  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }
  const states = () =>
    Promise.all(
      nodes.map((node) =>
        node.runPromise(Effect.map(MemoryStore, (store) => ({ vector: store.vector(), digest: store.digest() })))
      )
    )
  /** Waits until all nodes hold the same, and checks that they came to the same by it. */
  const settled = async () => {
    await until("equal vectors", async () => {
      const [first, ...rest] = await states()
      return first !== undefined && rest.every(({ vector }) => VersionVector.equals(first.vector, vector))
    })
    assert.lengthOf(new Set((await states()).map(({ digest }) => digest)), 1, "equal vectors, equal digests")
  }
  /** What each node does while no node hears another. */
  const apart = async (...writes: ReadonlyArray<() => Promise<unknown>>) => {
    for (const url of [A, B, C]) network.cut.add(url)
    for (const write of writes) {
      await write()
      // Stamps of different nodes: the later write has the later one.
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    network.cut.clear()
    await settled()
  }
  const store = (index: number, title: string, content: string) =>
    at(index).runPromise(Effect.map(remember({ title, content }, nobody), ({ memory }) => memory))
  const edit = (index: number, id: string, fields: Parameters<typeof update>[1]) =>
    at(index).runPromise(
      Effect.map(update(id, fields, { caller: nobody, ifMatch: Option.none() }), ({ memory }) => memory)
    )
  const conflictsAt = (index: number, page: Parameters<typeof listConflicts>[0] = {}) =>
    at(index).runPromise(listConflicts(page))
  const originOf = (index: number) => at(index).runPromise(Effect.map(MemoryStore, (store) => store.origin()))
  /** What is listed, the same on all nodes. */
  const listed = async (): Promise<ReadonlyArray<Conflict>> => {
    const [first, ...rest] = await Promise.all(nodes.map((_, index) => conflictsAt(index)))
    assert.isDefined(first)
    for (const other of rest) assert.deepStrictEqual(other, first)
    return first
  }
  const resolve = (index: number, id: string, request: ResolveConflict, caller = nobody) =>
    at(index).runPromise(Effect.either(resolveConflict(id, request, caller)))
  const resolved = async (...args: Parameters<typeof resolve>) => {
    const result = await resolve(...args)
    assert(Either.isRight(result), JSON.stringify(result))
    await settled()
    return result.right
  }
  const tagOf = (result: Awaited<ReturnType<typeof resolve>>) =>
    Either.match(result, { onLeft: ({ _tag }) => _tag, onRight: () => "Right" })
  /** The contents of all visible memories by title, the same on all nodes. */
  const visible = async () => {
    const [first, ...rest] = await Promise.all(
      nodes.map((node) => node.runPromise(listMemories({ limit: 1000 })))
    )
    assert.isDefined(first)
    const shown = (memories: ReadonlyArray<Memory>) =>
      Object.fromEntries(memories.map(({ content, title }) => [title, content]))
    for (const other of rest) assert.deepStrictEqual(shown(other), shown(first))
    return shown(first)
  }
  const found = (index: number, id: string) =>
    at(index).runPromise(Effect.option(Effect.map(getMemory(id), (memory) => [memory.id, memory.content])))
  const brief = (conflicts: ReadonlyArray<Conflict>) =>
    conflicts.map(({ kind, memory, winner }) => [kind, memory.id, memory.content, winner.id])

  /** One title, written on three nodes: the last one holds it. */
  const threeOfOneTitle = async () => {
    await start()
    const made: Array<Memory> = []
    await apart(
      async () => made.push(await store(0, "title", "first")),
      async () => made.push(await store(1, "title", "second")),
      async () => made.push(await store(2, "title", "third")),
      () => store(0, "other", "untouched")
    )
    const [first, second, third] = made
    assert(first !== undefined && second !== undefined && third !== undefined)
    return { first, second, third }
  }

  it("that are large are listed a part at a time, of titles and of versions alike", async () => {
    await start()
    const ids: Array<string> = []
    for (let index = 0; index < 40; index++) ids.push((await store(0, `large ${index}`, "small")).id)
    await settled()
    const large = (by: string) => ({
      content: `${by} ${"x".repeat(60_000)}`,
      metadata: { filling: "y".repeat(60_000) }
    })
    const all = (index: number, by: string) => async () => {
      for (const id of ids) await edit(index, id, large(by))
    }
    await apart(
      () => store(0, "one title", "a"),
      () => store(1, "one title", "b"),
      all(0, "a"),
      all(1, "b")
    )
    const seen: Array<Conflict> = []
    let pages = 0
    for (let more = true; more && pages < 10; pages++) {
      const { rows, truncated } = await at(2).runPromise(conflictsPage({ limit: 1000, offset: seen.length }))
      assert.isBelow(JSON.stringify(rows).length, MAX_PAGE_BYTES + 300_000)
      seen.push(...rows)
      more = truncated
    }
    assert.strictEqual(pages, 2)
    assert.strictEqual(seen.filter(({ kind }) => kind === "shadow").length, 1)
    const versions = seen.filter(({ kind }) => kind === "version")
    assert.sameMembers(versions.map(({ memory: { id } }) => id), ids)
  }, 60_000)

  it("of a title are listed with what lost and what won", async () => {
    const { first, second, third } = await threeOfOneTitle()
    const conflicts = await listed()
    assert.deepStrictEqual(brief(conflicts), [
      ["shadow", second.id, "second", third.id],
      ["shadow", first.id, "first", third.id]
    ])
    assert.deepStrictEqual<unknown>(conflicts[1], {
      kind: "shadow",
      memory: first,
      version: { id: first.id, hlc: first.updated_at, origin: await originOf(0) },
      archived: false,
      winner: { id: third.id, version: third.updated_at }
    })
    assert.deepStrictEqual(await conflictsAt(0, { limit: 1, offset: 1 }), conflicts.slice(1))
    assert.deepStrictEqual(await conflictsAt(0, { namespace: "elsewhere" }), [])
    assert.deepStrictEqual(await conflictsAt(0, { namespace: "global", limit: 1 }), conflicts.slice(0, 1))
    assert.deepStrictEqual(await conflictsAt(0, { limit: 0 }), [])
  })

  it("of a title end with the winner, and the others stay", async () => {
    const { first, second, third } = await threeOfOneTitle()
    const done = await resolved(1, first.id, { keep: "winner" })
    assert.strictEqual(done.id, first.id)
    assert.isUndefined(done.memory)
    assert.deepStrictEqual(brief(await listed()), [["shadow", second.id, "second", third.id]])
    assert.deepStrictEqual(await visible(), { title: "third", other: "untouched" })
    assert.deepStrictEqual(await found(0, first.id), Option.none())
    assert.strictEqual(tagOf(await resolve(1, first.id, { keep: "winner" })), "NotFound")
    assert.strictEqual(tagOf(await resolve(1, third.id, { keep: "winner" })), "NotFound", "it has not lost")
    await resolved(0, second.id, { keep: "winner", version: second.updated_at })
    assert.deepStrictEqual(await listed(), [])
    assert.deepStrictEqual(await visible(), { title: "third", other: "untouched" })
  })

  it("of a title end with the loser, which the winner's id stands for from then on", async () => {
    const { first, second, third } = await threeOfOneTitle()
    const done = await resolved(0, first.id, { keep: "loser" })
    assert.strictEqual(done.id, first.id)
    assert.deepStrictEqual([done.memory?.content, done.memory?.created_at], ["first", first.created_at])
    assert.isTrue((done.memory?.updated_at ?? "") > third.updated_at)
    assert.deepStrictEqual(await visible(), { title: "first", other: "untouched" })
    for (const index of [0, 1, 2]) {
      assert.deepStrictEqual(await found(index, third.id), Option.some([first.id, "first"]))
    }
    assert.deepStrictEqual(brief(await listed()), [["shadow", second.id, "second", first.id]], "nothing else is lost")
    await resolved(2, second.id, { keep: "loser" })
    assert.deepStrictEqual(await listed(), [])
    assert.deepStrictEqual(await visible(), { title: "second", other: "untouched" })
  })

  /** One memory, edited on three nodes at once: the last edit is what is read. */
  const threeEdits = async (...fields: ReadonlyArray<Parameters<typeof update>[1]>) => {
    await start()
    const memory = await store(0, "title", "original")
    await settled()
    const made: Array<Memory> = []
    await apart(...fields.map((each, index) => async () => made.push(await edit(index, memory.id, each))))
    return { id: memory.id, edits: made }
  }

  it("of versions are listed with both, and end with the winner", async () => {
    const { edits, id } = await threeEdits({ content: "first" }, { content: "second" }, { content: "third" })
    const conflicts = await listed()
    assert.deepStrictEqual(brief(conflicts), [["version", id, "first", id], ["version", id, "second", id]])
    const [first, second, third] = edits
    assert.deepStrictEqual<unknown>(conflicts[0], {
      kind: "version",
      memory: first,
      version: { id, hlc: first?.updated_at, origin: await originOf(0) },
      archived: false,
      winner: { id, version: third?.updated_at }
    })
    assert.deepStrictEqual(await conflictsAt(2, { limit: 1, offset: 1 }), conflicts.slice(1))
    assert.deepStrictEqual(await conflictsAt(2, { namespace: "global" }), conflicts)
    assert.deepStrictEqual(await conflictsAt(2, { namespace: "elsewhere" }), [])
    assert.strictEqual(tagOf(await resolve(0, id, { keep: "loser" })), "Invalid", "which of them?")
    assert.strictEqual(
      tagOf(await resolve(0, id, { keep: "winner", version: third?.updated_at })),
      "NotFound",
      "that one has won"
    )
    await resolved(0, id, { keep: "winner", version: second?.updated_at })
    assert.deepStrictEqual(await listed(), conflicts.slice(0, 1))
    await resolved(1, id, { keep: "winner" })
    assert.deepStrictEqual(await listed(), [])
    assert.deepStrictEqual(await visible(), { title: "third" })
  })

  it("of versions end with the loser, which becomes the newest", async () => {
    const { edits, id } = await threeEdits({ content: "first" }, { content: "second" }, { title: "renamed" })
    assert.deepStrictEqual(await visible(), { renamed: "original" })
    const [first, second] = edits
    const done = await resolved(2, id, { keep: "loser", version: first?.updated_at })
    assert.deepStrictEqual([done.id, done.memory?.title, done.memory?.content], [id, "title", "first"])
    assert.deepStrictEqual(await visible(), { title: "first" }, "its title comes back, too")
    const rest = await listed()
    assert.deepStrictEqual(brief(rest), [["version", id, "second", id]])
    assert.strictEqual(rest[0]?.version.hlc, second?.updated_at)
    await resolved(0, id, { keep: "loser" })
    assert.deepStrictEqual(await listed(), [])
    assert.deepStrictEqual(await visible(), { title: "second" })
  })

  it("of versions are no reason to push another memory out of its slot", async () => {
    const { edits, id } = await threeEdits({ title: "wanted" }, { content: "second" })
    const [renamed] = edits
    const other = await store(0, "wanted", "somebody else's")
    await settled()
    const refused = await resolve(0, id, { keep: "loser", version: renamed?.updated_at })
    assert(Either.isLeft(refused) && refused.left._tag === "SlotTaken")
    assert.strictEqual(refused.left.existingId, other.id)
    assert.lengthOf(await listed(), 1)
    await at(0).runPromise(remove(other.id, { caller: nobody, ifMatch: Option.none() }))
    await resolved(0, id, { keep: "loser", version: renamed?.updated_at })
    assert.deepStrictEqual(await visible(), { wanted: "original" })
  })

  it("are none where two nodes wrote the same", async () => {
    const { id } = await threeEdits({ content: "same" }, { content: "same" }, { content: "same" })
    assert.deepStrictEqual(await listed(), [])
    await edit(1, id, { content: "next" })
    await settled()
    assert.deepStrictEqual(await visible(), { title: "next" })
  })

  it("are decided once under one key", async () => {
    const { first, third } = await threeOfOneTitle()
    const done = await resolved(0, first.id, { keep: "loser" }, keyed("decide"))
    const again = await resolved(0, first.id, { keep: "loser" }, keyed("decide"))
    assert.deepStrictEqual([again.opId, again.memory], [done.opId, done.memory])
    assert.strictEqual(tagOf(await resolve(0, first.id, { keep: "winner" }, keyed("decide"))), "KeyReused")
    assert.strictEqual(tagOf(await resolve(0, third.id, { keep: "loser" }, keyed("decide"))), "KeyReused")
    assert.strictEqual(tagOf(await resolve(0, "nothing", { keep: "loser" })), "NotFound")
    assert.strictEqual(tagOf(await resolve(0, " ", { keep: "loser" })), "Invalid")
    assert.strictEqual(tagOf(await resolve(0, first.id, { keep: "loser", version: "today" })), "Invalid")
  })

  it("are safe to decide on two nodes at once: what was kept is still there", async () => {
    const { first, second, third } = await threeOfOneTitle()
    await apart(
      () => resolve(0, first.id, { keep: "winner" }),
      () => resolve(1, first.id, { keep: "loser" }),
      () => resolve(2, second.id, { keep: "winner" })
    )
    assert.deepStrictEqual(
      await visible(),
      { title: "first", other: "untouched" },
      "the later decision saw it and kept it"
    )
    assert.deepStrictEqual(await listed(), [])
    assert.deepStrictEqual(await found(2, third.id), Option.some([first.id, "first"]))
  })
})
