import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stamp from "../domain/Stamp.js"
import { type LocalWriteFailed, type Overloaded, ReadFailed } from "./errors.js"
import { Sqlite } from "./log/Sqlite.js"
import { run } from "./log/statements.js"
import { MemoryStore } from "./MemoryStore.js"

/** A nonce that was used by a peer. */
interface Used {
  readonly peerId: string
  /** 64 hex digits. */
  readonly fingerprint: string
  /** The time that it tells, or else when it was taken. */
  readonly millis: number
}

/** Keeps over a restart which nonces were used. */
export class NonceStore extends Context.Tag("quorate/store/NonceStore")<NonceStore, {
  /** All that are kept, the oldest first. */
  readonly all: Effect.Effect<ReadonlyArray<Used>, ReadFailed>
  /** Adds these, the oldest first, and forgets now and then of each of their peers what is more than so many. */
  readonly add: (used: ReadonlyArray<Used>, mostOfPeer: number) => Effect.Effect<void, LocalWriteFailed | Overloaded>
}>() {}

const decodeRows = Schema.decodeUnknown(
  Schema.Array(
    Schema.Struct({ peerId: Schema.String, fingerprint: Schema.String, touch: Schema.Int, millis: Schema.Number })
  )
)

/** What is too much is looked for after so many: it is sorted for that. */
const FORGET_AFTER = 1_000

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { writer } = yield* Sqlite
  const { local } = yield* MemoryStore
  const insert = run(
    writer,
    `INSERT OR IGNORE INTO federation_nonce_cache (peer_id, fingerprint, last_touch, inserted_at)
      VALUES (?, unhex(?), ?, ?)`
  )
  const forget = run(
    writer,
    `DELETE FROM federation_nonce_cache WHERE peer_id = ?1 AND last_touch <= (
      SELECT last_touch FROM federation_nonce_cache WHERE peer_id = ?1 ORDER BY last_touch DESC LIMIT 1 OFFSET ?2)`
  )
  let touch = 0
  let added = 0
  /** Whose were added since what is too much was looked for. */
  const peers = new Set<string>()

  return NonceStore.of({
    all: sql`SELECT peer_id AS "peerId", lower(hex(fingerprint)) AS fingerprint, last_touch AS touch,
      coalesce(unixepoch(inserted_at, 'subsec') * 1000, 0) AS millis
      FROM federation_nonce_cache WHERE length(fingerprint) = 32 ORDER BY last_touch`.pipe(
      Effect.flatMap(decodeRows),
      Effect.tap((rows) =>
        Effect.sync(() => {
          touch = Math.max(touch, rows.at(-1)?.touch ?? 0)
        })
      ),
      Effect.mapError((cause) => new ReadFailed({ cause }))
    ),
    add: (used, mostOfPeer) =>
      local(() => {
        for (const { fingerprint, millis, peerId } of used) {
          insert(peerId, fingerprint, ++touch, Stamp.fromMillis(millis))
          peers.add(peerId)
        }
        added += used.length
        if (added < FORGET_AFTER) return
        added = 0
        for (const peerId of peers) forget(peerId, mostOfPeer)
        peers.clear()
      })
  })
})

export const layer: Layer.Layer<NonceStore, never, Sqlite | SqlClient.SqlClient | MemoryStore> = Layer.effect(
  NonceStore,
  make
)
