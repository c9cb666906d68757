import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio"
import { daemon } from "../daemon.js"
import { isRecord } from "../mesh/Cluster.js"

/* Clients of the official package, as the programs of agents have them. */

export const ERAS = ["2025-11-25", "2026-07-28"] as const
export type Era = (typeof ERAS)[number]

interface How {
  readonly era?: Era
  readonly headers?: Record<string, string>
  readonly profile?: string
}

const clientOf = (era: Era) =>
  new Client({ name: "test", version: "1" }, {
    versionNegotiation: { mode: era === "2026-07-28" ? { pin: era } : "legacy" }
  })

/** By HTTP, to the daemon at this address. */
export const overHttp = async (
  url: string,
  { era = "2026-07-28", headers = {}, profile }: How = {}
): Promise<Client> => {
  const client = clientOf(era)
  const target = new URL(`${url}/mcp${profile === undefined ? "" : `?profile=${profile}`}`)
  await client.connect(new StreamableHTTPClientTransport(target, { requestInit: { headers } }))
  return client
}

interface Program {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

interface Surroundings {
  readonly era?: Era
  readonly environment?: Readonly<Record<string, string>>
}

/** By a program that is started; `transport` tells of its process. */
export const overProgram = async (
  { args, command }: Program,
  { era = "2026-07-28", environment = {} }: Surroundings = {}
): Promise<{ readonly client: Client; readonly transport: StdioClientTransport }> => {
  const client = clientOf(era)
  const transport = new StdioClientTransport({
    command,
    args: [...args],
    env: { PATH: process.env["PATH"] ?? "", ...environment },
    stderr: "inherit"
  })
  await client.connect(transport)
  return { client, transport }
}

/** By `quorate mcp`, with these arguments. */
export const overStdio = (args: ReadonlyArray<string>, surroundings: Surroundings = {}) =>
  overProgram({ command: process.execPath, args: [daemon, "mcp", ...args] }, surroundings)

interface Called {
  /** What a program reads of it. */
  readonly fields: Record<string, unknown>
  /** What a model reads of it. */
  readonly text: string
  readonly isError: boolean
}

/** Calls a tool. */
export const call = async (
  client: Client,
  name: string,
  given: Record<string, unknown> = {},
  meta?: Record<string, unknown>
): Promise<Called> => {
  const { content, isError = false, structuredContent } = await client.callTool({
    name,
    arguments: given,
    ...(meta === undefined ? {} : { _meta: meta })
  })
  const texts = content.flatMap((each) => each.type === "text" ? [each.text] : [])
  return { fields: isRecord(structuredContent) ? structuredContent : {}, text: texts.join("\n"), isError }
}

/** The objects of a list in an answer. */
export const rows = ({ fields }: Called, list: string): ReadonlyArray<Record<string, unknown>> => {
  const found = fields[list]
  return Array.isArray(found) ? found.filter(isRecord) : []
}
