import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { IncomingMessage } from "node:http"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import type { Refusal } from "../calls/Refusal.js"
import type { Reply } from "../calls/Reply.js"
import { type Need, needOf } from "../contract/access.js"
import * as contract from "../contract/memories.js"
import * as peers from "../contract/sync.js"
import * as memories from "../handlers/memories.js"
import * as sync from "../handlers/sync.js"

/*
 * The routes that carry the load of a mesh, served from bare requests: the platform's router costs about 200 µs a request,
 * these a quarter of it. They are endpoints of the contract as every other one, and answer what the router would answer.
 */

/** What `Lean.find` found for a request. */
export interface LeanRoute {
  readonly pattern: string
  readonly need: Need
  /** Reads go on only as long as somebody waits for them. */
  readonly writes: boolean
  readonly hasBody: boolean
  readonly run: (incoming: Call.Incoming) => Effect.Effect<Reply, Refusal, Requires>
  /** The same without a fiber, for whoever may read all; null where it takes one. */
  readonly runNow?: (services: Context.Context<Requires>) => Reply | null
  /** The same for requests that came at once: one function for all that may share a fiber. */
  readonly runEach?: (
    all: ReadonlyArray<Asked>,
    told: (index: number, exit: Exit.Exit<Reply, Refusal>) => void
  ) => Effect.Effect<void, never, Requires>
  /** Which memory it is about, where the path says so. */
  readonly id: string
}

/** One of several that came at once. */
interface Asked {
  readonly id: string
  readonly incoming: Call.Incoming
}

/** The services that lean routes use. */
export type Requires = Effect.Effect.Context<
  | ReturnType<typeof memories.create>
  | ReturnType<typeof memories.get>
  | ReturnType<typeof memories.update>
  | ReturnType<typeof memories.remove>
  | ReturnType<typeof sync.push>
>

const create: LeanRoute = {
  pattern: contract.create.path,
  need: needOf("memories", contract.create.name),
  writes: true,
  hasBody: true,
  run: (incoming) => Call.remarked(incoming, memories.create(creationOf({ incoming }))),
  runEach: (all, told) => memories.createEach(all.map(creationOf), told),
  id: ""
}

const creationOf = ({ incoming }: Pick<Asked, "incoming">) => ({
  headers: Caller.headersOf(incoming.headers),
  incoming
})

const push: LeanRoute = {
  pattern: peers.push.path,
  need: needOf("sync", peers.push.name),
  writes: true,
  hasBody: true,
  run: (incoming) => sync.push({ incoming }),
  id: ""
}

const get = (id: string): LeanRoute => ({
  pattern: contract.get.path,
  need: needOf("memories", contract.get.name),
  writes: false,
  hasBody: false,
  run: (incoming) => memories.get({ path: { id }, incoming }),
  runNow: (services) => memories.getNow(services, id),
  id
})

const updateEach: LeanRoute["runEach"] = (all, told) => memories.updateEach(all.map(changeOf), told)

const update = (id: string): LeanRoute => ({
  pattern: contract.update.path,
  need: needOf("memories", contract.update.name),
  writes: true,
  hasBody: true,
  run: (incoming) => Call.remarked(incoming, memories.update(changeOf({ id, incoming }))),
  runEach: updateEach,
  id
})

const removeEach: LeanRoute["runEach"] = (all, told) => memories.removeEach(all.map(changeOf), told)

const remove = (id: string): LeanRoute => ({
  pattern: contract.remove.path,
  need: needOf("memories", contract.remove.name),
  writes: true,
  hasBody: false,
  run: (incoming) => Call.remarked(incoming, memories.remove(changeOf({ id, incoming }))),
  runEach: removeEach,
  id
})

const changeOf = ({ id, incoming }: Asked) => ({
  path: { id },
  headers: Caller.matchHeadersOf(incoming.headers),
  incoming
})

const MEMORIES = contract.create.path

/** Ids with an escape or a further segment are left to the router. */
const PLAIN_ID = /^\/api\/v1\/memories\/[A-Za-z0-9_.:@-]+$/

/** The lean route of a request, by its method and its path. */
export const find = (method: IncomingMessage["method"], path: string): LeanRoute | undefined => {
  if (method === "POST") return path === MEMORIES ? create : path === peers.push.path ? push : undefined
  const route = method === undefined ? undefined : OF_ONE.get(method)
  if (route === undefined || !path.startsWith(MEMORIES)) return undefined
  return PLAIN_ID.test(path) ? route(path.slice(MEMORIES.length + 1)) : undefined
}

const OF_ONE: ReadonlyMap<string, (id: string) => LeanRoute> = new Map([["GET", get], ["PUT", update], [
  "DELETE",
  remove
]])
