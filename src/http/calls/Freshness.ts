import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type { IncomingMessage, ServerResponse } from "node:http"
import { freshness } from "../../operations/node/freshness.js"
import { unheard } from "./Refusal.js"
import * as Reply from "./Reply.js"

/*
 * A daemon of a site answers by what it holds of the memory, and hears of what the others have answered before it does. When the
 * store does not say, it answers by what it holds all the same, and says so in a header; but not to who tells, by the id of an
 * operation, that it has written something: that one is never answered by less.
 */

/** Answers a request when what the others have answered is held here. */
export type Fresh = (request: IncomingMessage, response: ServerResponse, answer: () => void) => void

/** So long a read waits for the store. */
const WITHIN = Duration.millis(500)

export const make: Effect.Effect<Fresh | null, never, Effect.Effect.Context<typeof freshness>> = Effect.gen(
  function*() {
    const fresh = yield* freshness
    if (Option.isNone(fresh)) return null
    const run = Runtime.runFork(yield* Effect.runtime())
    const ofAll = Effect.timeout(fresh.value.fresh, WITHIN)
    const lately = Effect.timeout(fresh.value.lately, WITHIN)
    return (request, response, answer) => {
      const hasWritten = request.headers["x-op-id"] !== undefined
      run(hasWritten ? ofAll : lately).addObserver((exit) => {
        if (Exit.isSuccess(exit)) return answer()
        if (hasWritten) return Reply.write(response, unheard)
        response.setHeader("x-store", "unheard")
        answer()
      })
    }
  }
)
