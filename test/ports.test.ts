import * as Reactivity from "@effect/experimental/Reactivity"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import * as Statement from "@effect/sql/Statement"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as MetricRegistry from "effect/MetricRegistry"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Agent, type Dispatcher } from "undici"
import { NodeId } from "../src/domain/ids.js"
import { Uuid } from "../src/domain/Uuid.js"
import { PeerFailed } from "../src/federation/wire/Peer.js"
import { PeerTransport } from "../src/federation/wire/PeerTransport.js"
import { HttpListener } from "../src/http/server/Server.js"
import { getMemory, MemoryNode, NodeConfig, remember } from "../src/index.js"
import { eventLoopTurn } from "../src/store/log/eventLoopTurn.js"
import * as Sqlite from "../src/store/log/Sqlite.js"
import * as Metrics from "../src/telemetry/Metrics.js"

const CORE = NodeId.make("core")
const ONE = NodeId.make("one")
const TWO = NodeId.make("two")

const write = (title: string) => remember({ title, content: "of this node" })

const config = (settings: Partial<NodeConfig.Settings> = {}) => NodeConfig.layerWith({ db: ":memory:", ...settings })
const node = (settings: Partial<NodeConfig.Settings> = {}) => MemoryNode.layer.pipe(Layer.provide(config(settings)))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-ports-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Looks again at each turn of the event loop, until the bound. */
const until = (holds: () => boolean) =>
  Effect.asVoid(Effect.repeat(Effect.zipRight(Effect.sleep("5 millis"), eventLoopTurn), { until: holds, times: 1000 }))

const counting = (connection: Connection, onQuery: () => void): Connection => {
  const counted =
    <Arguments extends ReadonlyArray<unknown>, A>(run: (...given: Arguments) => A) => (...given: Arguments) => {
      onQuery()
      return run(...given)
    }
  return {
    execute: counted(connection.execute),
    executeRaw: counted(connection.executeRaw),
    executeStream: counted(connection.executeStream),
    executeValues: counted(connection.executeValues),
    executeUnprepared: counted(connection.executeUnprepared)
  }
}

/** A client of an embedder's own, over a connection to the file of the node. */
const countingClient = (onQuery: () => void) =>
  Layer.scoped(
    SqlClient.SqlClient,
    Effect.gen(function*() {
      const client = yield* SqlClient.SqlClient
      return yield* SqlClient.make({
        acquirer: Effect.map(client.reserve, (connection) => counting(connection, onQuery)),
        compiler: Statement.makeCompilerSqlite(),
        spanAttributes: []
      })
    })
  ).pipe(Layer.provide([Sqlite.layerReader, Reactivity.layer]))

/** The wall clock stands at the first moment of 2001; timers run as they should. */
const stopped = (): Clock.Clock => {
  const right = Clock.make()
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => Date.UTC(2001, 0, 1),
    currentTimeMillis: Effect.succeed(Date.UTC(2001, 0, 1)),
    unsafeCurrentTimeNanos: () => right.unsafeCurrentTimeNanos(),
    currentTimeNanos: right.currentTimeNanos,
    sleep: (duration) => right.sleep(duration)
  }
}
const FIRST_MILLISECOND_OF_2001 = /^2001-01-01T00:00:00\.000/

/** Connections of an embedder's own, which tell where they lead. */
class TellingAgent extends Agent {
  readonly onRequest: (url: string) => void
  constructor(onRequest: (url: string) => void) {
    super()
    this.onRequest = onRequest
  }
  override dispatch(options: Agent.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.onRequest(`${String(options.origin)}${options.path}`)
    return super.dispatch(options, handler)
  }
}

const logged = (lines: Array<string>) =>
  Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => lines.push(String(message))))

const PEER = "http://127.0.0.1:9"

describe("what an embedder provides is used", () => {
  it.live("an own SqlClient reads", () => {
    let queries = 0
    return Effect.gen(function*() {
      const { memory } = yield* write("read by another client")
      const before = queries
      assert.strictEqual((yield* getMemory(memory.id)).title, memory.title)
      assert.strictEqual(queries, before + 1)
    }).pipe(Effect.provide(
      node().pipe(
        Layer.provide(countingClient(() => queries++)),
        Layer.provide(Sqlite.layerWriter({ file: ":memory:" }))
      )
    ))
  })

  it.scopedLive("a SqlClient of another database is refused, and so is one that knows no such tables", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const others = Sqlite.layer({ file: join(path, "other.db") })
      const refusal = (sql: Layer.Layer<SqlClient.SqlClient, Sqlite.DatabaseRefused>) =>
        Effect.scoped(Layer.build(node({ db: join(path, "mine.db") }).pipe(Layer.provide(sql)))).pipe(
          Effect.flip,
          Effect.map(({ message }) => message)
        )
      const own = Layer.effect(SqlClient.SqlClient, SqlClient.SqlClient).pipe(Layer.provide(others))
      assert.include(yield* refusal(own), "mine.db: the SqlClient that was provided reads another database")
      const empty = SqliteClient.layer({ filename: join(path, "empty.db") })
      assert.include(yield* refusal(Layer.orDie(empty)), "no such table: last_start")
    }))

  it.scopedLive("two files in one build have a reader each", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const read: Array<unknown> = []
      const look = (name: string) =>
        Layer.effectDiscard(Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const [database] = yield* sql`SELECT file FROM pragma_database_list`
          read.push(database?.["file"])
        })).pipe(Layer.provide(Sqlite.layer({ file: join(path, name) })))
      yield* Layer.build(Layer.merge(look("one.db"), look("two.db")))
      assert.sameMembers(read, [join(path, "one.db"), join(path, "two.db")])
    }))

  it.scopedLive("an own Sqlite writes, and what reads follows it", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const writes: Array<string> = []
      const telling = Layer.effect(
        Sqlite.Sqlite,
        Effect.map(Sqlite.Sqlite, ({ file, writer }) => {
          writer.function("told", (title) => void writes.push(String(title)))
          writer.exec("CREATE TEMP TRIGGER told AFTER INSERT ON memories BEGIN SELECT told(new.title); END")
          return { file, writer }
        })
      ).pipe(Layer.provide(Sqlite.layerWriter({ file: join(path, "own.db") })))
      yield* Effect.gen(function*() {
        const { memory } = yield* write("written by another writer")
        assert.strictEqual((yield* getMemory(memory.id)).title, memory.title)
      }).pipe(Effect.provide(node({ db: join(path, "unused.db") }).pipe(Layer.provide(telling))))
      assert.deepStrictEqual(writes, ["written by another writer"])
      assert.isTrue(existsSync(join(path, "own.db")))
      assert.isFalse(existsSync(join(path, "unused.db")))
    }))

  it.live("an own PeerTransport reaches the peers", () => {
    const paths: Array<string> = []
    const transport = Layer.succeed(PeerTransport, {
      request: ({ path, peer }) => {
        paths.push(`${peer.url}${path}`)
        return new PeerFailed({ peer: peer.name, reason: "network", detail: "cut" })
      }
    })
    return Effect.gen(function*() {
      yield* until(() => paths.length > 0)
      assert.strictEqual(new URL(paths[0] ?? "").origin, PEER)
    }).pipe(Effect.provide(node({ quorumPeers: [PEER] }).pipe(Layer.provide(transport), Layer.provide(logged([])))))
  })

  it.live("an own dispatcher carries what the HTTP transport sends, and nothing looks at the TLS files then", () => {
    const urls: Array<string> = []
    const lines: Array<string> = []
    const dispatcher = Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(
        Effect.sync(() => new TellingAgent((url) => urls.push(url))),
        (agent) => Effect.promise(() => agent.destroy())
      )
    )
    const settings = { quorumPeers: [PEER], quorumCaCert: Option.some("/no/such/file") }
    return Effect.gen(function*() {
      yield* until(() => urls.length > 0)
      assert.strictEqual(new URL(urls[0] ?? "").origin, PEER)
      assert.isNotEmpty(lines.filter((line) => line.includes("quorum-ca-cert")))
    }).pipe(Effect.provide(node(settings).pipe(Layer.provide(dispatcher), Layer.provide(logged(lines)))))
  })

  it.live("own ids", () =>
    Effect.gen(function*() {
      const { memory } = yield* write("named by another hand")
      assert.match(memory.id, /^00000000-0000-4000-8000-0000000000[0-9]{2}$/)
    }).pipe(Effect.provide(
      node().pipe(Layer.provide(Layer.sync(Uuid, () => {
        let made = 0
        return { make: () => `00000000-0000-4000-8000-0000000000${String(++made).padStart(2, "0")}` }
      })))
    )))

  it.live("an own registry is counted into", () => {
    const registry = MetricRegistry.make()
    return Effect.gen(function*() {
      yield* write("counted elsewhere")
      assert.strictEqual(countIn(registry, "sqlite_commit_rows"), 1)
    }).pipe(Effect.provide(node().pipe(Layer.provide(Metrics.layerOf(registry)))))
  })

  it.live("an own clock stamps what is stored, whatever the clock of its caller says", () =>
    Effect.gen(function*() {
      const { memory } = yield* write("long ago")
      assert.match(memory.created_at, FIRST_MILLISECOND_OF_2001)
      const { memory: again } = yield* Effect.withClock(write("long ago, too"), Clock.make())
      assert.match(again.created_at, FIRST_MILLISECOND_OF_2001)
      assert.match(again.expires_at ?? "", /^2001-01-08T/)
    }).pipe(Effect.provide(node().pipe(Layer.provide(Layer.setClock(stopped()))))))

  it.live("a node whose ports are all given needs nothing else", () => {
    const transport = Layer.succeed(PeerTransport, {
      request: ({ peer }) => new PeerFailed({ peer: peer.name, reason: "network", detail: "none" })
    })
    const ports = Layer.mergeAll(
      config({ nodeId: Option.some(CORE) }),
      Metrics.layer,
      Layer.succeed(Uuid, { make: () => randomUUID() }),
      Sqlite.layer({ file: ":memory:" }),
      transport
    )
    return Effect.gen(function*() {
      assert.deepStrictEqual((yield* write("of the core")).ackedBy, [CORE])
    }).pipe(Effect.provide(MemoryNode.layerCore.pipe(Layer.provideMerge(ports))))
  })
})

const countIn = (registry: MetricRegistry.MetricRegistry, name: string) => {
  const state = registry.snapshot().find(({ metricKey }) => metricKey.name === name)?.metricState
  return MetricState.isHistogramState(state) ? state.count : Number.NaN
}

describe("two nodes in one process", () => {
  const start = () =>
    ManagedRuntime.make(MemoryNode.layerDaemon.pipe(
      Layer.provide(config({ port: 0, checkRowsPerSecond: 0 })),
      Layer.provide(Logger.remove(Logger.defaultLogger))
    ))

  it("count apart: a write on one does not move the metrics of the other", async () => {
    const nodes = [start(), start()] as const
    const [one, two] = await Promise.all(nodes.map((each) => each.runPromise(HttpListener)))
    assert.isDefined(one)
    assert.isDefined(two)
    const ask = async (url: string) => (await fetch(`${url}/metrics`)).text()
    await ask(two.url)
    const before = await ask(two.url)
    const answer = await fetch(`${one.url}/api/v1/memories`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title: "counted once", content: "by the node that was asked" })
    })
    assert.strictEqual(answer.status, 201)
    assert.include(await ask(one.url), "\nmemory_writes_total{result=\"created\"} 1\n")
    const series = (text: string) => text.split("\n").filter((line) => !/^http_request.*metrics/.test(line))
    assert.deepStrictEqual(series(await ask(two.url)), series(before))
    await Promise.all(nodes.map((each) => each.dispose()))
  })

  it.live("stand side by side in one build, each made fresh", () =>
    Effect.gen(function*() {
      const own = (nodeId: NodeId) => Layer.build(Layer.fresh(node({ nodeId: Option.some(nodeId) })))
      const [one, two] = yield* Effect.all([own(ONE), own(TWO)])
      assert.deepStrictEqual((yield* Effect.provide(write("here"), one)).ackedBy, [ONE])
      assert.deepStrictEqual((yield* Effect.provide(write("there"), two)).ackedBy, [TWO])
    }).pipe(Effect.scoped))
})
