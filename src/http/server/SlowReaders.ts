import * as Duration from "effect/Duration"
import type { ServerResponse } from "node:http"
import type { Patience } from "./Patience.js"

/** How often open answers are looked at. */
export const LOOK_MILLIS = 1_000

/** Of an open answer, what shows whether its client takes it. */
type Answer = Pick<ServerResponse, "writableLength" | "destroy" | "on">

/** Since when an answer waits, and the most that waited meanwhile. */
interface Waiting {
  since: number
  bytes: number
}

/** Cuts connections whose clients do not take what they asked for. */
export interface SlowReaders {
  readonly add: (answer: Answer) => void
  readonly remove: (answer: Answer) => void
  /** Looks at all of them; answers how many were cut. */
  readonly look: (nowMillis: number) => number
}

export const make = (
  { bytesPerSecond, stalled }: Pick<Patience["Type"], "stalled" | "bytesPerSecond">
): SlowReaders => {
  const answers = new Map<Answer, Waiting | null>()
  const patienceMillis = Duration.toMillis(stalled)

  const isStalled = (answer: Answer, nowMillis: number): boolean => {
    const bytes = answer.writableLength
    if (bytes === 0) {
      if (answers.get(answer) !== null) answers.set(answer, null)
      return false
    }
    const waiting = answers.get(answer)
    if (waiting === undefined || waiting === null) {
      answers.set(answer, { since: nowMillis, bytes })
      // A stream that goes on in pieces is looked at between two of them only by chance.
      answer.on("drain", () => answers.has(answer) && answers.set(answer, null))
      return false
    }
    waiting.bytes = Math.max(waiting.bytes, bytes)
    return nowMillis - waiting.since > patienceMillis + waiting.bytes / bytesPerSecond * 1000
  }

  return {
    add: (answer) => answers.set(answer, null),
    remove: (answer) => answers.delete(answer),
    look: (nowMillis) => {
      const stalled = Array.from(answers.keys()).filter((answer) => isStalled(answer, nowMillis))
      for (const answer of stalled) {
        answers.delete(answer)
        answer.destroy()
      }
      return stalled.length
    }
  }
}
