import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { hash } from "node:crypto"
import * as Uuid from "../../src/domain/Uuid.js"
import * as quorate from "../../src/index.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"

/*
 * What an idempotency key stands for: the digest of these very texts. A write that was sent before an upgrade and is tried
 * again after it must find itself, so they never change.
 */

/** Nobody says who asks: the scope that all such callers share is that of every version. */
const keyed = (key: string): quorate.Caller => ({ agentId: Option.none(), idempotencyKey: Option.some(key) })

const sha256 = (text: string) => hash("sha256", text, "hex")

/** The write that is looked at has this key; what it needs to find has keys of its own. */
const caller = keyed("k")
const ann: quorate.Caller = { ...caller, agentId: Option.some("ann") }

/** The ids of memories stored under the keys `one` and `two`. */
const ONE = "7692c3ad-3540-8b80-bc02-0b3aee66cd88"
const TWO = "3fc4ccfe-7458-80e2-80d9-9f71f30ff065"
/** The id of the action queued under the key `queued`. */
const QUEUED = "d36be649-4248-8e06-ac18-f38ea1119dfe"

const store = (name: string, more: object = {}) =>
  quorate.remember({ title: name, content: name, ...more }, keyed(name))

const both = Effect.zip(store("one"), store("two"))

const linked = Effect.zip(both, quorate.link({ source_id: ONE, target_id: TWO }, keyed("linked")))

const archived = Effect.zip(store("one"), quorate.archive({ ids: [ONE] }, keyed("archived")))

const queued = Effect.zip(
  quorate.setStandard({
    namespace: "ruled",
    governance: { write: "approve", delete: "any", approver: "human" }
  }, keyed("standard")),
  Effect.flip(store("queued", { namespace: "ruled" }))
)

/** The memory again, with other fields, as somebody writes it who does not know of it. */
const again = (fields: object) =>
  Effect.gen(function*() {
    const { commit } = yield* MemoryStore
    const { memory } = yield* store("one")
    yield* commit(({ stamp }) =>
      Either.right({
        payload: { kind: "store", memory: { ...memory, ...fields, updated_at: stamp } },
        baseHlc: null,
        covers: []
      }), null)
  })

const expired = again({ expires_at: "2020-01-01T00:00:00.000000000+00:00" })

interface Case {
  /** What must be there for the write to write anything. */
  readonly given: Effect.Effect<unknown, unknown, quorate.MemoryNode.Services>
  readonly write: Effect.Effect<unknown, unknown, quorate.MemoryNode.Services>
  readonly text: string
}

const nothing = Effect.void

const cases: Readonly<Record<string, Case>> = {
  remember: {
    given: nothing,
    write: quorate.remember({ title: "t", content: "é", tags: ["a"], priority: 7 }, caller),
    text: `["remember",{"title":"t","content":"é","tags":["a"],"priority":7}]`
  },
  "remember, queued": {
    given: queued,
    write: Effect.flip(quorate.remember({ title: "t", content: "c", namespace: "ruled" }, caller)),
    text: `["remember",{"title":"t","content":"c","namespace":"ruled"}]`
  },
  bulk: {
    given: nothing,
    write: quorate.bulk([{ content: "c", title: "t" }, { title: "u" }], caller),
    text: `["bulk",[{"content":"c","title":"t"},{"title":"u"}]]`
  },
  update: {
    given: store("one"),
    write: quorate.update("7692c3ad", { content: "new" }, { caller, ifMatch: Option.none() }),
    text: `["update",{"content":"new"},"7692c3ad"]`
  },
  promote: { given: store("one"), write: quorate.promote("7692c3ad", caller), text: `["promote","7692c3ad"]` },
  remove: {
    given: store("one"),
    write: quorate.remove("7692c3ad", { caller, ifMatch: Option.none() }),
    text: `["remove","7692c3ad"]`
  },
  consolidate: {
    given: both,
    write: quorate.consolidate({ ids: [ONE, TWO], title: "both", summary: "s" }, caller),
    text: `["consolidate",{"ids":["${ONE}","${TWO}"],"title":"both","summary":"s"}]`
  },
  resolveConflict: {
    given: again({ content: "other" }),
    write: quorate.resolveConflict(ONE, { keep: "winner" }, caller),
    text: `["resolveConflict","${ONE}",{"keep":"winner"}]`
  },
  forget: {
    given: store("one"),
    write: quorate.forget({ tier: "mid", namespace: "global" }, caller),
    text: `["forget",{"namespace":"global","tier":"mid"}]`
  },
  "forget, by words": {
    given: store("one"),
    write: quorate.forget({ pattern: "one" }, caller),
    text: `["forget",{"pattern":"one"}]`
  },
  collectExpired: { given: expired, write: quorate.collectExpired(caller), text: `["collectExpired"]` },
  archive: {
    given: store("one"),
    write: quorate.archive({ reason: "r", ids: [ONE, ONE] }, caller),
    text: `["archive",{"reason":"r","ids":["${ONE}","${ONE}"]}]`
  },
  restore: { given: archived, write: quorate.restore(ONE, caller), text: `["restore","${ONE}"]` },
  purgeArchive: { given: archived, write: quorate.purgeArchive({}, caller), text: `["purgeArchive",0]` },
  link: {
    given: both,
    write: quorate.link({ target_id: TWO, source_id: ONE }, caller),
    text: `["link",{"target_id":"${TWO}","source_id":"${ONE}"}]`
  },
  unlink: {
    given: linked,
    write: quorate.unlink({ source_id: ONE, target_id: TWO }, caller),
    text: `["unlink",{"source_id":"${ONE}","target_id":"${TWO}"}]`
  },
  kgInvalidate: {
    given: linked,
    write: quorate.kgInvalidate({ source_id: ONE, target_id: TWO, relation: "related_to" }, caller),
    text: `["kgInvalidate",{"source_id":"${ONE}","target_id":"${TWO}","relation":"related_to"}]`
  },
  registerEntity: {
    given: nothing,
    write: quorate.registerEntity({ canonical_name: "Ann", namespace: "people" }, caller),
    text: `["registerEntity",{"canonical_name":"Ann","namespace":"people"}]`
  },
  setStandard: {
    given: nothing,
    write: quorate.setStandard({ namespace: "n", parent: "p" }, caller),
    text: `["setStandard",{"namespace":"n","parent":"p"}]`
  },
  clearStandard: {
    given: quorate.setStandard({ namespace: "n" }, keyed("standard")),
    write: quorate.clearStandard("n", caller),
    text: `["clearStandard","n"]`
  },
  approve: { given: queued, write: quorate.approve(QUEUED, ann), text: `["approve","${QUEUED}","ann"]` },
  "approve, by nobody": {
    given: queued,
    write: quorate.approve(QUEUED, { ...caller, agentId: Option.none() }),
    text: `["approve","${QUEUED}",null]`
  },
  reject: { given: queued, write: quorate.reject(QUEUED, ann), text: `["reject","${QUEUED}","ann"]` },
  notify: {
    given: nothing,
    write: quorate.notify({ to: "bob", title: "t", payload: "p", priority: undefined }, caller),
    text: `["notify",{"to":"bob","title":"t","payload":"p"}]`
  },
  registerAgent: {
    given: nothing,
    write: quorate.registerAgent({ agent_id: "ann", agent_type: "human" }, caller),
    text: `["registerAgent",{"agent_id":"ann","agent_type":"human"}]`
  },
  importData: {
    given: linked,
    write: quorate.importData([{
      kind: "link",
      value: {
        source_id: TWO,
        target_id: ONE,
        relation: "related_to",
        created_at: "2020-01-01T00:00:00.000000000+00:00"
      },
      at: "links[0]"
    }], caller),
    text: `["importData",[{"kind":"link","value":{"source_id":"${TWO}","target_id":"${ONE}","relation":"related_to",` +
      `"created_at":"2020-01-01T00:00:00.000000000+00:00"},"at":"links[0]"}]]`
  }
}

const node = () => quorate.MemoryNode.layer.pipe(Layer.provide(quorate.NodeConfig.layerWith({ db: ":memory:" })))

/** The digests of what the key stands for, one for each operation under it. */
/** The key of nobody, and that of ann. */
const KEYS: ReadonlySet<string> = new Set([sha256("k"), sha256("ann\nk")])

const requestHashes = Effect.gen(function*() {
  const { operations, origin } = yield* MemoryStore
  const log = yield* operations({ origin: origin(), from: 1, to: 1000 }, 1000)
  return log.flatMap(({ idempotency }) =>
    idempotency !== null && KEYS.has(idempotency.keyHash) ? [idempotency.requestHash] : []
  )
})

describe("an idempotency key stands for the same request as ever", () => {
  it("and is known by digests", () => {
    assert.deepStrictEqual(["one", "two", "queued"].map((key) => Uuid.fromHash(sha256(key))), [ONE, TWO, QUEUED])
    assert.strictEqual(
      sha256(cases["remember"]?.text ?? ""),
      "e72577f9546ea2f7c9f9ce818ebf41a1210c0806035836400fd787f854f02449"
    )
  })

  it.live("and what is made of it is known by digests of digests", () =>
    Effect.gen(function*() {
      const rows = [{ title: "a", content: "a" }, { title: "b", content: "b" }]
      const { ids } = yield* quorate.bulk(rows, caller)
      assert.deepStrictEqual(ids, [0, 1].map((index) => Uuid.fromHash(sha256(`${sha256("k")} ${index}`))))
      const many = Array.from({ length: 60 }, (_, at) => ({ title: `${at}`, content: "c", namespace: "many" }))
      yield* quorate.bulk(many)
      yield* quorate.forget({ namespace: "many" }, keyed("chunks"))
      const { operations, origin } = yield* MemoryStore
      const log = yield* operations({ origin: origin(), from: 1, to: 1000 }, 1000)
      const keys = log.filter(({ kind }) => kind === "archive").map(({ idempotency }) => idempotency?.keyHash)
      assert.deepStrictEqual(Array.from(new Set(keys)), [sha256("chunks"), sha256(`${sha256("chunks")} 1`)])
    }).pipe(Effect.provide(node())))

  for (const [name, { given, text, write }] of Object.entries(cases)) {
    it.live(name, () =>
      Effect.gen(function*() {
        yield* given
        yield* write
        const hashes = yield* requestHashes
        assert.isAbove(hashes.length, 0, "nothing was written under the key")
        assert.deepStrictEqual(Array.from(new Set(hashes)), [sha256(text)])
      }).pipe(Effect.provide(node())))
  }
})
