import * as Effect from "effect/Effect"
import * as readline from "node:readline"
import { BadUsage, Ended } from "../report.js"

/**
 * Goes on when somebody at a terminal says so. Elsewhere nobody can be asked, and nothing is done; the question is on standard error,
 * so that it is seen wherever the output goes.
 */
export const confirm = (question: string, count: number): Effect.Effect<void, BadUsage | Ended> =>
  Effect.gen(function*() {
    if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
      return yield* new BadUsage({
        problem: `${count} would go: --yes says so where nobody can be asked, --dry-run shows them`
      })
    }
    const said = yield* ask(`${question} (${count})? [y/N] `)
    if (!/^y(?:es)?$/i.test(said.trim())) return yield* new Ended({ code: 1 })
  })

/** What is said on a line; nothing, when the input ends. */
const ask = (question: string): Effect.Effect<string> =>
  Effect.async((resume) => {
    const reader = readline.createInterface({ input: process.stdin, output: process.stderr })
    reader.once("close", () => resume(Effect.succeed("")))
    reader.question(question, (said) => {
      resume(Effect.succeed(said))
      reader.close()
    })
    return Effect.sync(() => reader.close())
  })
