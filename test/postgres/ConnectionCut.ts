import { connect, createServer, type Socket } from "node:net"

/** Stands before a server of PostgreSQL, and cuts a connection when the server has said how its COMMIT came out. */
export interface ConnectionCut {
  readonly port: number
  /** The answers to the next COMMITs of a connection that brought in something are swallowed: so many. */
  readonly swallow: (count: number) => void
  /** How many were. */
  readonly swallowed: () => number
  readonly close: () => Promise<void>
}

const COMMIT = "COMMIT\0"
const BRINGS = "quorate_entries"
const ANSWER = Buffer.from("COMMIT\0")

/** `target` is the port of the server. */
export const make = async (target: number): Promise<ConnectionCut> => {
  const sockets = new Set<Socket>()
  let left = 0
  let count = 0
  const server = createServer((client) => {
    const behind = connect(target, "127.0.0.1")
    let brings = false
    let commits = false
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
      brings ||= data.includes(`INSERT INTO ${BRINGS}`)
      commits = brings && data.includes(COMMIT)
      behind.write(data)
    })
    behind.on("data", (data) => {
      if (commits && left > 0 && data.includes(ANSWER)) {
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
