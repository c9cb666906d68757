import type * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import * as PeerApi from "../../federation/wire/PeerApi.js"
import type { Call } from "../handlers/Call.js"
import * as memories from "../handlers/memories.js"
import * as sync from "../handlers/sync.js"
import type { Refusal } from "./Refusal.js"
import type { Reply } from "./Reply.js"

/*
 * The routes that carry the load of a mesh, served from bare requests: the platform's router costs about 200 µs a request,
 * these a quarter of it. They are endpoints of the contract as every other one, and answer what the router would answer.
 */

/** What `Lean.find` found for a request. */
export interface LeanRoute {
  readonly pattern: string
  /** Reads go on only as long as somebody waits for them. */
  readonly writes: boolean
  readonly hasBody: boolean
  readonly id: string
  readonly run: (call: Call) => Effect.Effect<Reply, Refusal, Requires>
}

/** The services that lean routes use. */
export type Requires = Effect.Effect.Context<
  ReturnType<typeof memories.create> | ReturnType<typeof memories.get> | ReturnType<typeof sync.push>
>

const MEMORIES = "/api/v1/memories"

const create: LeanRoute = { pattern: MEMORIES, writes: true, hasBody: true, id: "", run: memories.create }
const push: LeanRoute = { pattern: PeerApi.PUSH_PATH, writes: true, hasBody: true, id: "", run: sync.push }

/** Ids with an escape or a further segment are left to the router. */
const PLAIN_ID = /^\/api\/v1\/memories\/([A-Za-z0-9_.:@-]+)$/

/** The lean route of a request, by its method and its path. */
export const find = (method: IncomingMessage["method"], path: string): LeanRoute | undefined => {
  if (method === "POST") return path === MEMORIES ? create : path === PeerApi.PUSH_PATH ? push : undefined
  if (method !== "GET" || !path.startsWith(MEMORIES)) return undefined
  const id = PLAIN_ID.exec(path)?.[1]
  return id === undefined
    ? undefined
    : { pattern: `${MEMORIES}/:id`, writes: false, hasBody: false, id, run: memories.get }
}
