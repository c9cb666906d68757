import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PeerId } from "../domain/ids.js"
import * as Stamp from "../domain/Stamp.js"
import * as VersionVector from "../replication/VersionVector.js"
import { type LocalWriteFailed, type Overloaded, ReadFailed } from "./errors.js"
import { Sqlite } from "./log/Sqlite.js"
import { MemoryStore } from "./MemoryStore.js"

/** How far the rows of an original node were read. */
export interface OriginalCursor {
  /** Every row stamped up to here was seen; the empty text before the first. */
  readonly since: Stamp.Stamp | ""
  /** When all of its rows were last read from the start. */
  readonly sweptAt: Stamp.Stamp
}

/** What is kept of peers over a restart, by their identity and never by their place in a list. */
export class PeerStates extends Context.Tag("quorate/store/PeerStates")<PeerStates, {
  /** What the peer was last known to hold. */
  readonly vector: (peerId: PeerId) => Effect.Effect<VersionVector.VersionVector, ReadFailed>
  /** Which protocol each address was last heard to speak; 0 is that of the original. */
  readonly protocols: Effect.Effect<ReadonlyMap<string, number>, ReadFailed>
  /** None before the first sweep. */
  readonly cursor: (peerId: PeerId) => Effect.Effect<Option.Option<OriginalCursor>, ReadFailed>
  readonly moveCursor: (
    peerId: PeerId,
    cursor: OriginalCursor
  ) => Effect.Effect<void, LocalWriteFailed | Overloaded>
}>() {}

const make = Effect.gen(function*() {
  const { writer } = yield* Sqlite
  const sql = yield* SqlClient.SqlClient
  const store = yield* MemoryStore
  const writeCursor = writer.prepare(
    `INSERT INTO legacy_cursor (peer_id, since, swept_at) VALUES (?, ?, ?)
     ON CONFLICT (peer_id) DO UPDATE SET since = excluded.since, swept_at = excluded.swept_at`
  )
  const selectVector = SqlSchema.findOne({
    Request: Schema.String,
    Result: Schema.Struct({ vector: Schema.parseJson(VersionVector.Stored) }),
    execute: (peerId) => sql`SELECT vector FROM peer_state WHERE node_id = ${peerId}`
  })
  const selectProtocols = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Schema.Struct({ url: Schema.String, protocol: Schema.Int }),
    execute: () => sql`SELECT url, protocol FROM peer_state ORDER BY last_success_at`
  })
  const selectCursor = SqlSchema.findOne({
    Request: Schema.String,
    Result: Schema.Struct({ since: Schema.Union(Schema.Literal(""), Stamp.Stamp), swept_at: Stamp.Stamp }),
    execute: (peerId) => sql`SELECT since, swept_at FROM legacy_cursor WHERE peer_id = ${peerId}`
  })

  return PeerStates.of({
    vector: (peerId) =>
      selectVector(peerId).pipe(
        Effect.map(Option.match({ onNone: () => VersionVector.empty, onSome: ({ vector }) => vector })),
        readFailed
      ),
    protocols: selectProtocols().pipe(
      Effect.map((rows) => new Map(rows.map(({ protocol, url }) => [url, protocol]))),
      readFailed
    ),
    cursor: (peerId) =>
      selectCursor(peerId).pipe(
        Effect.map(Option.map(({ since, swept_at }) => ({ since, sweptAt: swept_at }))),
        readFailed
      ),
    moveCursor: (peerId, { since, sweptAt }) =>
      store.local(() => {
        writeCursor.run(peerId, since, sweptAt)
      })
  })
})

export const layer: Layer.Layer<PeerStates, never, MemoryStore | Sqlite | SqlClient.SqlClient> = Layer.effect(
  PeerStates,
  make
)

const readFailed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (cause) => new ReadFailed({ cause }))
