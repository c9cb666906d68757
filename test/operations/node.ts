import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { NodeId } from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import * as Embedder from "../../src/embedding/Embedder.js"
import { Federation } from "../../src/federation/Federation.js"
import * as RecentTraces from "../../src/federation/RecentTraces.js"
import * as Collector from "../../src/operations/memories/Collector.js"
import * as Uses from "../../src/operations/recall/Uses.js"
import * as Background from "../../src/operations/writing/Background.js"
import type { Caller } from "../../src/operations/writing/Written.js"
import type { Operation } from "../../src/replication/Operation.js"
import { eventLoopTurn } from "../../src/store/log/eventLoopTurn.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Alike from "../../src/store/read/Alike.js"
import * as ArchiveReader from "../../src/store/read/ArchiveReader.js"
import * as MemoryReader from "../../src/store/read/MemoryReader.js"
import * as RecallReader from "../../src/store/read/RecallReader.js"
import * as Search from "../../src/store/read/Search.js"
import * as SweepReader from "../../src/store/read/SweepReader.js"
import * as VectorStore from "../../src/store/vectors/VectorStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"

const store = (nodeId: string) =>
  Layer.mergeAll(
    MemoryReader.layer,
    ArchiveReader.layer,
    SweepReader.layer,
    Alike.layer,
    Search.layer,
    RecallReader.layer,
    VectorStore.layer,
    Embedder.none
  ).pipe(
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make(nodeId)) })),
    Layer.provideMerge(Sqlite.layer({ file: ":memory:" })),
    Layer.orDie
  )

/** Every write is acknowledged by its local commit alone. */
const alone = Layer.effect(
  Federation,
  Effect.map(MemoryStore.MemoryStore, ({ nodeId }) => {
    const acknowledged = ({ opId }: Operation) => ({ opId, acks: 1, ackedBy: [nodeId] })
    return Federation.of({
      policy: Option.none(),
      links: [],
      replicate: (operation) => Effect.succeed(acknowledged(operation)),
      replicateEach: (operations, told) =>
        Effect.sync(() => operations.forEach((one, index) => told(index, Exit.succeed(acknowledged(one))))),
      replicateAll: (operations) => Effect.succeed(operations.map((one) => Either.right(acknowledged(one)))),
      catchUp: Effect.void,
      heard: () => Effect.void,
      start: { isOver: () => true, end: () => {} },
      run: "alone",
      clockSkew: () => null,
      isDouble: () => false,
      traces: RecentTraces.make()
    })
  })
)

export const uuid = Uuid.layer(randomUUID)

/**
 * What the operations need, over a database of its own. Of what a node does by itself only the collector runs here: a test
 * clock that is moved by hours would spend its time on the others.
 */
export const layer = (nodeId = "node") =>
  Layer.merge(Collector.layer(), Uses.layer).pipe(
    Layer.provideMerge(Layer.merge(Background.layer, alone)),
    Layer.provideMerge(store(nodeId)),
    Layer.provideMerge(uuid),
    Layer.provideMerge(Metrics.layer),
    Layer.provide(Logger.remove(Logger.defaultLogger))
  )

export { anonymous } from "../../src/operations/writing/Written.js"

/** A caller that can ask again. */
export const keyed = (key: string): Caller => ({ agentId: Option.some("ann"), idempotencyKey: Option.some(key) })

/** Looks again at each turn of the event loop, which goes on while the test's clock stands still. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.asVoid(Effect.repeat(Effect.zipRight(eventLoopTurn, condition), { until: (holds) => holds, times: 2000 }))
