import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { PeerUrl } from "../../src/domain/ids.js"
import * as connections from "../../src/federation/wire/dispatcher.js"
import * as HttpPeerTransport from "../../src/federation/wire/HttpPeerTransport.js"
import { PeerTransport } from "../../src/federation/wire/PeerTransport.js"

const tls = { cert: Option.none(), key: Option.none(), ca: Option.none() }
const transport = HttpPeerTransport.layer.pipe(
  Layer.provide(connections.layer(tls, { judge: () => ({ decision: "allow" }) }))
)

const MIB = 1024 * 1024

describe("requests to peers", () => {
  let server: http.Server
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  /** What comes of one request to a peer that answers like that. */
  const ask = async (
    answer: http.RequestListener,
    options: {
      readonly headers?: Record<string, string>
      readonly path?: string
      readonly maxAnswerBytes?: number
      readonly bytes?: boolean
    } = {}
  ) => {
    server = http.createServer(answer)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    return Effect.runPromise(
      Effect.flatMap(PeerTransport, ({ request }) =>
        request({
          peer: { name: "b", url: PeerUrl.make(`http://127.0.0.1:${port}`) },
          method: "POST",
          path: "/x",
          body: "{}",
          headers: {},
          timeout: Duration.seconds(5),
          ...options
        })).pipe(Effect.either, Effect.provide(transport))
    )
  }

  it("that ask for bytes are answered with a character for each", async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const answer: http.RequestListener = (_, response) => response.end(all)
    const answered = await ask(answer, { bytes: true })
    assert.strictEqual(answered._tag === "Right" ? answered.right.body : "", all.toString("latin1"))
    server.close()
    const text = await ask((_, response) => response.end("é"))
    assert.strictEqual(text._tag === "Right" ? text.right.body : "", "é")
  })

  it("that HTTP has no form for are refused here, and blame nobody's network", async () => {
    let requests = 0
    const count: http.RequestListener = (_, response) => {
      requests++
      response.end("{}")
    }
    const refused = await ask(count, { headers: { "idempotency-key": "a\nb" } })
    assert.strictEqual(refused._tag === "Left" ? refused.left.reason : "answered", "refused")
    server.close()
    const odd = await ask(count, { path: "/x y\n" })
    assert.strictEqual(odd._tag === "Left" ? odd.left.reason : "answered", "refused")
    assert.strictEqual(requests, 0)
  })

  it("read no more of an answer than its bound, whether its length is announced or not", async () => {
    let sent = 0
    const endless: http.RequestListener = (_, response) => {
      const more = () => {
        while (!response.destroyed && sent < 512 * MIB) {
          sent += MIB
          if (!response.write(Buffer.alloc(MIB, 0x20))) {
            response.once("drain", more)
            return
          }
        }
        response.end()
      }
      more()
    }
    const large = await ask(endless)
    assert.strictEqual(large._tag === "Left" ? large.left.message : "read", "malformed: the answer is too large")
    assert.isBelow(sent, 64 * MIB)
    server.close()
    const announced = await ask((_, response) => response.end(Buffer.alloc(5 * MIB)))
    assert.strictEqual(announced._tag === "Left" ? announced.left.reason : "read", "malformed")
    server.close()
    const whole = await ask((_, response) => response.write("é".repeat(10)) && response.end("x"), {
      maxAnswerBytes: 21
    })
    assert.deepInclude(whole._tag === "Right" ? whole.right : whole.left, {
      status: 200,
      body: `${"é".repeat(10)}x`
    })
  })
})
