import * as http from "node:http"
import type { AddressInfo } from "node:net"

/** What was asked. */
export interface Asked {
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: { readonly model: string; readonly input: ReadonlyArray<string>; readonly dimensions?: number }
}

export type Answer = (asked: Asked, response: http.ServerResponse) => void

/** Stands in for an embedder on loopback. How it answers can be changed at any time. */
export interface Server {
  readonly url: string
  readonly asked: ReadonlyArray<Asked>
  readonly answer: (how: Answer) => void
  /** Connections that are open. */
  readonly connections: () => Promise<number>
  /** Ends it at once; `start` has it back under the same address. */
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

export const make = async (first: Answer): Promise<Server> => {
  let how = first
  const asked: Array<Asked> = []
  const server = http.createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      const one = {
        path: request.url ?? "",
        headers: request.headers,
        body: JSON.parse(Buffer.concat(parts).toString("utf8"))
      }
      asked.push(one)
      how(one, response)
    })
  })
  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once("error", reject)
      server.listen(port, "127.0.0.1", () => {
        const address: AddressInfo | string | null = server.address()
        resolve(typeof address === "object" && address !== null ? address.port : 0)
      })
    })
  const port = await listen(0)
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    answer: (next) => {
      how = next
    },
    connections: () => new Promise((resolve) => server.getConnections((_, count) => resolve(count))),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    start: async () => {
      await listen(port)
    }
  }
}

export const send = (
  response: http.ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {}
) => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(typeof body === "string" ? body : JSON.stringify(body))
}

export const DIMENSIONS = 8

/** By its letters: texts of the same words have the same vector. */
export const vectorOf = (text: string, dimensions = DIMENSIONS): ReadonlyArray<number> => {
  const vector = Array.from({ length: dimensions }, () => 0.01)
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    const at = Array.from(word).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7) % dimensions
    vector[at] = (vector[at] ?? 0) + 1
  }
  return vector
}

/** As servers of OpenAI's API answer; in another order, which they may. */
export const well: Answer = ({ body }, response) =>
  send(response, 200, {
    object: "list",
    data: body.input.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text) })).reverse(),
    model: body.model
  })

export const asOllama: Answer = ({ body }, response) =>
  send(response, 200, { model: body.model, embeddings: body.input.map((text) => vectorOf(text)) })
