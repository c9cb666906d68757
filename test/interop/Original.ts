import * as Schema from "effect/Schema"
import * as http from "node:http"
import { freePorts } from "../mesh/Cluster.js"
import * as Fanout from "./original/Fanout.js"
import * as governance from "./original/governance.js"
import { type Embed, makeNode, Reply, type Route } from "./original/http.js"
import * as memories from "./original/memories.js"
import type * as shapes from "./original/shapes.js"
import { stamp, wallClock } from "./original/stamp.js"
import { Refused, type Store } from "./original/Store.js"
import * as Tables from "./original/Store.js"
import * as sync from "./original/sync.js"

export interface Options {
  /** `host:<name>` is what peers are told. */
  readonly name: string
  readonly port?: number
  readonly peers?: ReadonlyArray<string>
  /** W; 0 turns the fan-out off. */
  readonly quorumWrites?: number
  readonly quorumTimeoutMillis?: number
  /** 0 turns the catch-up loop off; its first turn comes after this time, too. */
  readonly catchupMillis?: number
  /** What makes the vectors that it ships; it ships none without. */
  readonly embed?: Embed
  /** Nanoseconds since the epoch. */
  readonly clock?: () => bigint
}

/** A request as it came in. Header values are Latin-1, as Node hands them over. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  /** The JSON of the body, its text where it is none. */
  readonly body: unknown
}

/**
 * A peer that behaves as the original daemon does, written from a description of its wire and its rules, faults
 * included. Its database is in memory and lives as long as this object: a stop is that of the process, not of its disk.
 */
export interface Original {
  readonly url: string
  readonly memories: () => ReadonlyArray<shapes.Memory>
  readonly archived: () => ReadonlyArray<shapes.Archived>
  readonly links: () => ReadonlyArray<shapes.StoredLink>
  readonly pendings: () => ReadonlyArray<shapes.PendingAction>
  readonly namespaceMeta: () => ReadonlyArray<shapes.NamespaceMeta>
  /** The vector that it has of a memory. */
  readonly vectorOf: (id: string) => ReadonlyArray<number> | undefined
  readonly requests: () => ReadonlyArray<Received>
  /** One turn of the catch-up loop, now. */
  readonly catchUp: () => Promise<void>
  /** Does this while no turn of the catch-up loop is under way, not even one that has read and not yet written. */
  readonly withoutCatchUp: <A>(work: () => Promise<A>) => Promise<A>
  /** As SIGSTOP: connections are accepted and nothing is answered or sent; `resume` goes on with all that came. */
  readonly pause: () => void
  readonly resume: () => void
  /** As SIGKILL: nothing listens any more, and pushes under way are lost. */
  readonly stop: () => Promise<void>
  /** Starts again on its data, with other options if given. */
  readonly restart: (changes?: Partial<Omit<Options, "port">>) => Promise<void>
}

export const start = async (given: Options): Promise<Original> => {
  const [free = 0] = given.port === undefined ? await freePorts(1) : [given.port]
  let options: Options = given
  const store = Tables.make(() => stamp((options.clock ?? wallClock)()))
  const gate = makeGate()
  let isLooping = true
  const requests: Array<Received> = []
  const launch = () => run({ options, port: free, store, held: gate.held, mayLoop: () => isLooping, requests })
  let running = await launch()
  return {
    url: `http://127.0.0.1:${free}`,
    memories: () => store.memories(),
    archived: () => store.archived(),
    links: () => store.links(),
    pendings: () => store.pendings(),
    namespaceMeta: () => store.namespaceMeta(),
    vectorOf: (id) => store.vectorOf(id),
    requests: () => requests,
    catchUp: () => running.catchUp(),
    withoutCatchUp: async (work) => {
      isLooping = false
      try {
        await running.turn()
        return await work()
      } finally {
        isLooping = true
      }
    },
    pause: gate.close,
    resume: gate.open,
    stop: () => running.stop(),
    restart: async (changes) => {
      await running.stop()
      gate.open()
      options = { ...options, ...changes }
      running = await launch()
    }
  }
}

/** The process: everything but the data. */
const run = async ({ held, mayLoop, options, port, requests, store }: {
  readonly options: Options
  readonly port: number
  readonly store: Store
  readonly held: () => Promise<void>
  readonly mayLoop: () => boolean
  readonly requests: Array<Received>
}) => {
  const fanout = Fanout.make({
    sender: `host:${options.name}`,
    peers: options.peers ?? [],
    quorumWrites: options.quorumWrites ?? 0,
    timeoutMillis: options.quorumTimeoutMillis ?? 2000,
    held
  })
  const now = () => stamp((options.clock ?? wallClock)())
  const node = makeNode({ store, fanout, name: options.name, now, embed: options.embed })
  const routes = [...sync.routes(node), ...memories.routes(node), ...governance.routes(node)]

  let isStopped = false
  // Idle connections stay: the original's server has no timeout for them.
  const server = http.createServer({ keepAliveTimeout: 0 }, async (request, response) => {
    const { kind, text } = await readBody(request)
    await held()
    if (isStopped || kind === "broken off") return
    const { headers, method = "", url: path = "" } = request
    requests.push({ method, path, headers, body: parseJson(text) ?? text })
    const reply = kind === "too large" ? new Reply(413) : await answer(routes, { method, path, headers, text })
    const isText = typeof reply.body === "string"
    response.writeHead(reply.status, {
      ...(isText ? { "content-type": "text/plain; charset=utf-8" } : { "content-type": "application/json" }),
      ...(reply.retryAfter === undefined ? {} : { "retry-after": String(reply.retryAfter) })
    })
    response.end(isText ? reply.body : JSON.stringify(reply.body))
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(port, "127.0.0.1", resolve)
  })

  const catchUp = async () => {
    await held()
    if (!isStopped) await sync.catchUp(node)
  }
  let timer: NodeJS.Timeout | undefined
  let turn = Promise.resolve()
  const loop = () => {
    if (mayLoop()) turn = catchUp()
    return turn
  }
  const later = () => {
    if (isStopped || (options.catchupMillis ?? 0) === 0) return
    timer = setTimeout(() => void loop().finally(later), options.catchupMillis)
  }
  later()
  return {
    catchUp,
    /** The last turn of the loop. */
    turn: () => turn,
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      fanout.close()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    }
  }
}

interface Raw {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}

const answer = async (routes: ReadonlyArray<Route>, raw: Raw): Promise<Reply> => {
  const { pathname, searchParams: query } = new URL(raw.path, "http://localhost")
  const onPath = routes.filter(([, path]) => path.test(pathname))
  const [, path, handler] = onPath.find(([method]) => method === raw.method) ?? []
  if (path === undefined || handler === undefined) return new Reply(onPath.length === 0 ? 404 : 405)
  const parts = (path.exec(pathname) ?? []).slice(1).map(decodeURIComponent)
  const header = (name: string) => {
    const value = raw.headers[name]
    return typeof value === "string" ? value : undefined
  }
  try {
    return await handler({ parts, query, header, json: (schema) => decodeBody(schema, raw) })
  } catch (error) {
    if (error instanceof Reply) return error
    if (error instanceof Refused) return new Reply(500, { error: "internal server error" })
    throw error
  }
}

const decodeBody = <A, I>(schema: Schema.Schema<A, I>, raw: Raw): A => {
  if (raw.headers["content-type"]?.startsWith("application/json") !== true) {
    throw new Reply(415, "Expected request with `Content-Type: application/json`")
  }
  const value = parseJson(raw.text)
  if (value === undefined || hasLoneSurrogate(value)) throw new Reply(400, "Failed to parse the request body as JSON")
  const decoded = Schema.decodeUnknownEither(schema)(value)
  if (decoded._tag === "Left") throw new Reply(422, `Failed to deserialize the JSON body: ${decoded.left.message}`)
  return decoded.right
}

/** Half of a surrogate pair, which no UTF-8 text can hold, so that the whole body is refused. */
const hasLoneSurrogate = (value: unknown) => /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(JSON.stringify(value))

const MAX_BODY_BYTES = 2 * 1024 * 1024

interface Body {
  readonly kind: "whole" | "too large" | "broken off"
  readonly text: string
}

const readBody = async (request: http.IncomingMessage): Promise<Body> => {
  const chunks: Array<Buffer> = []
  let size = 0
  try {
    for await (const chunk of request) {
      size += chunk.length
      if (size <= MAX_BODY_BYTES) chunks.push(chunk)
    }
  } catch {
    return { kind: "broken off", text: "" }
  }
  return { kind: size > MAX_BODY_BYTES ? "too large" : "whole", text: Buffer.concat(chunks).toString() }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const makeGate = () => {
  let closed: { readonly until: Promise<void>; readonly open: () => void } | undefined
  return {
    held: async () => closed?.until,
    close: () => {
      if (closed !== undefined) return
      let open = () => {}
      const until = new Promise<void>((resolve) => {
        open = resolve
      })
      closed = { until, open }
    },
    open: () => {
      closed?.open()
      closed = undefined
    }
  }
}
