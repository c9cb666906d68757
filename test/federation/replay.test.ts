import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { PeerUrl } from "../../src/domain/ids.js"
import type { PeerLink } from "../../src/federation/link/PeerLink.js"
import * as replay from "../../src/federation/link/replay.js"
import * as OperationSet from "../../src/replication/OperationSet.js"
import * as DeadLetters from "../../src/store/DeadLetters.js"
import { eventLoopTurn } from "../../src/store/log/eventLoopTurn.js"
import { refusals, storeIn } from "../store/letters.js"

describe("the replay of dead letters", () => {
  /** A peer that does with each operation what `answer` says, and keeps its letters as a link does. */
  const linkTo = (peer: string, answer: (oseq: number) => "held" | "refused" | "timeout") => {
    const tried: Array<number> = []
    const link = (letters: DeadLetters.DeadLetters["Type"]): Pick<PeerLink, "peer" | "status" | "redeliver"> => ({
      peer: { url: PeerUrl.make(`http://${peer}`), name: peer },
      status: () => ({
        phase: "connected",
        identity: { kind: "original", peerId: PeerUrl.make(peer) },
        breaker: { failures: 0 },
        cause: undefined,
        vector: new Map(),
        queued: 0,
        protocol: null
      }),
      redeliver: (op) =>
        Effect.gen(function*() {
          tried.push(op.oseq)
          const reason = answer(op.oseq)
          if (reason === "held") {
            yield* letters.settle(PeerUrl.make(peer), OperationSet.of([op]))
            return "delivered"
          }
          if (reason === "timeout") return "unreachable"
          yield* letters.add(PeerUrl.make(peer), [{ operation: op, reason }])
          return "refused"
        }).pipe(Effect.orDie)
    })
    return { tried, link }
  }

  it.effect("comes to every row, however many before it fail, and to each peer by itself", () =>
    Effect.gen(function*() {
      const letters = yield* DeadLetters.DeadLetters
      const all = Array.from({ length: 200 }, (_, index) => index + 1)
      yield* letters.add(PeerUrl.make("b"), refusals(...all))
      yield* letters.add(PeerUrl.make("c"), refusals(1))
      const b = linkTo("b", (oseq) => oseq <= 150 ? (oseq % 2 === 0 ? "refused" : "timeout") : "held")
      const c = linkTo("c", () => "held")
      yield* Effect.forkScoped(replay.worker([b.link(letters), c.link(letters)]))
      for (let pass = 0; pass < 30; pass++) {
        yield* TestClock.adjust("7 seconds")
        // Each row of a pass is a commit or two.
        yield* Effect.repeatN(eventLoopTurn, 4 * replay.MAX_AT_ONCE)
      }
      assert.deepStrictEqual(c.tried, [1])
      assert.sameMembers([...new Set(b.tried)], all)
      assert.strictEqual(letters.depth(), 150)
      const left = yield* letters.list({ limit: 1000, offset: 0 })
      assert.isTrue(left.every(({ attempts }) => attempts >= 2), "each attempt counts")
    }).pipe(Effect.scoped, Effect.provide(storeIn(":memory:"))))
})
