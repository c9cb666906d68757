import { connect, createServer, type Socket } from "node:net"

/** Stands before a server of PostgreSQL, and cuts a connection when the server has said how a commit of it came out. */
export interface ConnectionCut {
  readonly port: number
  /** The answers to the next commits of a connection that brought in something are swallowed: so many. */
  readonly swallow: (count: number) => void
  /** How many were. */
  readonly swallowed: () => number
  readonly close: () => Promise<void>
}

const BRINGS = "INSERT INTO quorate_entries"
/** The server is ready for the next query, and in no transaction: what was brought in is committed, or undone. */
const ANSWER = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

/** `target` is the port of the server. */
export const make = async (target: number): Promise<ConnectionCut> => {
  const sockets = new Set<Socket>()
  let left = 0
  let count = 0
  const server = createServer((client) => {
    const behind = connect(target, "127.0.0.1")
    let brings = false
    const end = () => {
      for (const socket of [client, behind]) {
        socket.destroy()
        sockets.delete(socket)
      }
    }
    for (const socket of [client, behind]) {
      sockets.add(socket)
      socket.on("error", end)
      socket.on("close", end)
    }
    client.on("data", (data) => {
      brings ||= data.includes(BRINGS)
      behind.write(data)
    })
    behind.on("data", (data) => {
      if (brings && left > 0 && data.includes(ANSWER)) {
        left -= 1
        count += 1
        end()
        return
      }
      if (data.includes(ANSWER)) brings = false
      client.write(data)
    })
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })
  return {
    port,
    swallow: (wanted) => {
      left = wanted
    },
    swallowed: () => count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      })
  }
}
