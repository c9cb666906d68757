// What takes traces, metrics and logs over OTLP and counts what came: `{ port }` when it listens, and `{ traces, bytes }` for
// each message to it.
import http from "node:http"

const counted = { traces: 0, bytes: 0 }

const server = http.createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
  request.on("data", (chunk) => (counted.bytes += chunk.length))
  request.on("end", () => {
    if (request.url === "/v1/traces") counted.traces++
    response.writeHead(200, { "content-type": request.headers["content-type"] ?? "application/x-protobuf" })
    response.end(request.headers["content-type"] === "application/json" ? "{}" : "")
  })
})
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }))
process.on("message", () => process.send(counted))
process.on("disconnect", () => process.exit(0))
