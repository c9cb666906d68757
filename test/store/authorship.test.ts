import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Authors from "../../src/access/Authors.js"
import { publicKeyOf, verify } from "../../src/access/ed25519.js"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as OperationSet from "../../src/replication/OperationSet.js"
import { ofLog } from "../../src/replication/Payload.js"
import * as seals from "../../src/replication/seals.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { knowing, sealedBy, table } from "./authors.js"
import { storedElsewhere } from "./elsewhere.js"
import { memory } from "./memories.js"

interface Node {
  readonly store: MemoryStore.MemoryStore["Type"]
  readonly writer: Sqlite.Sqlite["Type"]["writer"]
}

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-authorship-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const start = (nodeId: string, authors: Authors.Authors, file = ":memory:") =>
  Effect.map(
    Layer.build(
      MemoryStore.layer({ nodeId: Option.some(NodeId.make(nodeId)), authors }).pipe(
        Layer.provideMerge(Sqlite.layer({ file })),
        Layer.provide([Layer.succeed(Uuid, { make: () => randomUUID() }), Metrics.layer]),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    ),
    (context): Node => ({
      store: Context.get(context, MemoryStore.MemoryStore),
      writer: Context.get(context, Sqlite.Sqlite).writer
    })
  )

const storing = (id: string) => (now: MemoryStore.Transaction) =>
  Either.right<MemoryStore.Decision>({
    payload: { kind: "store", memory: memory(id, id, now.stamp) },
    baseHlc: null,
    covers: []
  })

const put = ({ store }: Node, id: string) => store.commit(storing(id), null)

/** Many in one commit. */
const putAll = ({ store }: Node, ids: ReadonlyArray<string>) =>
  store.commitAll((batch) => Either.right(ids.forEach((id) => Either.map(storing(id)(batch.now()), batch.write))), null)

const logOf = ({ store }: Node): Effect.Effect<ReadonlyArray<Operation>> =>
  Effect.forEach(
    VersionVector.missing(store.vector(), VersionVector.empty),
    (range) => store.operations(range, 2_000)
  ).pipe(Effect.map((found) => found.flat()), Effect.orDie)

const receive = ({ store }: Node, ...operations: ReadonlyArray<Operation>) =>
  Effect.map(
    store.receive(operations.map((operation) => ({ operation, payload: ofLog(operation) }))),
    (receipts) => receipts.map(({ result, why }) => why === undefined ? result : why.split(":")[0] ?? result)
  )

/** By which key of 64 hex digits it is sealed; null where that is not so. */
const keyOf = (operation: Operation): string | null => {
  const seal = Option.getOrNull(seals.read(operation.seal ?? ""))
  const root = seal === null ? null : seals.rootOfOperation(seal, operation)
  if (seal === null || root === null) return null
  const author = operation.origin.slice(0, operation.origin.lastIndexOf("/"))
  const key = Option.getOrThrow(publicKeyOf(Buffer.from(seal.key, "hex")))
  return verify(key, seals.signedBytes(author, root, seal.count), seal.signature) ? seal.key : null
}

const keyOfName = (name: string) => knowing(table(() => ({ any: name }))).keysOf("any")[0]?.hex ?? ""
const titles = (count: number, prefix = "m") => Array.from({ length: count }, (_, at) => `${prefix}-${at}`)
const stamp = Stamp.fromMillis(Date.now() - 60_000)
const made = (oseq: number, id = `made-${oseq}`, node = "other") =>
  storedElsewhere(memory(id, id, stamp), { node, oseq })
const bare = ({ seal: _, ...operation }: Operation): Operation => operation
const signaturesOf = (operations: ReadonlyArray<Operation>) =>
  new Set(operations.map(({ seal = "" }) => Option.getOrThrow(seals.read(seal)).signature.toString("hex"))).size

describe("what a node writes", () => {
  const authors = knowing(table(() => ({ me: "mine" })), { own: "me" })

  it.scopedLive("has a seal by its key, of one signature for all that was committed together", () =>
    Effect.gen(function*() {
      const node = yield* start("me", authors)
      yield* put(node, "alone")
      yield* putAll(node, titles(64))
      yield* putAll(node, titles(300, "n"))
      const log = yield* logOf(node)
      assert.deepStrictEqual(log.map(keyOf), log.map(() => keyOfName("mine")))
      assert.strictEqual(signaturesOf(log.slice(1, 65)), 1)
      assert.strictEqual(signaturesOf(log.slice(65)), 2)
      assert.isTrue(VersionVector.equals(node.store.sealed(), node.store.vector()))
      // Whoever waits together is committed together.
      yield* Effect.forEach(titles(20, "w"), (id) => put(node, id), { concurrency: "unbounded" })
      assert.strictEqual(signaturesOf((yield* logOf(node)).slice(365)), 1)
    }))

  it.scopedLive("is sent with it, and answered once more with it", () =>
    Effect.gen(function*() {
      const node = yield* start("me", authors)
      const key = { keyHash: "a".repeat(64), requestHash: "b".repeat(64) }
      const { operation } = yield* node.store.commit(storing("m"), key)
      assert.strictEqual(keyOf(node.store.sealedForm(operation)), keyOfName("mine"))
      // As whoever read it in the transaction has it, to send it once more.
      assert.strictEqual(keyOf(node.store.sealedForm({ ...operation })), keyOfName("mine"))
      const again = yield* node.store.commit(storing("m"), key)
      assert.isTrue(again.repeated)
      assert.strictEqual(keyOf(node.store.sealedForm(again.operation)), keyOfName("mine"))
    }))

  it.scopedLive("has none where it has no key", () =>
    Effect.gen(function*() {
      const node = yield* start("me", Authors.none)
      yield* put(node, "m")
      assert.deepStrictEqual((yield* logOf(node)).map(({ seal }) => seal), [undefined])
      assert.strictEqual(node.store.sealed().size, 0)
      assert.isUndefined((yield* node.store.commit(storing("n"), null)).operation.seal)
    }))

  it.scopedLive("is undone with its seal", () =>
    Effect.gen(function*() {
      const node = yield* start("me", authors)
      const failing = node.store.commitAll((batch) => {
        Either.map(storing("undone")(batch.now()), batch.write)
        throw new Error("no")
      }, null).pipe(Effect.exit)
      const [, , failed] = yield* Effect.all([put(node, "one"), put(node, "two"), failing], {
        concurrency: "unbounded"
      })
      assert.strictEqual(failed._tag, "Failure")
      assert.lengthOf((yield* logOf(node)).filter((operation) => keyOf(operation) !== null), 2)
      assert.strictEqual(node.writer.prepare("SELECT count(*) FROM seals").pluck().get(), 2)
      assert.isTrue(VersionVector.equals(node.store.sealed(), node.store.vector()))
    }))
})

describe("what others wrote", () => {
  const both = knowing(table(() => ({ me: "mine", other: "theirs" })), { own: "me" })
  const [first, second, third] = sealedBy("theirs", "other", [made(1), made(2), made(3)]).map(({ operation }) =>
    operation
  )
  assert.isDefined(first)
  assert.isDefined(second)
  assert.isDefined(third)
  const { hash: _, ...parts } = first

  it.scopedLive("is taken with its seal, and passed on as it came", () =>
    Effect.gen(function*() {
      const node = yield* start("me", both)
      assert.deepStrictEqual(yield* receive(node, first, second, third), ["applied", "applied", "applied"])
      assert.deepStrictEqual((yield* logOf(node)).map(({ seal }) => seal), [first.seal, second.seal, third.seal])
      assert.isTrue(VersionVector.equals(node.store.sealed(), node.store.vector()))
    }))

  it.each<readonly [string, string, Operation]>([
    ["has no seal", "unsealed", bare(first)],
    ["has what is no seal", "forged", { ...first, seal: "AAAA" }],
    ["has the seal of another operation", "forged", { ...first, seal: second.seal ?? "" }],
    ["is sealed by another node", "forged", sealedBy("mine", "other", [made(1)])[0]?.operation ?? first],
    ["is sealed in another's name", "forged", sealedBy("theirs", "another", [made(1)])[0]?.operation ?? first],
    [
      "ends more than its author said",
      "forged",
      hashed({
        ...parts,
        covers: [{ id: "victim", hlc: stamp, origin: Origin.make("me/1") }]
      })
    ],
    ["says something else", "forged", hashed({ ...parts, body: JSON.stringify(memory("made-1", "another", stamp)) })],
    ["has another stamp", "forged", hashed({ ...parts, hlc: Stamp.fromMillis(Date.now() - 50_000) })],
    ["has a name that was not used yet", "forged", hashed({ ...parts, oseq: 9, opId: OpId.make("squatting") })],
    ["is of a later incarnation", "forged", hashed({ ...parts, origin: Origin.make("other/999") })],
    [
      "is of a later incarnation, and has no seal",
      "unsealed",
      bare(hashed({ ...parts, origin: Origin.make("other/9") }))
    ]
  ])("is refused where it %s", (_, word, operation) =>
    Effect.gen(function*() {
      const node = yield* start("me", both)
      assert.deepStrictEqual(yield* receive(node, operation), [word])
      assert.strictEqual(node.store.vector().size, 0)
      // It does not stand in the way of what is its author's.
      assert.deepStrictEqual(yield* receive(node, first), ["applied"])
    }).pipe(Effect.scoped, Effect.runPromise))

  it.scopedLive("is taken without a seal of a node whose key is not known, unless all must have one", () =>
    Effect.gen(function*() {
      const node = yield* start("me", knowing(table(() => ({ me: "mine" })), { own: "me" }))
      assert.deepStrictEqual(yield* receive(node, bare(first), second), ["applied", "applied"])
      assert.strictEqual((yield* logOf(node))[1]?.seal, second.seal)
      const strict = yield* start("me", knowing(table(() => ({ me: "mine" })), { own: "me", level: "all" }))
      assert.deepStrictEqual(yield* receive(strict, bare(first), second), ["unsealed", "forged"])
      const open = yield* start(
        "me",
        knowing(table(() => ({ me: "mine", other: "theirs" })), { own: "me", level: "off" })
      )
      assert.deepStrictEqual(yield* receive(open, bare(first), { ...second, seal: third.seal ?? "" }, third), [
        "applied",
        "applied",
        "applied"
      ])
      assert.deepStrictEqual((yield* logOf(open)).map(({ seal }) => seal), [undefined, undefined, third.seal])
    }))

  it.scopedLive("gets its seal when it comes once more, and none that is not its own", () =>
    Effect.gen(function*() {
      let keys: Readonly<Record<string, string>> = {}
      const node = yield* start("me", knowing(table(() => keys)))
      yield* receive(node, bare(first), bare(second))
      keys = { other: "theirs" }
      // It is held: that it has no seal is no reason to refuse it.
      assert.deepStrictEqual(yield* receive(node, bare(first), { ...second, seal: first.seal ?? "" }), [
        "duplicate",
        "duplicate"
      ])
      assert.strictEqual(node.store.sealed().size, 0)
      assert.deepStrictEqual(yield* receive(node, first), ["duplicate"])
      assert.deepStrictEqual(VersionVector.toJson(node.store.sealed()), { "other/1": 1 })
      assert.deepStrictEqual((yield* logOf(node)).map(({ seal }) => seal), [first.seal, undefined])
    }))

  it.scopedLive("counts under a key that was revoked as far as is said, and no further", () =>
    Effect.gen(function*() {
      const lastOf = (key: string, origin: string) =>
        key === keyOfName("theirs") && origin === "other/1" ? Option.some(2) : Option.none()
      const node = yield* start("me", knowing(table(() => ({ other: "new" })), { lastOf }))
      assert.deepStrictEqual(yield* receive(node, first, second, third), ["applied", "applied", "revoked"])
      const [anew] = sealedBy("new", "other", [made(3)])
      assert.isDefined(anew)
      assert.deepStrictEqual(yield* receive(node, anew.operation), ["applied"])
    }))

  it.scopedLive("of a node whose key was revoked needs another key, though none is known here", () =>
    Effect.gen(function*() {
      const node = yield* start("me", knowing(table(() => ({})), { mustSeal: (id) => id === "other" }))
      assert.deepStrictEqual(yield* receive(node, bare(first)), ["unsealed"])
      assert.deepStrictEqual(yield* receive(node, first), ["forged"])
    }))

  it.scopedLive("counts by the key that its origin had where none of its node is known any more", () =>
    Effect.gen(function*() {
      let keys: Readonly<Record<string, string>> = { other: "theirs" }
      const node = yield* start("me", knowing(table(() => keys)))
      yield* receive(node, first)
      keys = {}
      assert.deepStrictEqual(yield* receive(node, bare(second)), ["unsealed"])
      assert.deepStrictEqual(yield* receive(node, second), ["applied"])
      // A key that took its place does not leave it any right.
      keys = { other: "new" }
      assert.deepStrictEqual(yield* receive(node, third), ["forged"])
      assert.strictEqual(node.store.sealed().size, 0)
      const again = sealedBy("new", "other", [made(1), made(2), made(3)]).map(({ operation }) => operation)
      assert.deepStrictEqual(yield* receive(node, ...again), ["duplicate", "duplicate", "applied"])
      assert.deepStrictEqual(VersionVector.toJson(node.store.sealed()), { "other/1": 3 })
      assert.deepStrictEqual((yield* logOf(node)).map(({ seal }) => seal), again.map(({ seal }) => seal))
      // And what it sealed does not come back.
      assert.deepStrictEqual(yield* receive(node, first), ["duplicate"])
      assert.strictEqual((yield* logOf(node))[0]?.seal, again[0]?.seal)
    }))
})

describe("a node's own name", () => {
  const authors = knowing(table(() => ({ me: "mine" })), { own: "me" })

  it.scopedLive("is nobody else's, not of one of its incarnations", () =>
    Effect.gen(function*() {
      const node = yield* start("me", authors)
      yield* put(node, "m")
      const own = node.store.origin()
      const { hash: _, ...parts } = made(7).operation
      const forged = ["me/1", own, `me/${Number(own.slice(3)) + 1}`].map((origin) =>
        hashed({ ...parts, origin: Origin.make(origin) })
      )
      assert.deepStrictEqual(yield* receive(node, ...forged), forged.map(() => "unsealed"))
      const sealed = forged.flatMap((operation) => sealedBy("theirs", "me", [{ operation }]))
      assert.deepStrictEqual(
        yield* receive(node, ...sealed.map(({ operation }) => operation)),
        forged.map(() => "forged")
      )
      assert.strictEqual(node.store.origin(), own)
    }))

  it.scopedLive("brings back to a node of a backup what it had written since", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "node.db")
      const log = yield* Effect.scoped(Effect.gen(function*() {
        const node = yield* start("me", authors, file)
        yield* put(node, "before")
        node.writer.pragma("wal_checkpoint(TRUNCATE)")
        copyFileSync(file, join(path, "backup.db"))
        yield* put(node, "after")
        return yield* logOf(node)
      }))
      const restored = yield* start("me", authors, join(path, "backup.db"))
      const [, after] = log
      assert.isDefined(after)
      assert.deepStrictEqual(yield* receive(restored, bare(after)), ["unsealed"])
      assert.deepStrictEqual(yield* receive(restored, after), ["applied"])
      yield* put(restored, "later")
      const all = yield* logOf(restored)
      assert.lengthOf(all, 3)
      assert.deepStrictEqual(all.map(keyOf), all.map(() => keyOfName("mine")))
    }))
})

describe("what was written before a key", () => {
  const endorseAll = ({ store }: Node) =>
    Effect.gen(function*() {
      let count = 0
      for (let found = yield* store.endorse; found.size > 0; found = yield* store.endorse) {
        count += OperationSet.size(found)
        assert.isAtMost(OperationSet.size(found), 256)
      }
      return count
    })

  it.scopedLive("is endorsed from the oldest on, in parts, also over a restart", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      let keys: Readonly<Record<string, string>> = {}
      const authors = knowing(table(() => keys), { own: "me" })
      const before = yield* Effect.scoped(Effect.gen(function*() {
        const node = yield* start("me", authors, file)
        yield* putAll(node, titles(300))
        yield* receive(node, made(1).operation)
        assert.strictEqual(yield* endorseAll(node), 0)
        keys = { me: "mine" }
        assert.strictEqual(OperationSet.size(yield* node.store.endorse), 256)
        assert.deepStrictEqual([...node.store.sealed().values()], [{ upto: 256, beyond: [] }])
        return (yield* logOf(node)).map(({ hash }) => hash)
      }))
      const node = yield* start("me", authors, file)
      yield* put(node, "later")
      assert.strictEqual(yield* endorseAll(node), 44)
      const own = (yield* logOf(node)).filter(({ origin }) => origin.startsWith("me/"))
      assert.deepStrictEqual(own.map(keyOf), own.map(() => keyOfName("mine")))
      assert.deepStrictEqual(own.slice(0, 300).map(({ hash }) => hash), before.filter((_, at) => at < 300))
      assert.isUndefined((yield* logOf(node)).find(({ origin }) => origin === "other/1")?.seal)
    }))

  it.scopedLive("or with a former key is endorsed with the present one, and what follows has an incarnation of its own", () =>
    Effect.gen(function*() {
      let key = "old"
      const authors = knowing(table(() => key === "" ? {} : { me: key }), { own: "me" })
      const node = yield* start("me", authors)
      yield* put(node, "one")
      const under = node.store.origin()
      key = "new"
      yield* put(node, "two")
      assert.notStrictEqual(node.store.origin(), under)
      assert.strictEqual(yield* endorseAll(node), 1)
      const all = yield* logOf(node)
      assert.deepStrictEqual(all.map(keyOf), [keyOfName("new"), keyOfName("new")])
      key = ""
      yield* put(node, "three")
      assert.strictEqual(new Set((yield* logOf(node)).map(({ origin }) => origin)).size, 3)
    }))

  it.scopedLive("has an incarnation of its own also where all of before was endorsed meanwhile", () =>
    Effect.gen(function*() {
      let key = "old"
      const node = yield* start("me", knowing(table(() => ({ me: key })), { own: "me" }))
      yield* put(node, "one")
      const under = node.store.origin()
      key = "new"
      assert.strictEqual(yield* endorseAll(node), 1)
      yield* put(node, "two")
      const all = yield* logOf(node)
      assert.deepStrictEqual(all.map(({ origin }) => origin === under), [true, false])
      assert.deepStrictEqual(all.map(keyOf), [keyOfName("new"), keyOfName("new")])
    }))

  it.scopedLive("is not endorsed where seals are not looked at", () =>
    Effect.gen(function*() {
      const node = yield* start("me", knowing(table(() => ({ me: "mine" })), { own: "me", level: "off" }))
      const { hash: _, ...parts } = made(1).operation
      yield* receive(node, hashed({ ...parts, origin: Origin.make("me/1") }))
      assert.strictEqual(yield* endorseAll(node), 0)
      assert.isUndefined((yield* logOf(node))[0]?.seal)
    }))
})
