import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { Uuid } from "../../src/domain/Uuid.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as DeadLetters from "../../src/store/DeadLetters.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"

/** The dead letters of a node, in its own database. */
export const storeIn = (file: string) =>
  DeadLetters.layer.pipe(
    Layer.provideMerge(MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) })),
    Layer.provideMerge(Sqlite.layer({ file })),
    Layer.provide([Layer.succeed(Uuid, { make: () => randomUUID() }), Metrics.layer]),
    Layer.orDie
  )

export const operation = (oseq: number, origin = "me/1"): Operation =>
  hashed({
    format: 2,
    opId: OpId.make(`${origin.replace("/", "-")}-${oseq}`),
    origin: Origin.make(origin),
    oseq,
    hlc: Stamp.fromMillis(1_750_000_000_000 + oseq),
    kind: "delete",
    entity: `memory ${oseq}`,
    body: null,
    baseHlc: null,
    covers: [{ id: `memory ${oseq}`, hlc: Stamp.fromMillis(0), origin: Origin.make("you/1") }],
    idempotency: { keyHash: "k", requestHash: "r", turn: 0 }
  })

export const refusals = (...oseqs: ReadonlyArray<number>) =>
  oseqs.map((oseq) => ({ operation: operation(oseq), reason: `because of ${oseq}` }))
