// One keep-alive HTTP/1.1 connection on a bare socket: one request at a time, and as little work per answer as
// possible, because the load shares its processors with the nodes under test.
import net from "node:net"
import tls from "node:tls"

const READ_BUFFER_BYTES = 16_384
const HEAD_END = "\r\n\r\n"

/** Whether `bytes` holds a whole response (Content-Length or chunked; no trailers, no 1xx). */
const isComplete = (bytes) => {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return false
  const head = bytes.latin1Slice(0, headEnd)
  const length = /\ncontent-length: *(\d+)/i.exec(head)
  if (length !== null) return bytes.length >= headEnd + HEAD_END.length + Number(length[1])
  return bytes.latin1Slice(bytes.length - 5) === `0${HEAD_END}`
}

const statusOf = (bytes) => (bytes[9] - 48) * 100 + (bytes[10] - 48) * 10 + (bytes[11] - 48)

/** The text behind the head of a whole response. */
export const bodyOf = (bytes) => bytes.latin1Slice(bytes.indexOf(HEAD_END) + HEAD_END.length)

/**
 * Connects to 127.0.0.1:`port`, by TLS to whoever has a certificate where `isTls`. `onAnswer(status, bytes)` gets each whole response; `bytes` is only valid during the
 * call. `onClosed(reason)` is called once when the other side ends or breaks the connection.
 */
export const open = ({ isTls, port }, onAnswer, onClosed) =>
  new Promise((resolve, reject) => {
    let unfinished

    const received = (count, buffer) => {
      const fresh = buffer.subarray(0, count)
      const bytes = unfinished === undefined ? fresh : Buffer.concat([unfinished, fresh])
      if (isComplete(bytes)) {
        unfinished = undefined
        onAnswer(statusOf(bytes), bytes)
      } else {
        unfinished = Buffer.from(bytes)
      }
      return true
    }

    let reason = "closed by the node"
    const socket = (isTls ? tls : net).connect({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES), callback: received }
    })
    socket.once(isTls ? "secureConnect" : "connect", () =>
      resolve({ send: (bytes) => socket.write(bytes), close: () => socket.destroy() }))
    socket.on("error", (error) => {
      reason = error.message
      reject(error)
    })
    socket.once("close", () =>
      onClosed(reason))
  })
