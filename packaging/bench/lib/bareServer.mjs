// What Node's own HTTP server makes of answers that are there: one lookup by path, and nothing else. Gets `{ answers: [[path, text]] }`
// and says `{ port }`.
import http from "node:http"

process.once("message", ({ answers }) => {
  const bodies = new Map(answers.map(([path, text]) => [path, Buffer.from(text)]))
  const server = http.createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    const body = bodies.get(request.url)
    response.writeHead(body === undefined ? 404 : 200, {
      "content-type": "application/json",
      "content-length": body?.length ?? 0
    })
    response.end(body)
  })
  server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }))
})
process.on("disconnect", () => process.exit(0))
