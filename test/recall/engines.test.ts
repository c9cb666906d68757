import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as storeAddress from "../../src/config/storeAddress.js"
import * as Pglite from "../postgres/pglite.js"
import { measure } from "./measure.js"
import { askAll, node, type NodeMode } from "./modes.js"

/*
 * What is found does not depend on what has the memory: all is asked of a node by itself, of the daemon of a site that was told
 * everything, and of another one, which has it all from the log.
 */

/** Not used by what is asked, for that is counted some time later. */
const HOW = { settings: { embedder: "static" }, isUsed: false } as const

const asked = ({ open }: NodeMode) => Effect.scoped(Effect.flatMap(open, askAll))
type Asked = Effect.Effect.Success<ReturnType<typeof asked>>

const database = Effect.acquireRelease(Effect.promise(() => Pglite.start()), ({ stop }) => Effect.promise(stop))

const assertSame = (one: Asked, other: Asked) => {
  assert.deepStrictEqual(
    measure(one.answered, one.unanswered),
    measure(other.answered, other.unanswered)
  )
  const there = [...other.answered, ...other.unanswered]
  for (const [at, { ids, question, strength }] of [...one.answered, ...one.unanswered].entries()) {
    assert.deepStrictEqual(ids, there[at]?.ids, question.ask)
    assert.closeTo(strength ?? NaN, there[at]?.strength ?? NaN, 1e-9, question.ask)
  }
}

describe("recall on the set", () => {
  it.live("finds the same, in the same order, where PostgreSQL has the log", () =>
    Effect.gen(function*() {
      const { url } = yield* database
      const store = Option.some(Either.getOrThrow(storeAddress.parse(url("recall"))))
      const settings = { store, quorumTimeout: Duration.seconds(20) }
      const onStore = node("of a site", { ...HOW, storeOf: () => Promise.resolve(settings) })
      const alone = yield* asked(node("alone", { ...HOW, storeOf: () => Promise.resolve({}) }))
      assert.isAbove(alone.answered.length, 200)
      assertSame(yield* asked(onStore), alone)
      assertSame(yield* asked(onStore), alone)
    }).pipe(Effect.scoped), 240_000)
})
