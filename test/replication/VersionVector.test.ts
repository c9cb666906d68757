import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { Origin } from "../../src/domain/ids.js"
import * as VersionVector from "../../src/replication/VersionVector.js"

const a = Origin.make("node-a/1")
const b = Origin.make("node-b/1")

/** The model: the set of operations held, one text per operation. */
type Model = ReadonlySet<string>
type Op = readonly [origin: Origin, oseq: number]

const maxOseq = 14
const origins = [a, b, Origin.make("node-c/7")]

const op = FastCheck.tuple(FastCheck.constantFrom(...origins), FastCheck.integer({ min: 1, max: maxOseq }))
const ops = FastCheck.array(op, { maxLength: 40 })

const textOf = ([origin, oseq]: Op) => `${origin}#${oseq}`
const modelOf = (held: ReadonlyArray<Op>): Model => new Set(held.map(textOf))
const vectorOf = (held: ReadonlyArray<Op>): VersionVector.VersionVector =>
  held.reduce((vv, [origin, oseq]) => VersionVector.add(vv, origin, oseq), VersionVector.empty)

const holds = (vv: VersionVector.VersionVector): Model =>
  modelOf(
    origins.flatMap((origin) =>
      Array.from({ length: maxOseq + 2 }, (_, oseq): Op => [origin, oseq]).filter(([of, oseq]) =>
        VersionVector.contains(vv, of, oseq)
      )
    )
  )

const assertCanonical = (vv: VersionVector.VersionVector) => {
  for (const [origin, { beyond, upto }] of vv) {
    assert.isTrue(upto > 0 || beyond.length > 0, `${origin} holds nothing`)
    let last = upto
    for (const [from, to] of beyond) {
      assert.isTrue(from > last + 1 && from <= to, `${origin}: ${JSON.stringify([upto, ...beyond])}`)
      last = to
    }
  }
}

const minus = (from: Model, what: Model) => new Set([...from].filter((text) => !what.has(text)))
const unionOf = (x: Model, y: Model) => new Set([...x, ...y])

const decode = Schema.decodeUnknownEither(VersionVector.Wire)

describe("VersionVector", () => {
  it("extends the prefix by the next sequence, and keeps what is beyond a gap apart", () => {
    const steps = [1, 2, 5, 7, 6, 3, 4].map((_, i, all) => vectorOf(all.slice(0, i + 1).map((oseq) => [a, oseq])))
    assert.deepStrictEqual(steps.map((vv) => VersionVector.entry(vv, a)), [
      { upto: 1, beyond: [] },
      { upto: 2, beyond: [] },
      { upto: 2, beyond: [[5, 5]] },
      { upto: 2, beyond: [[5, 5], [7, 7]] },
      { upto: 2, beyond: [[5, 7]] },
      { upto: 3, beyond: [[5, 7]] },
      { upto: 7, beyond: [] }
    ])
  })

  it("holds nothing of an origin it never heard of", () => {
    assert.strictEqual(VersionVector.upto(VersionVector.empty, a), 0)
    assert.deepStrictEqual(VersionVector.entry(VersionVector.empty, a), { upto: 0, beyond: [] })
    assert.isFalse(VersionVector.contains(VersionVector.empty, a, 1))
    assert.isFalse(VersionVector.contains(vectorOf([[a, 1]]), a, 0))
  })

  it("returns the same vector for an operation it holds, and leaves the given one as it was", () => {
    const before = vectorOf([[a, 1], [a, 3]])
    assert.strictEqual(VersionVector.add(before, a, 1), before)
    assert.strictEqual(VersionVector.add(before, a, 3), before)
    VersionVector.add(before, a, 2)
    assert.deepStrictEqual(VersionVector.entry(before, a), { upto: 1, beyond: [[3, 3]] })
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53])("takes no sequence %s", (oseq) => {
    assert.throws(() => VersionVector.add(VersionVector.empty, a, oseq), RangeError)
  })

  it("agrees with a plain set, in whatever order operations come, and is canonical", () => {
    FastCheck.assert(FastCheck.property(ops, (held) => {
      const vv = vectorOf(held)
      assertCanonical(vv)
      assert.deepStrictEqual(holds(vv), modelOf(held))
      for (const origin of origins) {
        let upto = 0
        while (modelOf(held).has(textOf([origin, upto + 1]))) upto++
        assert.strictEqual(VersionVector.upto(vv, origin), upto)
      }
    }))
  })

  it("merges to the union: order does not matter, twice is once", () => {
    FastCheck.assert(FastCheck.property(ops, ops, ops, (x, y, z) => {
      const [vx, vy, vz] = [vectorOf(x), vectorOf(y), vectorOf(z)]
      const merged = VersionVector.merge(vx, vy)
      assertCanonical(merged)
      assert.deepStrictEqual(holds(merged), unionOf(modelOf(x), modelOf(y)))
      assert.isTrue(VersionVector.equals(merged, VersionVector.merge(vy, vx)))
      assert.isTrue(
        VersionVector.equals(VersionVector.merge(merged, vz), VersionVector.merge(vx, VersionVector.merge(vy, vz)))
      )
      assert.strictEqual(VersionVector.merge(merged, vx), merged)
    }))
  })

  it("compares as the sets do", () => {
    const halves = FastCheck.tuple(ops, ops, FastCheck.boolean()).map(([x, more, related]) =>
      related ? [x, [...more, ...x]] as const : [x, more] as const
    )
    let dominated = 0
    let equal = 0
    FastCheck.assert(
      FastCheck.property(halves, ([x, y]) => {
        const [vx, vy] = [vectorOf(x), vectorOf(y)]
        const lacking = minus(modelOf(x), modelOf(y)).size
        const isEqual = lacking === 0 && modelOf(x).size === modelOf(y).size
        if (lacking === 0) dominated++
        if (isEqual) equal++
        assert.strictEqual(VersionVector.dominates(vy, vx), lacking === 0)
        assert.strictEqual(VersionVector.equals(vx, vy), isEqual)
      }),
      { numRuns: 500 }
    )
    assert.isAbove(dominated, 100)
    assert.isAbove(equal, 0)
  })

  it("finds exactly what the other lacks, in closed ascending ranges that do not touch", () => {
    let ranges = 0
    FastCheck.assert(FastCheck.property(ops, ops, (x, y) => {
      const missing = VersionVector.missing(vectorOf(x), vectorOf(y))
      ranges += missing.length
      const listed = missing.flatMap(({ from, origin, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => textOf([origin, from + i]))
      )
      assert.strictEqual(new Set(listed).size, listed.length, "nothing is listed twice")
      assert.deepStrictEqual(new Set(listed), minus(modelOf(x), modelOf(y)))
      missing.slice(1).forEach((range, i) => {
        const previous = missing[i]
        assert.isTrue(
          previous !== undefined
            && (previous.origin < range.origin || (previous.origin === range.origin && previous.to + 1 < range.from))
        )
      })
    }))
    assert.isAbove(ranges, 100)
  })

  it("makes one canonical vector of entries in any form", () => {
    const given = [
      [a, { upto: 2, beyond: [[3, 4], [6, 6]] }],
      [b, { upto: 0, beyond: [] }],
      [a, { upto: 0, beyond: [[1, 1], [5, 5]] }]
    ] as const
    assert.deepStrictEqual(VersionVector.fromEntries(given), new Map([[a, { upto: 6, beyond: [] }]]))
  })

  it("survives JSON unchanged", () => {
    FastCheck.assert(FastCheck.property(ops, (held) => {
      const vv = vectorOf(held)
      for (
        const [schema, json] of [[VersionVector.Wire, VersionVector.toWire(vv)], [
          VersionVector.Stored,
          VersionVector.toJson(vv)
        ]] as const
      ) {
        assert.deepStrictEqual(Schema.encodeSync(schema)(vv), json)
        const read = Schema.decodeUnknownSync(Schema.parseJson(schema))(JSON.stringify(json))
        assert.isTrue(VersionVector.equals(read, vv))
      }
    }))
  })

  it("writes a number where there is no gap, and ranges where there is", () => {
    assert.deepStrictEqual(VersionVector.toJson(vectorOf([[a, 1], [a, 2], [b, 2], [b, 3], [b, 5]])), {
      [a]: 2,
      [b]: [0, [2, 3], [5, 5]]
    })
  })

  it("reads touching ranges as what they mean, and leaves out what holds nothing", () => {
    assert.deepStrictEqual(
      decode({ [a]: [1, [3, 4], [5, 6]], [b]: 0, "c/1": [0] }),
      Either.right(new Map([[a, { upto: 1, beyond: [[3, 6]] }]]))
    )
  })

  it.each([
    ["no object", 7],
    ["null", null],
    ["a negative prefix", { [a]: -1 }],
    ["a fraction", { [a]: 1.5 }],
    ["a number beyond the safe ones", { [a]: 2 ** 53 }],
    ["a text", { [a]: "7" }],
    ["an empty entry", { [a]: [] }],
    ["a range that is none", { [a]: [1, [3]] }],
    ["a range of three", { [a]: [1, [3, 4, 5]] }],
    ["a range backwards", { [a]: [1, [4, 3]] }],
    ["ranges that overlap", { [a]: [1, [3, 5], [5, 6]] }],
    ["ranges that descend", { [a]: [1, [6, 6], [3, 3]] }],
    ["a range within the prefix", { [a]: [4, [3, 6]] }],
    ["a range that touches the prefix", { [a]: [4, [5, 6]] }],
    ["an origin without a name", { "": 1 }],
    ["an origin of 257 characters", { [`${"x".repeat(255)}/1`]: 1 }],
    ["an origin that is no node with its incarnation", { [`node "a"\n/1`]: 1 }],
    ["an origin without an incarnation", { "node-a": 1 }],
    ["the incarnation 0", { "node-a/0": 1 }]
  ])("refuses %s", (_, wire) => {
    assert.isTrue(Either.isLeft(decode(wire)))
  })

  it("takes what is at the bounds, and refuses what is beyond them", () => {
    const originsOf = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n/${i + 1}`, 1]))
    assert.isTrue(Either.isRight(decode(originsOf(4096))))
    assert.isTrue(Either.isLeft(decode(originsOf(4097))))
    const ranges = (count: number) => [0, ...Array.from({ length: count }, (_, i) => [2 * i + 2, 2 * i + 2])]
    assert.isTrue(Either.isRight(decode({ [a]: ranges(1024) })))
    assert.isTrue(Either.isLeft(decode({ [a]: ranges(1025) })))
    assert.isTrue(Either.isRight(decode({ [`${"x".repeat(254)}/1`]: Number.MAX_SAFE_INTEGER })))
  })

  it("never sends more than a peer takes, claims less instead, and keeps all of it for itself", () => {
    const gaps = VersionVector.fromEntries([[a, {
      upto: 1,
      beyond: Array.from({ length: 1500 }, (_, i) => [2 * i + 3, 2 * i + 3] as const)
    }]])
    const many = VersionVector.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [Origin.make(`n/${i + 1}`), { upto: 1, beyond: [] }])
    )
    for (const vv of [gaps, many]) {
      const claimed = Either.getOrThrow(decode(VersionVector.toWire(vv)))
      assert.isTrue(VersionVector.dominates(vv, claimed))
      assert.isFalse(VersionVector.dominates(claimed, vv))
      assert.deepStrictEqual(VersionVector.toWire(claimed), VersionVector.toWire(vv))
      const stored = Schema.decodeUnknownSync(VersionVector.Stored)(VersionVector.toJson(vv))
      assert.isTrue(VersionVector.equals(stored, vv))
    }
  })

  it("keeps an origin whatever its node is called", () => {
    const name = FastCheck.stringMatching(/^[A-Za-z0-9_:@./-]{1,20}\/[1-9][0-9]{0,3}$/)
    FastCheck.assert(
      FastCheck.property(FastCheck.array(name, { maxLength: 8 }), (names) => {
        const vv = VersionVector.fromEntries(
          names.map((origin) => [Origin.make(origin), { upto: 3, beyond: [[5, 6]] }])
        )
        const read = Schema.decodeUnknownSync(VersionVector.Wire)(JSON.parse(JSON.stringify(VersionVector.toWire(vv))))
        assert.isTrue(VersionVector.equals(read, vv))
      }),
      { examples: [[["constructor/1", "toString/1", "__proto__/1"]]] }
    )
  })

  it("is not led astray by a key that would be a prototype", () => {
    const decoded = Either.getOrThrow(decode(JSON.parse("{\"__proto__\": [1, [3, 4]], \"n/1\": 2}")))
    assert.deepStrictEqual(decoded, new Map([[Origin.make("n/1"), { upto: 2, beyond: [] }]]))
    assert.notProperty({}, "1")
  })
})

describe("the work of a vector", () => {
  const many = (count: number, upto = 1) =>
    Array.from({ length: count }, (_, at) => [Origin.make(`node-${at}/1`), { upto, beyond: [] }] as const)
  /** A vector of so many origins that counts how many of its entries are gone through. */
  const counting = (count: number) => {
    let looks = 0
    class Counting extends Map<Origin, VersionVector.Entry> {
      override *entries(): Generator<[Origin, VersionVector.Entry], undefined> {
        for (const each of super.entries()) {
          looks++
          yield each
        }
        return undefined
      }
      override [Symbol.iterator]() {
        return this.entries()
      }
    }
    const vv = new Counting()
    for (const [origin, held] of many(count)) vv.set(origin, held)
    return { vv, looks: () => looks }
  }

  it("grows with what is new, not with the origins that there are", () => {
    const { looks, vv } = counting(2_000)
    let grown: VersionVector.VersionVector = vv
    for (let oseq = 2; oseq <= 1_000; oseq++) grown = VersionVector.add(grown, Origin.make("node-7/1"), oseq)
    for (let at = 0; at < 40; at++) grown = VersionVector.add(grown, Origin.make(`node-${at}/1`), 2)
    grown = VersionVector.merge(grown, new Map([[a, { upto: 3, beyond: [] }]]))
    grown = VersionVector.remove(grown, Origin.make("node-9/1"), 2)
    assert.strictEqual(looks(), 0)
    const expected = new Map<Origin, VersionVector.Entry>(many(2_000, 1))
    for (let at = 0; at < 40; at++) expected.set(Origin.make(`node-${at}/1`), { upto: at === 9 ? 1 : 2, beyond: [] })
    expected.set(Origin.make("node-7/1"), { upto: 1_000, beyond: [] })
    expected.set(a, { upto: 3, beyond: [] })
    assert.deepStrictEqual(Array.from(grown), Array.from(expected))
    assert.strictEqual(grown.size, 2_001)
    assert.isTrue(VersionVector.equals(grown, expected))
    assert.deepStrictEqual(VersionVector.toJson(grown), VersionVector.toJson(expected))
    assert.deepStrictEqual(vv.get(a), undefined, "what it was made of is as it was")
  })

  it("is that of a map that is copied, whatever becomes of it", () => {
    FastCheck.assert(FastCheck.property(
      FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 0, max: 200 }), FastCheck.integer({ min: 1, max: 6 }))),
      (added) => {
        const start: VersionVector.VersionVector = new Map(many(120))
        const model = new Map<Origin, VersionVector.VersionVector>()
        let grown = start
        for (const [at, oseq] of added) {
          const origin = Origin.make(`node-${at}/1`)
          grown = VersionVector.add(grown, origin, oseq)
          model.set(
            origin,
            VersionVector.add(
              model.get(origin) ?? new Map(at < 120 ? [[origin, { upto: 1, beyond: [] }]] : []),
              origin,
              oseq
            )
          )
        }
        const expected = new Map(start)
        for (const [origin, alone] of model) expected.set(origin, VersionVector.entry(alone, origin))
        assert.isTrue(VersionVector.equals(grown, expected))
        assert.deepStrictEqual(Array.from(grown.keys()), Array.from(expected.keys()))
        assert.deepStrictEqual(Array.from(grown.values()), Array.from(expected.values()))
        assert.strictEqual(grown.size, expected.size)
        const seen: Array<readonly [Origin, VersionVector.Entry]> = []
        grown.forEach((held, origin) => seen.push([origin, held]))
        assert.deepStrictEqual(seen, Array.from(expected))
        assert.deepStrictEqual(decode(VersionVector.toWire(grown)), decode(VersionVector.toWire(expected)))
        assert.deepStrictEqual(Schema.encodeSync(VersionVector.Wire)(grown), VersionVector.toWire(expected))
      }
    ))
  })

  it("looks at few ranges of an origin for one operation more", () => {
    const ranges = Array.from({ length: 1_024 }, (_, at): VersionVector.Range => [3 * at + 3, 3 * at + 4])
    let looks = 0
    const beyond = new Proxy(ranges, {
      get: (target, property, receiver): unknown => {
        if (typeof property === "string" && /^\d+$/.test(property)) looks++
        return Reflect.get(target, property, receiver)
      }
    })
    const vv = new Map([[a, { upto: 1, beyond }]])
    assert.isTrue(VersionVector.contains(vv, a, 3_000))
    assert.isFalse(VersionVector.contains(vv, a, 3_002))
    assert.isTrue(VersionVector.touches({ upto: 1, beyond }, 3_002))
    assert.isBelow(looks, 64)
  })
})
