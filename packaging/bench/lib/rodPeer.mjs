// How a measuring rod reaches a peer, and how it counts what comes back.
import { Pool } from "undici"
import { toPush } from "./rodOperation.mjs"

const HEADERS = { "content-type": "application/json" }

/** A pool of `connections` towards `url`; `push` resolves once the peer has committed all of `texts`. */
export const connect = (url, connections) => {
  const pool = new Pool(url, { connections, pipelining: 1 })
  return {
    push: async (texts) => {
      const { body, statusCode } = await pool.request({
        method: "POST",
        path: "/api/v1/sync/push",
        headers: HEADERS,
        body: toPush(texts)
      })
      const answer = await body.text()
      if (statusCode !== 200) throw new Error(`push refused: ${statusCode}`)
      if (JSON.parse(answer).acks.length !== texts.length) throw new Error("push acknowledged in part")
    }
  }
}

/** A client's write on its way to `quorum` of `nodes`: `answer(status, text)` is called exactly once. */
export const track = (entry, { nodes, quorum }, answer) => ({ entry, nodes, quorum, answer, acks: 0, failures: 0 })

export const acked = (write) => {
  write.acks++
  if (write.acks !== write.quorum) return
  write.answer(201, `{"id":"${write.entry.operation.memory.id}","status":"stored","quorum_acks":${write.acks}}`)
}

export const failed = (write) => {
  write.failures++
  if (write.failures === write.nodes - write.quorum + 1) write.answer(503, "{\"error\":\"quorum_not_met\"}")
}
