// Loaded before the daemon (node --import): kills it, as kill -9 does, at the very moment the first push would leave it.
// Its commit is durable by then, and no byte of the fan-out has gone out.
import { Socket } from "node:net"

const write = Socket.prototype.write
Socket.prototype.write = function(chunk, ...rest) {
  if (String(chunk).startsWith("POST /api/v1/sync/push")) process.kill(process.pid, "SIGKILL")
  return write.call(this, chunk, ...rest)
}
