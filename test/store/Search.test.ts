import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Visibility from "../../src/domain/visibility.js"
import { Sqlite } from "../../src/store/log/Sqlite.js"
import type { Filter } from "../../src/store/read/MemoryReader.js"
import * as planning from "../../src/store/read/planning.js"
import * as Search from "../../src/store/read/Search.js"
import { codePoint } from "../domain/codePoint.js"
import { after, type Given, insert, layer, memoryOf, now } from "./library.js"

type Asked = Partial<Filter> & { readonly limit?: number }

const ids = (hits: ReadonlyArray<Search.Hit>) => hits.map(({ memory }) => memory.id)

const recalled = (text: string, asked: Asked = {}) =>
  Effect.flatMap(
    Search.Search,
    ({ candidates }) =>
      Effect.map(candidates({ now, text, limit: 10, ...asked }), ({ rows }) => rows.map(({ id }) => id))
  )

const matched = (text: string, asked: Asked = {}) =>
  Effect.flatMap(
    Search.Search,
    ({ search }) => Effect.map(search({ now, text, limit: 10, ...asked }), ({ rows }) => rows)
  )

/** Those that have all that was asked for. */
const found = (text: string, asked: Asked = {}) =>
  Effect.map(matched(text, asked), (rows) => ids(rows.filter(({ matched }) => matched === "all")))

const seed = Math.floor(Math.random() * 2 ** 31)
console.log(`Search.test.ts: seed ${seed}`)

describe("words", () => {
  const rows: ReadonlyArray<Given> = [
    { id: "hyphen", content: "a well-known rule" },
    { id: "reversed", content: "known as well" },
    { id: "accent", content: "Café in Zürich" },
    { id: "rocket", content: "deploy 🚀 on friday" },
    { id: "operators", content: "cats AND dogs NOT near title column" },
    { id: "title", title: "quarterly numbers" },
    { id: "tag", tags: ["kubernetes"] },
    { id: "empty", content: "the shelf is empty" }
  ]
  const over = <A, E>(effect: Effect.Effect<A, E, Search.Search | Sqlite>) =>
    Effect.provide(Effect.zipRight(insert(rows), effect), layer)

  it.effect("finds a hyphenated word by its parts in their order", () =>
    over(Effect.gen(function*() {
      assert.deepStrictEqual(yield* found("well-known"), ["hyphen"])
      assert.deepStrictEqual(yield* recalled("well-known"), ["hyphen", "reversed"])
      assert.deepStrictEqual(yield* found("known-well"), [])
    })))

  it.effect("takes operators of a user for words or for nothing", () =>
    over(Effect.gen(function*() {
      assert.deepStrictEqual(yield* found("cats AND dogs"), ["operators"])
      assert.deepStrictEqual(yield* found("cats NOT dogs"), ["operators"])
      assert.deepStrictEqual(yield* found("NEAR(title dogs)"), ["operators"])
      assert.deepStrictEqual(yield* found("NEAR(cats dogs, 1)"), [])
      assert.deepStrictEqual((yield* recalled("title:cats"))[0], "operators")
      assert.deepStrictEqual(yield* found("quart*"), [])
    })))

  it.effect("looks in title, content and tags, without regard to case and accents", () =>
    over(Effect.gen(function*() {
      assert.deepStrictEqual(yield* found("QUARTERLY"), ["title"])
      assert.deepStrictEqual(yield* found("Kubernetes"), ["tag"])
      assert.deepStrictEqual(yield* found("cafe ZURICH"), ["accent"])
      assert.deepStrictEqual(yield* found("CAFÉ"), ["accent"])
    })))

  it.effect("takes emoji for words, and punctuation for none where there are others", () =>
    over(Effect.gen(function*() {
      assert.deepStrictEqual(yield* found("deploy 🚀"), ["rocket"])
      assert.deepStrictEqual(yield* recalled("deploy 🚀"), ["rocket"])
      assert.deepStrictEqual(yield* found("🚀"), ["rocket"])
      assert.deepStrictEqual(yield* found("dogs 🚀"), [])
      assert.deepStrictEqual(yield* found("friday!"), ["rocket"])
      assert.deepStrictEqual(yield* recalled("— 🚀 …"), ["rocket"])
      assert.deepStrictEqual(yield* recalled("\" * OR"), [])
    })))

  it.effect("wants all words in a search and any in a recall", () =>
    over(Effect.gen(function*() {
      assert.sameMembers(Array.from(yield* found("known well")), ["hyphen", "reversed"])
      assert.deepStrictEqual(yield* found("known friday"), [])
      assert.sameMembers(Array.from(yield* recalled("known friday")), ["hyphen", "reversed", "rocket"])
    })))

  it.effect(
    "takes no time for a word that is said over and over, by whom asks and in what is stored",
    () =>
      Effect.provide(
        Effect.gen(function*() {
          yield* insert(["中", "ก"].map((letter) => ({ id: letter, title: letter, content: letter.repeat(21_845) })))
          for (const letter of ["中", "ก"]) {
            const before = performance.now()
            assert.deepStrictEqual(yield* found(letter.repeat(300)), [letter])
            assert.isBelow(performance.now() - before, 2000)
          }
        }),
        layer
      ),
    60_000
  )

  it.effect("takes no time for a thousand words, and wants all of them", () =>
    Effect.provide(
      Effect.gen(function*() {
        const words = Array.from({ length: 1000 }, (_, at) => `w${at.toString(36)}`).join(" ")
        const long = Array.from({ length: 16 }, () => words).join(" ").slice(0, 65_000)
        const rows = Array.from({ length: 12 }, (_, at) => ({ id: `long-${at}`, title: `t${at}`, content: long }))
        yield* insert([...rows, { id: "short", content: words.slice(0, -4) }])
        const millisOf = (words: string, ids: ReadonlyArray<string>) =>
          Effect.gen(function*() {
            const before = performance.now()
            assert.sameMembers(Array.from(yield* found(words, { limit: 20 })), Array.from(ids))
            return performance.now() - before
          })
        const all = rows.map(({ id }) => id)
        const some = words.split(" ").slice(0, 64).join(" ")
        yield* millisOf(some, [...all, "short"])
        const few = yield* millisOf(some, [...all, "short"])
        // Ranked by all of them it would be fifteen times as long.
        const many = yield* millisOf(words, all)
        assert.isBelow(many, 5 * few + 200)
      }),
      layer
    ), 60_000)

  it.effect("fills a search that finds too few with what has most, the rarer words before the others", () =>
    Effect.provide(
      Effect.gen(function*() {
        yield* insert([
          { id: "both", content: "deploy the zebra" },
          { id: "rare", content: "a zebra" },
          ...["a", "b", "c"].map((id) => ({ id, content: "how to deploy" }))
        ])
        const rows = yield* matched("deploying zebras", { limit: 4 })
        assert.deepStrictEqual(rows.slice(0, 2).map(({ matched, memory }) => `${memory.id} ${matched}`), [
          "both all",
          "rare some"
        ])
        assert.deepStrictEqual(rows.map(({ matched }) => matched), ["all", "some", "some", "some"])
        const scores = rows.map(({ score }) => score)
        assert.deepStrictEqual(scores, scores.toSorted((a, b) => b - a))
        assert.deepStrictEqual(ids(yield* matched("deploying zebras", { limit: 1 })), ["both"])
        assert.deepStrictEqual(ids(yield* matched("zebras unheard", { tag: "none" })), [])
      }),
      layer
    ))

  it.effect("gives candidates by their words alone, with how many memories have each", () =>
    over(Effect.gen(function*() {
      const { candidates } = yield* Search.Search
      const { question, rows, terms, total } = yield* candidates({
        now,
        text: "the well of dogs in zürich",
        limit: 200
      })
      assert.sameMembers(rows.map(({ id }) => id), ["hyphen", "reversed", "operators", "accent"])
      assert.isTrue(rows.every(({ keyword, rid }) => keyword > 0 && rid > 0))
      assert.deepStrictEqual(terms, [
        { term: "well", documents: 2 },
        { term: "dogs", documents: 1 },
        { term: "zurich", documents: 1 }
      ])
      assert.strictEqual(total, 8)
      assert.deepStrictEqual(question.dates, [])
      assert.strictEqual((yield* candidates({ now, text: "in january", limit: 1 })).question.dates.length, 1)
    })))

  it.effect("survives every text, and no text changes the database", () =>
    over(Effect.gen(function*() {
      const { writer } = yield* Sqlite
      const tables = () => writer.prepare("SELECT count(*), group_concat(name) FROM sqlite_schema").get()
      const before = tables()
      const nasty = FastCheck.oneof(
        FastCheck.string({ unit: codePoint, maxLength: 40 }),
        FastCheck.array(
          FastCheck.constantFrom(
            "\"",
            "'",
            "*",
            "(",
            ")",
            ":",
            "^",
            "+",
            "-",
            "{",
            "}",
            "|",
            ",",
            ";",
            "\\",
            "\0",
            "\ud800",
            "AND",
            "OR",
            "NOT",
            "NEAR/3",
            "cats",
            "title",
            " ",
            "--",
            "/*",
            "%",
            "_",
            "🚀",
            "\u200d",
            "\r\n"
          ),
          { maxLength: 30 }
        ).map((parts) => parts.join(""))
      )
      const texts = FastCheck.sample(nasty, { seed, numRuns: 300 })
      for (const text of [...texts, "'; DROP TABLE memories; --", "\") OR (\"", "x\" OR rowid > 0 --"]) {
        yield* found(text)
        yield* recalled(text)
      }
      assert.deepStrictEqual(tables(), before)
      assert.deepStrictEqual(yield* found("x\" OR rowid > 0 --"), [])
    })))

  it.effect("takes thousands of words", () =>
    over(Effect.gen(function*() {
      const many = Array.from({ length: 2000 }, (_, at) => `w${at}`)
      assert.deepStrictEqual(yield* recalled(["well-known", ...many].join(" ")), ["hyphen", "reversed"])
      assert.deepStrictEqual(yield* recalled([...many, "well-known"].join(" ")), [])
      assert.deepStrictEqual(yield* found(Array(2000).fill("well-known").join(" ")), ["hyphen"])
    })))
})

describe("score", () => {
  /** Two memories that differ in one thing only, the better one first. */
  const pairs: Record<string, readonly [Partial<Given>, Partial<Given>]> = {
    "a word twice": [{ content: "plan plan x" }, { content: "plan y x" }],
    "priority": [{ priority: 6 }, { priority: 5 }],
    "accesses": [{ access_count: 50 }, { access_count: 49 }],
    "confidence": [{ confidence: 0.6 }, { confidence: 0.5 }],
    "a later change": [{ updated_at: after(-86_400) }, { updated_at: after(-2 * 86_400) }]
  }
  for (const [what, [better, worse]] of Object.entries(pairs)) {
    it.effect(`grows with ${what}`, () =>
      Effect.gen(function*() {
        yield* insert([{ content: "plan", title: "t1", ...worse, id: "worse" }])
        yield* insert([{ content: "plan", title: "t2", ...better, id: "better" }])
        assert.deepStrictEqual(yield* found("plan"), ["better", "worse"])
      }).pipe(Effect.provide(layer)))
  }

  it.effect("does not grow with the tier", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "short", tier: "short", title: "t1", content: "plan", updated_at: after(-1) },
        { id: "mid", tier: "mid", title: "t2", content: "plan", updated_at: after(-2) },
        { id: "long", tier: "long", title: "t3", content: "plan", updated_at: after(-3) }
      ])
      assert.deepStrictEqual(yield* found("plan"), ["short", "mid", "long"])
    }).pipe(Effect.provide(layer)))

  it.effect("does not grow with accesses beyond 50, nor with a change in the future", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "often", title: "t1", content: "plan", access_count: 1_000_000, updated_at: after(60) },
        { id: "enough", title: "t2", content: "plan", access_count: 50, updated_at: after(0) }
      ])
      const hits = yield* matched("plan")
      assert.deepStrictEqual(ids(hits), ["often", "enough"])
      assert.strictEqual(hits[0]?.score, hits[1]?.score)
    }).pipe(Effect.provide(layer)))

  it.effect("of equals puts the one changed last first", () =>
    Effect.gen(function*() {
      yield* insert(
        Array.from({ length: 9 }, (_, at) => ({ id: `${at}`, content: "plan", updated_at: after(at * 5 % 9) }))
      )
      assert.deepStrictEqual(yield* found("plan", { limit: 3 }), ["7", "5", "3"])
    }).pipe(Effect.provide(layer)))

  it.effect("is the sum it is said to be", () =>
    Effect.gen(function*() {
      const given = {
        id: "one",
        tier: "long" as const,
        content: "plan",
        priority: 7,
        confidence: 0.4,
        access_count: 12
      }
      yield* insert([{ ...given, updated_at: after(-10 * 86_400) }, { id: "other", content: "nothing" }])
      const { candidates, search } = yield* Search.Search
      const { writer } = yield* Sqlite
      const bm25 = Schema.decodeUnknownSync(Schema.Number)(
        writer.prepare(
          "SELECT rank FROM memory_words WHERE memory_words MATCH 'plan' AND rank MATCH 'bm25(2.5, 1.0, 2.0, 1.5)'"
        ).pluck().get()
      )
      const expected = -bm25 + 0.5 * 7 + 0.1 * 12 + 2 * 0.4 + 1 / 2
      const { rows: [searched] } = yield* search({ now, text: "plan", limit: 1 })
      const { rows: [candidate] } = yield* candidates({ now, text: "plan", limit: 1 })
      assert.closeTo(searched?.score ?? 0, expected, 1e-9)
      assert.closeTo(candidate?.keyword ?? 0, -bm25, 1e-9)
    }).pipe(Effect.provide(layer)))

  it.effect("decides among the candidates, not bm25 alone", () =>
    Effect.gen(function*() {
      const noise = Array.from(
        { length: 40 },
        (_, at) => ({ id: `n${at}`, title: `n${at}`, content: "plan plan plan", priority: 1 })
      )
      yield* insert([...noise, { id: "dear", content: `plan ${"word ".repeat(20)}`, priority: 10, tier: "long" }])
      assert.strictEqual((yield* found("plan"))[0], "dear")
    }).pipe(Effect.provide(layer)))
})

describe("filter", () => {
  it.effect("hides what has expired and what hides behind another memory", () =>
    Effect.gen(function*() {
      yield* insert([
        { id: "expired", content: "plan", expires_at: after(-1) },
        { id: "now", content: "plan", expires_at: now },
        { id: "alive", content: "plan", expires_at: after(0, 1) },
        { id: "extended", content: "plan", expires_at: after(-60), extendedUntil: after(60) },
        { id: "over", content: "plan", expires_at: after(-60), extendedUntil: after(-1) },
        { id: "later", content: "plan", expires_at: after(60), extendedUntil: after(-1) },
        { id: "eternal", content: "plan", extendedUntil: after(-1) },
        { id: "shadow", title: "title of alive", content: "plan", visible: false }
      ])
      const expected = ["alive", "eternal", "extended", "later"]
      assert.deepStrictEqual(Array.from(yield* recalled("plan")).sort(), expected)
      assert.deepStrictEqual(Array.from(yield* found("plan")).sort(), expected)
      assert.deepStrictEqual(Array.from(yield* found("plan", { namespace: "global" })).sort(), expected)
    }).pipe(Effect.provide(layer)))

  const cases: Record<string, readonly [Partial<Filter>, Partial<Given>, Partial<Given>]> = {
    namespace: [{ namespace: "a/b" }, { namespace: "a/b" }, { namespace: "a/c" }],
    "namespace, nothing below it": [{ namespace: "a/b" }, { namespace: "a/b" }, { namespace: "a/b/c" }],
    tier: [{ tier: "long" }, { tier: "long" }, { tier: "mid" }],
    "priority at least": [{ minPriority: 5 }, { priority: 5 }, { priority: 4 }],
    since: [{ since: after(-60) }, { created_at: after(-60) }, { created_at: after(-61) }],
    until: [{ until: after(-60) }, { created_at: after(-60) }, { created_at: after(-60, 1) }],
    tag: [{ tag: "x" }, { tags: ["y", "x"] }, { tags: ["xy", "X"] }],
    "agent id": [{ agentId: "ann" }, { metadata: { agent_id: "ann" } }, { metadata: { agent_id: "bob" } }],
    "position": [{ asAgent: "a/b" }, { namespace: "a/b" }, { namespace: "a/c" }]
  }
  for (const [what, [filter, inside, outside]] of Object.entries(cases)) {
    it.effect(`by ${what}`, () =>
      Effect.gen(function*() {
        yield* insert([{ content: "plan", ...inside, id: "inside" }, { content: "plan", ...outside, id: "outside" }])
        assert.deepStrictEqual(yield* recalled("plan", filter), ["inside"])
        assert.deepStrictEqual(yield* found("plan", filter), ["inside"])
        assert.sameMembers(Array.from(yield* found("plan")), ["inside", "outside"])
      }).pipe(Effect.provide(layer)))
  }

  it.effect("by namespace looks into those above it for candidates, and in no search", () =>
    Effect.gen(function*() {
      const namespaces = ["a", "a/b", "a/b/c", "a/b/c/d", "a/x", "b", "a/bb"]
      yield* insert(namespaces.map((namespace) => ({ id: namespace, title: "t", namespace, content: "plan" })))
      assert.sameMembers(Array.from(yield* recalled("plan", { namespace: "a/b/c" })), ["a/b/c", "a/b", "a"])
      assert.deepStrictEqual(yield* found("plan", { namespace: "a/b/c" }), ["a/b/c"])
      assert.deepStrictEqual(yield* recalled("plan", { namespace: "a" }), ["a"])
    }).pipe(Effect.provide(layer)))

  it.effect("by position agrees with the rule of visibility", () =>
    Effect.gen(function*() {
      const namespaces = ["a", "ab", "a/b", "a/bb", "a/b/c", "a/b/c/d", "a/b/c/d/e", "a/x", "z", "z/b", "a/b/%", "A/b"]
      const scopes = ["private", "team", "unit", "org", "collective", "other", undefined, 7, null, ["team"]]
      const rows = namespaces.flatMap((namespace) =>
        scopes.map((scope, at): Given => ({
          id: `${namespace}#${at}`,
          title: `t${at}`,
          namespace,
          content: "plan",
          metadata: scope === undefined ? {} : { scope }
        }))
      )
      yield* insert(rows)
      for (const position of ["a", "a/b", "a/b/c", "a/b/c/d", "a/b/c/d/e", "z/b", "none/of/them"]) {
        const reach = Visibility.reachOf(position)
        const expected = rows.filter((row) => Visibility.isVisible(reach, memoryOf(row))).map(({ id }) => id)
        assert.isAbove(expected.length, 0)
        const actual = yield* found("plan", { asAgent: position, limit: 1000 })
        assert.deepStrictEqual(Array.from(actual).sort(), expected.sort())
      }
    }).pipe(Effect.provide(layer)))

  it.effect("leaves at most as many as asked for", () =>
    Effect.gen(function*() {
      yield* insert(Array.from({ length: 30 }, (_, at) => ({ id: `${at}`, content: "plan", priority: at % 10 + 1 })))
      assert.lengthOf(yield* recalled("plan", { limit: 7 }), 7)
      assert.lengthOf(yield* recalled("plan", { limit: 0 }), 0)
      assert.lengthOf(yield* found("plan", { limit: 0 }), 0)
      assert.lengthOf(yield* found("plan", { limit: 1000 }), 30)
    }).pipe(Effect.provide(layer)))

  it.effect("is passed by the live ones also when the best of all have expired", () =>
    Effect.gen(function*() {
      const expired = Array.from({ length: 3 * Search.MIN_CANDIDATES }, (_, at) => ({
        id: `${at}`,
        content: "plan plan plan",
        expires_at: after(-1)
      }))
      yield* insert([...expired, { id: "live", content: `plan ${"word ".repeat(50)}` }])
      assert.deepStrictEqual(yield* recalled("plan"), ["live"])
      assert.deepStrictEqual(yield* found("plan"), ["live"])
    }).pipe(Effect.provide(layer)))
})

describe("common words", () => {
  const many = 3 * planning.MIN_COMMON_ROWS + 6
  /** `often` stands in all of these, `half` in every other one, `third` in every third: all are common. */
  const filler = Array.from({ length: many }, (_, at): Given => ({
    id: `f${at}`,
    title: `f${at}`,
    content: `often ${at % 2 === 0 ? "half" : "word"} ${at % 3 === 0 ? "third" : "word"}`,
    namespace: "filler",
    priority: at % 3 === 0 ? 5 : 10
  }))
  const over = <A, E>(effect: Effect.Effect<A, E, Search.Search | Sqlite>) =>
    Effect.provide(
      Effect.zipRight(
        insert([
          ...filler,
          { id: "both", content: "often seldom" },
          { id: "seldom", content: "seldom", priority: 10 },
          { id: "rare", content: "rarest" }
        ]),
        effect
      ),
      layer
    )

  it.effect("are left aside in a recall where rarer ones are there", () =>
    over(Effect.gen(function*() {
      assert.deepStrictEqual(yield* recalled("often seldom"), ["seldom", "both"])
      assert.sameMembers(Array.from(yield* recalled("often half seldom rarest")), ["seldom", "rare", "both"])
    })))

  it.effect("must still stand in what a search finds", () =>
    over(Effect.gen(function*() {
      assert.deepStrictEqual(yield* found("often seldom"), ["both"])
      assert.deepStrictEqual(yield* found("often rarest"), [])
      assert.deepStrictEqual(yield* found("often unheard"), [])
      assert.lengthOf(yield* found("often half third", { limit: 1000 }), Math.ceil(many / 6))
    })))

  it.effect("decide where no rarer one is there", () =>
    over(Effect.gen(function*() {
      // Both together stand in too many rows: the rarer one alone decides, whatever the priority of the others.
      const hits = yield* recalled("often third", { limit: 1000 })
      assert.lengthOf(hits, 1000)
      assert.isTrue(hits.every((id) => Number(id.slice(1)) % 3 === 0))
      assert.lengthOf(yield* recalled("often unheard", { limit: 50 }), 50)
      assert.lengthOf(yield* recalled("often", { limit: 50 }), 50)
    })))

  it.effect("decide also when even the rarest stands nearly everywhere", () =>
    Effect.gen(function*() {
      const rows = planning.RANKED_ROWS_FACTOR * planning.MIN_COMMON_ROWS + 100
      yield* insert(Array.from({ length: rows }, (_, at) => ({ id: `${at}`, content: "often always" })))
      assert.lengthOf(yield* recalled("often always"), 10)
    }).pipe(Effect.provide(layer)))

  it.effect("decide where the filter hides the rarer ones", () =>
    over(Effect.gen(function*() {
      const hits = yield* recalled("often seldom", { namespace: "filler" })
      assert.lengthOf(hits, 10)
      assert.isTrue(hits.every((id) => id.startsWith("f")))
      assert.deepStrictEqual(yield* recalled("often seldom", { namespace: "nowhere" }), [])
    })))

  it.effect("do not hide a memory that was written after they were counted", () =>
    over(Effect.gen(function*() {
      assert.lengthOf(yield* recalled("often brandnew", { limit: 50 }), 50)
      yield* insert([{ id: "new", content: "brandnew" }])
      assert.deepStrictEqual(yield* recalled("often brandnew"), ["new"])
    })))
})
