import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { Uuid } from "../../src/domain/Uuid.js"
import * as Catchup from "../../src/federation/Catchup.js"
import * as Federation from "../../src/federation/Federation.js"
import { PeerFailed } from "../../src/federation/Peer.js"
import * as PeerApi from "../../src/federation/PeerApi.js"
import { PeerTransport } from "../../src/federation/PeerTransport.js"
import * as receive from "../../src/federation/receive.js"
import * as serveCatchup from "../../src/federation/serveCatchup.js"
import * as MemoryReader from "../../src/store/MemoryReader.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Sqlite from "../../src/store/Sqlite.js"

/** What a node needs to answer its peers and its callers. */
type Services = MemoryStore.MemoryStore | MemoryReader.MemoryReader | Federation.Federation | Uuid
export type Node = ManagedRuntime.ManagedRuntime<Services, Sqlite.DatabaseRefused>

/** A network inside this process: what is cut refuses, what is frozen never answers. */
export class Network {
  readonly nodes = new Map<string, Node>()
  readonly cut = new Set<string>()
  readonly frozen = new Set<string>()
  /** How long a request takes to arrive. */
  readonly delayMillis = new Map<string, number>()
  /** What becomes of a body on its way. */
  tamper: (body: string) => string = (body) => body
  readonly requests: Array<{ readonly to: string; readonly path: string; readonly body: string }> = []

  readonly transport = Layer.succeed(
    PeerTransport,
    PeerTransport.of({
      request: ({ body, headers, path, peer, timeout }) =>
        Effect.suspend(() => {
          const node = this.nodes.get(peer.url)
          if (node === undefined || this.cut.has(peer.url)) {
            return new PeerFailed({ peer: peer.name, reason: "network", detail: "connection refused" })
          }
          this.requests.push({ to: peer.url, path, body: body ?? "" })
          if (this.frozen.has(peer.url)) return Effect.flatMap(Deferred.make<never>(), Deferred.await)
          return Effect.delay(
            Effect.promise(() =>
              node.runPromise(answer(path, body === undefined ? undefined : this.tamper(body), headers))
            ),
            this.delayMillis.get(peer.url) ?? 0
          )
        }).pipe(
          Effect.timeoutFail({
            duration: timeout,
            onTimeout: () => new PeerFailed({ peer: peer.name, reason: "timeout", detail: "no answer" })
          })
        )
    })
  )
}

type Refusal =
  | Effect.Effect.Error<ReturnType<typeof receive.push>>
  | Effect.Effect.Error<ReturnType<typeof serveCatchup.since>>

/** What the HTTP server of a node does with a request of a peer. */
const answer = (path: string, body: string | undefined, headers: Record<string, string>) => {
  const respond: Effect.Effect<string, Refusal, Services> = body !== undefined
    ? receive.push(JSON.parse(body), headers)
    : path.startsWith(PeerApi.HELLO_PATH)
    ? Effect.map(serveCatchup.hello(headers), (hello) => JSON.stringify(serveCatchup.encodeHello(hello)))
    : serveCatchup.since(new URL(path, "http://peer").searchParams)
  return respond.pipe(
    Effect.map((text) => ({ status: 200, body: text })),
    Effect.catchTag("PushRefused", ({ error, status }) => Effect.succeed({ status, body: JSON.stringify({ error }) })),
    Effect.catchAll((error) => Effect.succeed({ status: 503, body: JSON.stringify({ error: error.message }) }))
  )
}

/** Starts whole nodes, without listeners, that reach each other over one network. */
export const startNodes = (network: Network, urls: ReadonlyArray<string>, options: {
  readonly w: number
  readonly ackTimeout?: Duration.DurationInput
  readonly file?: (url: string) => string
}): ReadonlyArray<Node> => urls.map((url) => startNode(network, url, urls.filter((other) => other !== url), options))

export const startNode = (
  network: Network,
  url: string,
  others: ReadonlyArray<string>,
  options: Parameters<typeof startNodes>[2]
): Node => {
  const store = Layer.mergeAll(MemoryStore.layer({ nodeId: Option.some(new URL(url).hostname) }), MemoryReader.layer)
    .pipe(
      Layer.provide(Sqlite.layer({ file: options.file?.(url) ?? ":memory:" })),
      Layer.provideMerge(Layer.succeed(Uuid, { make: () => randomUUID() }))
    )
  const federation = Federation.layer({
    apiKey: Option.none(),
    drainTimeout: Duration.seconds(1),
    config: Option.some({
      clampedFrom: Option.none(),
      peers: others.map((other) => ({ url: other, name: new URL(other).hostname })),
      policy: {
        n: others.length + 1,
        w: options.w,
        ackTimeout: Duration.decode(options.ackTimeout ?? "2 seconds"),
        clockSkewWarn: Duration.seconds(30)
      }
    })
  })
  const node = ManagedRuntime.make(
    Catchup.layer({ interval: Duration.seconds(1) }).pipe(
      Layer.provideMerge(federation),
      Layer.provideMerge(store),
      Layer.provide(network.transport),
      Layer.provide(Logger.remove(Logger.defaultLogger))
    )
  )
  network.nodes.set(url, node)
  return node
}
