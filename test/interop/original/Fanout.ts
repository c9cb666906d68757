import * as http from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

/** The lists of a push besides `memories`, which is always there. */
export type Lists = Readonly<Record<string, ReadonlyArray<unknown>>>

export type Verdict =
  | { readonly met: true; readonly got: number }
  | { readonly met: false; readonly got: number; readonly needed: number; readonly reason: "unreachable" | "timeout" }

type Outcome = "ack" | "fail" | "id_drift"

const RETRY_MILLIS = 250

/** The original's client towards its peers: pushes under a quorum, and the GETs of its catch-up. */
export const make = (options: {
  readonly sender: string
  readonly peers: ReadonlyArray<string>
  readonly quorumWrites: number
  readonly timeoutMillis: number
  /** Waits while the process is held. */
  readonly held: () => Promise<void>
}) => {
  const peers = options.peers.map((url, index) => ({ id: `peer-${index}`, url: url.replace(/\/+$/, "") }))
  const isEnabled = options.quorumWrites > 0 && peers.length > 0
  const needed = Math.min(Math.max(options.quorumWrites, 1), peers.length + 1)
  const agent = new http.Agent({ keepAlive: true })
  const closing = new AbortController()

  const exchange = async (method: string, url: string, headers: Record<string, string>, body?: Buffer) => {
    await options.held()
    return await new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
      const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(options.timeoutMillis)])
      const request = http.request(url, { method, agent, signal, headers: { accept: "*/*", ...headers } })
      request.once("error", reject)
      request.once("response", (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.once("error", reject)
        response.once("end", () => {
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })
        })
      })
      // A Buffer, because Node writes the head as UTF-8 when it goes out with a text, and as Latin-1 otherwise.
      request.end(body)
    })
  }

  const attempt = async (url: string, body: Buffer, headers: Record<string, string>, id: string): Promise<Outcome> => {
    try {
      const { status, text } = await exchange("POST", `${url}/api/v1/sync/push`, {
        "content-type": "application/json",
        "content-length": String(body.length),
        ...headers
      }, body)
      if (status < 200 || status > 299) return "fail"
      return drifted(text, id) ? "id_drift" : "ack"
    } catch {
      return "fail"
    }
  }

  const encode = (lists: Lists) =>
    Buffer.from(JSON.stringify({ sender_agent_id: options.sender, memories: [], ...lists, dry_run: false }))

  const send = async (url: string, body: Buffer, key: string): Promise<Outcome> => {
    // The key's bytes as they are: a link's has an arrow in it, raw UTF-8 in a header.
    const headers = { "idempotency-key": Buffer.from(key).toString("latin1") }
    const outcome = await attempt(url, body, headers, key)
    if (outcome !== "fail" || closing.signal.aborted) return outcome
    await sleep(RETRY_MILLIS)
    return attempt(url, body, headers, key)
  }

  return {
    peers,
    isEnabled,
    /** Pushes to every peer and waits for W, this node included; undefined when there is no fan-out. Late ones go on. */
    replicate: async (lists: Lists, key: string): Promise<Verdict | undefined> => {
      if (!isEnabled) return undefined
      const body = encode(lists)
      const deadline = sleep(options.timeoutMillis, "deadline" as const)
      const open = new Map(
        peers.map(({ id, url }) => [id, send(url, body, key).then((outcome) => ({ id, outcome }))])
      )
      let got = 1
      let isLate = false
      while (open.size > 0) {
        const first = await Promise.race([...open.values(), deadline])
        isLate = first === "deadline"
        if (first === "deadline") break
        open.delete(first.id)
        if (first.outcome === "ack") got++
        if (got >= needed) break
      }
      if (got >= needed) return { met: true, got }
      return { met: false, got, needed, reason: isLate && got === 1 ? "unreachable" : "timeout" }
    },
    /** All rows of a bulk write once more, to each peer in one push, tried once. Answers what failed. */
    catchUpBulk: async (memories: ReadonlyArray<unknown>): Promise<ReadonlyArray<string>> => {
      if (!isEnabled) return []
      const body = encode({ memories })
      const outcomes = await Promise.all(
        peers.map(({ url }) => attempt(url, body, { "x-catchup": "bulk" }, ""))
      )
      return peers.flatMap(({ id }, index) => outcomes[index] === "fail" ? [`catchup to ${id}: failed`] : [])
    },
    /** The JSON of a peer's answer, undefined when there is none. */
    get: async (url: string): Promise<unknown> => {
      const answer = await exchange("GET", url, {}).catch(() => undefined)
      return answer?.status === 200 ? parse(answer.text) : undefined
    },
    close: () => {
      closing.abort()
      agent.destroy()
    }
  }
}
export type Fanout = ReturnType<typeof make>

/** The one thing a sender reads of a 2xx: an `ids` list without the id it sent. */
const drifted = (text: string, id: string) => {
  const body = parse(text)
  if (typeof body !== "object" || body === null || !("ids" in body) || !Array.isArray(body.ids)) return false
  return body.ids.length > 0 && !body.ids.includes(id)
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
