import type * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import type { Fanout, Lists } from "./Fanout.js"
import { wireMemory } from "./shapes.js"
import type * as shapes from "./shapes.js"
import type { Store } from "./Store.js"
import * as validate from "./validate.js"

/** One request, as a handler sees it. */
export interface Call {
  /** The variable parts of the path. */
  readonly parts: ReadonlyArray<string>
  readonly query: URLSearchParams
  readonly header: (name: string) => string | undefined
  /** The body as one typed value; ends the request when it is none. */
  readonly json: <A, I>(schema: Schema.Schema<A, I>) => A
}

export type Handler = (call: Call) => Reply | Promise<Reply>
export type Route = readonly [method: string, path: RegExp, handler: Handler]

/** Thrown, it ends a request early. A text body is a rejection of the framework, which does not speak JSON. */
export class Reply extends Error {
  readonly status: number
  readonly body: object | string
  readonly retryAfter: number | undefined
  constructor(status: number, body: object | string = "", retryAfter?: number) {
    super(`${status} ${JSON.stringify(body)}`)
    this.status = status
    this.body = body
    this.retryAfter = retryAfter
  }
}

/** `{}` in a path is a variable part. */
export const route = (method: string, path: string, handler: Handler): Route => [
  method,
  new RegExp(`^/api/v1${path.replaceAll("{}", "([^/]+)")}$`),
  handler
]

export const invalid = (error: string) => new Reply(400, { error })
export const absent = (error = "not found") => new Reply(404, { error })

export const expectValid = (problem: validate.Problem) => {
  if (problem !== null) throw invalid(problem)
}

/** Who calls: the body's word, else the header's, else an identity of this request alone. */
export const callerOf = (call: Call, given: string | null = null): string => {
  const caller = given ?? call.header("x-agent-id")
  if (caller === undefined) return `anonymous:req-${randomUUID().slice(0, 8)}`
  expectValid(validate.agentId(caller))
  return caller
}

export const limitOf = (call: Call, standard: number, maximum: number): number => {
  const limit = call.query.get("limit") ?? String(standard)
  if (!/^\d+$/.test(limit)) throw new Reply(400, "bad query string")
  return Math.min(Number(limit), maximum)
}

/** What makes vectors of texts. */
export type Embed = (row: shapes.Memory) => ReadonlyArray<number>

/** What handlers work with. */
export interface Node {
  readonly store: Store
  readonly fanout: Fanout
  readonly name: string
  readonly now: () => string
  /** Fans out; a quorum that is not met ends the request, and what was written here stays. Answers the acks. */
  readonly replicate: (lists: Lists, key: string) => Promise<number | undefined>
  /** With what makes the vector of its text, where the store has one at hand. */
  readonly replicateRow: (row: shapes.Memory, embed?: Embed) => Promise<number | undefined>
  readonly embed: Embed | undefined
}

export const makeNode = (parts: Omit<Node, "replicate" | "replicateRow">): Node => {
  const replicate: Node["replicate"] = async (lists, key) => {
    const verdict = await parts.fanout.replicate(lists, key)
    if (verdict === undefined || verdict.met) return verdict?.got
    const { got, needed, reason } = verdict
    throw new Reply(503, { error: "quorum_not_met", got, needed, reason }, 2)
  }
  const replicateRow: Node["replicateRow"] = (row, embed) => {
    const vector = embed?.(row)
    const shipped = vector === undefined ?
      {} :
      { embeddings: [{ memory_id: row.id, model: "all-MiniLM-L6-v2 (384-dim, local)", dim: vector.length, vector }] }
    return replicate({ memories: [wireMemory(row)], ...shipped }, row.id)
  }
  return { ...parts, replicate, replicateRow }
}
