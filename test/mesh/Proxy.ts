import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"

/** Stands before a node and answers some requests in its place. */
export interface Proxy {
  readonly url: string
  readonly close: () => Promise<void>
}

/** The status of a request that must not get through, or how it is answered; undefined for all others. */
type Refuse = (path: string, body: string) => number | ((response: ServerResponse) => void) | undefined

export const make = async (
  target: () => string,
  refuse: Refuse
): Promise<Proxy> => {
  const server = createServer((request, response) => {
    void forward(target(), refuse, request, response).catch((error: unknown) => {
      // The node behind is gone, and so is the connection.
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

const forward = async (
  target: string,
  refuse: Refuse,
  request: IncomingMessage,
  response: ServerResponse
) => {
  const { headers, method = "GET", url = "/" } = request
  const body = await text(request)
  const status = refuse(url, body)
  if (typeof status === "function") return status(response)
  if (status !== undefined) {
    response.writeHead(status, { "content-type": "application/json" })
    response.end(JSON.stringify({ error: `refused with ${status}` }))
    return
  }
  const { connection: _connection, "content-length": _length, host: _host, "transfer-encoding": _encoding, ...passed } =
    headers
  const answer = await fetch(`${target}${url}`, {
    method,
    headers: Object.entries(passed).map(([name, value]): [string, string] => [name, String(value)]),
    ...(body === "" ? {} : { body })
  })
  response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "application/json" })
  response.end(Buffer.from(await answer.arrayBuffer()))
}

const listen = (server: Server) =>
  new Promise<number>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve(portOf(server.address())))
  })

const portOf = (address: AddressInfo | string | null) =>
  typeof address === "object" && address !== null ? address.port : 0
