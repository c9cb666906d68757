import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

/** Requests that wait on one connection for the answers before theirs; more are no client's mistake. */
export const MAX_PIPELINED = 64

interface Turn {
  /** Null for what is no request. */
  readonly request: IncomingMessage | null
  readonly begin: () => void
}

interface Connection {
  current: ServerResponse | null
  readonly waiting: Array<Turn>
}

/**
 * One request of a connection after the other, as they came. What a client sends without waiting for answers has effects in
 * that order, and never more of it is under way than one.
 */
interface Turns {
  /** `begin` answers what is to be done when the answer is over, before the next one begins. */
  readonly take: (request: IncomingMessage, response: ServerResponse, begin: () => () => void) => void
  /**
   * What came after the last request is none, and may be within its body. `end` comes after the answers that are still to come,
   * and says what is wrong where nothing was answered to that request yet.
   */
  readonly broken: (socket: Duplex, end: (isAnswered: boolean) => void) => void
}

export const make = (): Turns => {
  const connections = new WeakMap<Duplex, Connection>()

  const begin = (connection: Connection, response: ServerResponse, run: () => () => void) => {
    connection.current = response
    let over = () => {}
    response.once("close", () => {
      over()
      connection.current = null
      if (!response.req.socket.destroyed) connection.waiting.shift()?.begin()
    })
    over = run()
  }

  const known = (socket: Duplex): Connection => {
    const connection = { current: null, waiting: [] }
    connections.set(socket, connection)
    return connection
  }

  return {
    take: (request, response, run) => {
      const { socket } = request
      const connection = connections.get(socket) ?? known(socket)
      if (connection.current === null && connection.waiting.length === 0) begin(connection, response, run)
      else if (connection.waiting.length >= MAX_PIPELINED) socket.destroy()
      else connection.waiting.push({ request, begin: () => begin(connection, response, run) })
    },
    broken: (socket, end) => {
      const connection = connections.get(socket)
      if (connection === undefined || connection.current === null) return end(false)
      const { headersSent, req: { complete } } = connection.current
      if (!complete && !headersSent) return end(false)
      if (connection.waiting.at(-1)?.request?.complete === false) connection.waiting.pop()
      connection.waiting.push({ request: null, begin: () => end(!complete) })
    }
  }
}
