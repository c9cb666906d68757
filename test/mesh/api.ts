import { assert } from "@effect/vitest"
import * as Cluster from "./Cluster.js"

export type Json = Record<string, unknown>

export interface Ask {
  readonly body?: unknown
  /** Who asks. */
  readonly agent?: string
  readonly headers?: Record<string, string>
  /** The status that the answer must have: 200 unless given. */
  readonly status?: number
  readonly timeoutMillis?: number
}

/** One request of the form `GET /memories`, below `/api/v1`, that must be answered with a status; the body of the answer. */
export const ask = async (url: string, request: string, options: Ask = {}): Promise<Json> => {
  const [method = "", path = ""] = request.split(" ")
  const { agent, body, headers, status: expected = 200, timeoutMillis } = options
  const answer = await Cluster.call(url, method, `/api/v1${path}`, {
    ...(body === undefined ? {} : { body }),
    headers: { ...(agent === undefined ? {} : { "x-agent-id": agent }), ...headers },
    ...(timeoutMillis === undefined ? {} : { timeoutMillis })
  })
  assert.strictEqual(answer.status, expected, `${request} of ${url}: ${JSON.stringify(answer.body).slice(0, 500)}`)
  return answer.body
}

/** Query parameters, with what must be escaped in them. */
export const query = (parameters: Record<string, string | number>): string =>
  `?${Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`

/** The objects of a list in an answer. */
export const rows = (body: Json, list: string): ReadonlyArray<Json> => {
  const found = body[list]
  if (!Array.isArray(found)) throw new Error(`no ${list} in ${JSON.stringify(body).slice(0, 500)}`)
  return found.filter(Cluster.isRecord)
}

export const record = (value: unknown): Json => Cluster.isRecord(value) ? value : {}

export const create = async (url: string, body: Json, options: Ask = {}): Promise<string> =>
  String(
    (await ask(url, "POST /memories", { body: { content: "some content", ...body }, status: 201, ...options }))["id"]
  )

/** A memory as a node shows it, or undefined where it shows none. */
export const memory = async (url: string, id: unknown): Promise<Json | undefined> => {
  const { body, status } = await Cluster.call(url, "GET", `/api/v1/memories/${encodeURIComponent(String(id))}`)
  assert.include([200, 404], status, JSON.stringify(body))
  return status === 200 ? record(body["memory"]) : undefined
}

/** The memories that a node lists in a namespace. */
export const listed = async (url: string, namespace: string): Promise<ReadonlyArray<Json>> =>
  rows(await ask(url, `GET /memories${query({ namespace, limit: 1000 })}`), "memories")

export const titles = async (url: string, namespace: string): Promise<ReadonlyArray<string>> =>
  (await listed(url, namespace)).map(({ title }) => String(title)).sort()

/** What a node has in the archive of a namespace. */
export const archived = async (url: string, namespace: string): Promise<ReadonlyArray<Json>> =>
  rows(await ask(url, `GET /archive${query({ namespace, limit: 1000 })}`), "archived")

/** The links of a memory, in both directions. */
export const links = async (url: string, id: unknown): Promise<ReadonlyArray<Json>> =>
  rows(await ask(url, `GET /links/${String(id)}`), "links")

/** A governed action as a node shows it, or undefined. */
export const pending = async (url: string, id: unknown): Promise<Json | undefined> =>
  rows(await ask(url, "GET /pending?limit=1000"), "pending").find((action) => action["id"] === id)

/** Whether an object has these fields, whatever else it has. */
export const has = (value: Json | undefined, fields: Json): boolean =>
  value !== undefined &&
  Object.entries(fields).every(([name, field]) => JSON.stringify(value[name]) === JSON.stringify(field))

/** Whether the texts are these, in any order. */
export const same = (one: unknown, other: ReadonlyArray<unknown>): boolean =>
  Array.isArray(one) && JSON.stringify([...one].sort()) === JSON.stringify([...other].sort())

/** Waits until every node shows it. */
export const everywhere = async (
  members: ReadonlyArray<Cluster.Member>,
  what: string,
  shows: (url: string) => Promise<boolean>,
  withinMillis = 10_000
): Promise<void> => {
  await Promise.all(
    members.map(({ url }, index) => Cluster.until(`node ${index + 1}: ${what}`, () => shows(url), withinMillis))
  )
}

/** Waits until every node holds what the others hold. */
export const settled = (members: ReadonlyArray<Cluster.Member>, withinMillis = 15_000): Promise<number> =>
  Cluster.until("all hold the same", async () => {
    const [first, ...others] = await Promise.all(members.map(Cluster.vector))
    return others.every((vector) => vector === first)
  }, withinMillis)
