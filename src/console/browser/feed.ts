import { listen, query } from "./asking.js"
import * as Session from "./session.js"

/*
 * The stream of what is asked for and decided. A browser's own reader of such streams sends no key, so this one reads it; where
 * it is closed to a key, the list is looked at every few seconds all the same.
 */

/** Of everything, unless the user is somebody. */
const LISTENER = "host:console"
const AGAIN_MILLIS = 5_000
/** A line without an end is none of ours. */
const MOST_CHARS = 64 * 1024

/** Tells the name of each event, until the signal ends it. */
export const follow = async (signal: AbortSignal, heard: (event: string) => void): Promise<void> => {
  while (!signal.aborted) {
    try {
      const stream = await listen(`/approvals/stream${query({ agent_id: Session.agent() || LISTENER })}`, signal)
      if (stream === undefined) return
      await read(stream, heard)
    } catch {
      // The node went away, or the view did.
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLIS))
  }
}

const read = async (stream: ReadableStream<Uint8Array>, heard: (event: string) => void): Promise<void> => {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  let left = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (left + decoder.decode(value, { stream: true })).split("\n")
    left = lines.pop() ?? ""
    if (left.length > MOST_CHARS) return reader.cancel()
    for (const line of lines) {
      const [, event] = /^event: ?(\S+)/.exec(line) ?? []
      if (event !== undefined) heard(event)
    }
  }
}
