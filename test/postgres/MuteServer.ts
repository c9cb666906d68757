import { connect, createServer, type Socket } from "node:net"

/** Stands before a server until it is as one whose machine lost its power: nothing comes from it any more, not even an end. */
export interface MuteServer {
  readonly port: number
  readonly mute: () => void
  readonly close: () => void
}

export const make = async (to: number): Promise<MuteServer> => {
  let isMute = false
  const pairs = new Set<readonly [client: Socket, upstream: Socket]>()
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.on("error", () => {})
    if (isMute) return
    const upstream = connect(to, "127.0.0.1")
    const pair = [client, upstream] as const
    pairs.add(pair)
    upstream.on("error", () => client.destroy())
    upstream.on("data", (chunk) => client.write(chunk))
    client.on("data", (chunk) => isMute || upstream.write(chunk))
    client.on("close", () => {
      pairs.delete(pair)
      upstream.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    mute: () => {
      isMute = true
      for (const [, upstream] of pairs) upstream.destroy()
    },
    close: () => {
      for (const client of clients) client.destroy()
      server.close()
    }
  }
}
