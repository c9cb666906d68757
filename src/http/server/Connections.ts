import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import type { Server, Socket } from "node:net"

/** Connections at once at most, where the process may have that many files open. */
const MOST_CONNECTIONS = 4096
/** Files that are open beside connections of clients: the database, the log, what node itself needs. */
const OTHER_FILES = 64
/** Connections of this node to one peer. */
const FILES_PER_PEER = 8
/** However few files may be open: less than that serves nobody. */
const LEAST_CONNECTIONS = 16
/** Connections that were refused are told of no more often than this. */
const TELL_MILLIS = 10_000

/** How many connections a node takes whose process may have so many files open; null where nobody knows. */
export const mostConnections = (openFiles: number | null, peers: number): number =>
  openFiles === null
    ? MOST_CONNECTIONS
    : Math.min(MOST_CONNECTIONS, Math.max(LEAST_CONNECTIONS, openFiles - OTHER_FILES - peers * FILES_PER_PEER))

/** The files that this process may have open, where the system says so. */
export const openFilesLimit = (limits: string = readLimits()): number | null => {
  const soft = /^Max open files +(\d+) /m.exec(limits)?.[1]
  return soft === undefined ? null : Number(soft)
}

const readLimits = (): string => {
  try {
    return readFileSync("/proc/self/limits", "utf8")
  } catch {
    return ""
  }
}

/**
 * Bounds how many connections are open at once: a process that has no file left can not even close what it can not accept.
 * Those beyond are closed at once, counted, and told of from time to time.
 */
export const bound = (server: Server, options: {
  readonly most: number
  readonly refused: () => void
  readonly log: (line: Effect.Effect<void>) => void
}): void => {
  let untold = 0
  let toldAt = Number.NEGATIVE_INFINITY
  server.maxConnections = options.most
  server.on("drop", () => {
    options.refused()
    untold++
    const now = performance.now()
    if (now - toldAt < TELL_MILLIS) return
    toldAt = now
    options.log(
      Effect.logWarning(
        `${untold} connection(s) were refused: ${options.most} are open, and more are not taken (the limit of open files ` +
          "bounds it)"
      )
    )
    untold = 0
  })
}

/**
 * Answers what cuts the connections but those on which a request is under way. Node closes those that wait for their next
 * request itself, and takes what never sent one, or half a head, for one that is under way.
 */
export const accepted = (server: Server): (asking: Iterable<Socket>) => void => {
  const open = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    open.add(socket)
    socket.once("close", () => open.delete(socket))
  })
  return (asking) => {
    const busy = new Set(Array.from(asking, nameOf))
    for (const socket of open) if (!busy.has(nameOf(socket))) socket.destroy()
  }
}

/** The same for a socket and for the TLS on it. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`
