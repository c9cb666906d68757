import type { ServerResponse } from "node:http"
import type { ApiKey } from "../../access/ApiKey.js"

/** How often it is looked whether keys are still good. */
export const LOOK_MILLIS = 1_000

/** Answers that are not over, with the keys that opened them: what goes on, as a stream does, ends with its key. */
export interface Passes {
  readonly add: (response: ServerResponse, key: ApiKey) => void
  /** Cuts those that have begun, and whose keys are not good any more. What is not answered yet was let in to be. */
  readonly look: (isGood: (key: ApiKey) => boolean) => void
}

export const make = (): Passes => {
  const passes = new Map<ServerResponse, ApiKey>()
  return {
    add: (response, key) => {
      passes.set(response, key)
      response.once("close", () => passes.delete(response))
    },
    look: (isGood) => {
      for (const [response, key] of passes) if (response.headersSent && !isGood(key)) response.destroy()
    }
  }
}
