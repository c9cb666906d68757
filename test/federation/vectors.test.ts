import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as vectors from "../../src/federation/wire/vectors.js"
import { keptOf } from "../../src/store/vectors/codes.js"

const seed = Math.floor(Math.random() * 2 ** 31)
console.log(`vectors.test.ts: seed ${seed}`)

const DIMENSIONS = 3
const part = keptOf(Float32Array.of(1, 2, -3))
const digest = vectors.digestOf({ title: "t", content: "c" })
const memory = (id: string, parts = [part]) => ({ id, digest, parts })
const answer = (changes: Partial<vectors.Answer> = {}): vectors.Answer => ({
  ...{ embedder: "openai:small@3", dimensions: DIMENSIONS, looked: 2, memories: [memory("a"), memory("ß")] },
  ...changes
})
const read = (bytes: Uint8Array, ids: ReadonlyArray<string> = ["a", "ß", "c"]) => vectors.read(bytes, ids)
const problemOf = (bytes: Uint8Array, ids?: ReadonlyArray<string>) => {
  const found = read(bytes, ids)
  return Either.isLeft(found) ? found.left : null
}

/** A kept vector, with other bytes in the place of some. */
const spoilt = (at: number, ...bytes: ReadonlyArray<number>) => {
  const copy = Uint8Array.from(part)
  copy.set(bytes, at)
  return copy
}
const scale = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeFloatLE(value)
  return bytes
}

describe("an answer with vectors", () => {
  it("is read as it was written", () => {
    const several = answer({ memories: [memory("ß", [part, new Uint8Array(0), part])] })
    for (
      const one of [
        answer(),
        several,
        answer({ memories: [] }),
        answer({ embedder: "", dimensions: 0, looked: 0, memories: [] })
      ]
    ) {
      assert.deepStrictEqual(Either.getOrThrow(read(vectors.write(one))), one)
    }
  })

  it("takes the bytes that it says", () => {
    const none = vectors.write(answer({ memories: [] })).length
    const one = memory("ß", [part, new Uint8Array(0)])
    assert.strictEqual(vectors.write(answer({ memories: [one] })).length - none, vectors.bytesOf(one))
  })

  const wrong: ReadonlyArray<readonly [what: string, bytes: Uint8Array, problem: RegExp]> = [
    ["nothing at all", new Uint8Array(0), /cut off/],
    ["something else", Buffer.from("<html></html>"), /no vectors/],
    ["another version", vectors.write(answer()).map((byte, at) => at === 4 ? 2 : byte), /version 2/],
    ["bytes behind it", Buffer.concat([vectors.write(answer()), Buffer.of(0)]), /more bytes/],
    ["more than was asked for", vectors.write(answer({ looked: 4 })), /more vectors/],
    ["more than was looked at", vectors.write(answer({ looked: 1 })), /more vectors/],
    ["a memory that was not asked for", vectors.write(answer({ memories: [memory("d")] })), /not asked for/],
    ["a memory twice", vectors.write(answer({ memories: [memory("a"), memory("a")] })), /not asked for/],
    ["a memory beyond what was looked at", vectors.write(answer({ memories: [memory("c")] })), /not asked for/],
    ["a memory without parts", vectors.write(answer({ memories: [memory("a", [])] })), /without a vector/],
    [
      "a scale that is no number",
      vectors.write(answer({ memories: [memory("a", [spoilt(0, ...scale(NaN))])] })),
      /is none/
    ],
    [
      "a scale without end",
      vectors.write(answer({ memories: [memory("a", [spoilt(0, ...scale(Infinity))])] })),
      /is none/
    ],
    [
      "a scale below zero",
      vectors.write(answer({ memories: [memory("a", [spoilt(0, ...scale(-0.006))])] })),
      /is none/
    ],
    [
      "a vector that is too long",
      vectors.write(answer({ memories: [memory("a", [spoilt(0, ...scale(1))])] })),
      /is none/
    ],
    [
      "a vector without a direction",
      vectors.write(answer({ memories: [memory("a", [spoilt(4, 0, 0, 0)])] })),
      /is none/
    ],
    ["other dimensions than it says", vectors.write(answer({ dimensions: 4 })), /cut off|is none|not asked for/]
  ]
  it.each(wrong)("with %s is not taken", (_, bytes, problem) => {
    assert.match(String(problemOf(bytes)), problem)
  })

  it("that is cut off anywhere is not taken", () => {
    const bytes = vectors.write(answer())
    for (let length = 0; length < bytes.length; length += 1) {
      assert.isNotNull(problemOf(bytes.subarray(0, length)), String(length))
    }
  })

  it("of any bytes at all is taken or not, and read in no time", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ maxLength: 400 }), FastCheck.boolean(), (bytes, hasHead) => {
        const all = hasHead ? Buffer.concat([vectors.write(answer()).subarray(0, 5), bytes]) : bytes
        Either.isEither(read(all))
      }),
      { seed, numRuns: 2000 }
    )
  })
})

describe("the digest of a text", () => {
  it("tells title and content apart", () => {
    const digests = [["a", "b"], ["ab", ""], ["", "ab"], ["a", "B"]].map(([title = "", content = ""]) =>
      vectors.digestOf({ title, content })
    )
    assert.strictEqual(new Set(digests).size, 4)
  })
})
