import {
  createMcpHandler,
  type McpHttpHandler,
  type McpRequestContext,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server
} from "@modelcontextprotocol/server"
import * as Option from "effect/Option"
import { version } from "../domain/version.js"
import { instructions } from "./instructions.js"
import type { Outcome } from "./outcome.js"
import * as Prompts from "./prompts.js"
import * as Resources from "./resources.js"
import type { Requires, Tool } from "./tools.js"

/*
 * The one room that knows the package of the protocol. It is loaded with the first request: a node that nobody asks by way of
 * this protocol does without it.
 */

/** What a request of the protocol is answered with, as promises. Each is interrupted by its signal. */
export interface Asking {
  readonly tools: ReadonlyArray<Tool<Requires>>
  readonly call: (
    tool: Tool<Requires>,
    given: Readonly<Record<string, unknown>>,
    meta: Meta,
    signal: AbortSignal
  ) => Promise<Outcome>
  readonly resources: (
    cursor: string | undefined,
    signal: AbortSignal
  ) => Promise<Option.Option<{ readonly memories: ReadonlyArray<Memory>; readonly nextCursor?: string }>>
  readonly read: (uri: string, meta: Meta, signal: AbortSignal) => Promise<Option.Option<string>>
  readonly complete: (
    asked: { readonly name: string; readonly begun: string; readonly chosen: Readonly<Record<string, string>> },
    signal: AbortSignal
  ) => Promise<{ readonly values: Array<string>; readonly total: number; readonly hasMore: boolean }>
  readonly prompt: (
    name: string,
    given: Readonly<Record<string, string>>,
    signal: AbortSignal
  ) => Promise<Option.Option<string>>
}

type Meta = Readonly<Record<string, unknown>> | undefined

interface Memory {
  readonly id: string
  readonly namespace: string
  readonly title: string
  readonly updatedAt: string
}

type Make = (context: McpRequestContext) => Server

interface Options {
  /** What the package refused, or could not do. */
  readonly onError: (error: Error) => void
}

/**
 * Answers requests over HTTP in both eras of the protocol, by a server that is made anew for each: nothing is kept of a client
 * between its requests, so that any node may answer the next one.
 */
export const handler = (make: Make, { onError }: Options): McpHttpHandler =>
  createMcpHandler(make, { onerror: onError, keepAliveMs: 0, maxSubscriptions: MAX_SUBSCRIPTIONS })

/** Streams of changes have no end of their own, and this node announces none. */
const MAX_SUBSCRIPTIONS = 16

/** How long a client of the newer era may go by what it was told, by what may change of it. */
const STABLE = { ttlMs: 300_000, cacheScope: "private" } as const
const FRESH = { ttlMs: 0, cacheScope: "private" } as const

/** The server that answers one request. */
export const serverOf = (asking: Asking): Server => {
  const server = new Server({ name: "quorate", title: "Quorate", version }, {
    capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
    instructions,
    jsonSchemaValidator: asksNothing,
    cacheHints: {
      "server/discover": STABLE,
      "tools/list": STABLE,
      "prompts/list": STABLE,
      "resources/templates/list": STABLE,
      "resources/list": FRESH,
      "resources/read": FRESH
    }
  })
  serveTools(server, asking)
  serveResources(server, asking)
  servePrompts(server, asking)
  return server
}

/** Nothing is asked of users by way of their clients, so no answer of theirs is ever looked at. */
const asksNothing = {
  getValidator: () => () => ({ valid: false, data: undefined, errorMessage: "nothing was asked" } as const)
}

const serveTools = (server: Server, { call, tools }: Asking) => {
  server.setRequestHandler("tools/list", () => ({ tools: tools.map(describe) }))
  server.setRequestHandler("tools/call", async ({ params: { arguments: given = {}, name } }, { mcpReq }) => {
    const tool = tools.find((tool) => tool.name === name)
    if (tool !== undefined) return call(tool, given, mcpReq._meta, mcpReq.signal)
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      `there is no such tool here. There are ${tools.map((tool) => tool.name).join(", ")}; ` +
        "more are there for clients with --mcp-profile full, or by /mcp?profile=full"
    )
  })
}

const describe = (
  { description, destructive, idempotent, inputSchema, name, outputSchema, readOnly, title }: Tool<Requires>
) => ({
  name,
  title,
  description,
  inputSchema,
  outputSchema,
  annotations: {
    title,
    readOnlyHint: readOnly,
    destructiveHint: destructive,
    idempotentHint: idempotent,
    openWorldHint: false
  }
})

const serveResources = (server: Server, { complete, read, resources }: Asking) => {
  server.setRequestHandler("resources/list", async ({ params }, { mcpReq }) => {
    const found = await resources(params?.cursor, mcpReq.signal)
    if (Option.isNone(found)) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, "the cursor is none of this node's")
    }
    const { memories, nextCursor } = found.value
    return { resources: memories.map(resourceOf), ...(nextCursor === undefined ? {} : { nextCursor }) }
  })
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [{
      uriTemplate: Resources.TEMPLATE,
      name: "memory",
      title: "A memory",
      description: "One memory by its namespace and its id",
      mimeType: Resources.MIME_TYPE
    }]
  }))
  server.setRequestHandler("resources/read", async ({ params: { uri } }, { mcpReq }) => {
    const text = await read(uri, mcpReq._meta, mcpReq.signal)
    if (Option.isNone(text)) throw new ResourceNotFoundError(uri)
    return { contents: [{ uri, mimeType: Resources.MIME_TYPE, text: text.value }] }
  })
  server.setRequestHandler("completion/complete", async ({ params: { argument, context, ref } }, { mcpReq }) => {
    const isKnown = ref.type === "ref/prompt"
      ? Prompts.all.some(({ name }) => name === ref.name)
      : ref.uri === Resources.TEMPLATE
    if (!isKnown) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "there is nothing of this name to complete")
    const asked = { name: argument.name, begun: argument.value, chosen: context?.arguments ?? {} }
    return { completion: { ...(await complete(asked, mcpReq.signal)) } }
  })
}

const resourceOf = (memory: Memory) => ({
  uri: Resources.uriOf(memory),
  name: memory.title,
  title: memory.title,
  mimeType: Resources.MIME_TYPE,
  annotations: { lastModified: memory.updatedAt }
})

const servePrompts = (server: Server, { prompt }: Asking) => {
  server.setRequestHandler("prompts/list", () => ({ prompts: Prompts.all.map((each) => ({ ...each })) }))
  server.setRequestHandler("prompts/get", async ({ params: { arguments: given = {}, name } }, { mcpReq }) => {
    const text = await prompt(name, given, mcpReq.signal)
    if (Option.isNone(text)) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `there is no such prompt. There are ${Prompts.all.map(({ name }) => name).join(", ")}`
      )
    }
    return { messages: [{ role: "user" as const, content: { type: "text" as const, text: text.value } }] }
  })
}
