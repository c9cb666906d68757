import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { type Change, EVENTS } from "../domain/Change.js"
import { Origin } from "../domain/ids.js"
import { MAX_WEBHOOK_DEAD_LETTERS } from "../domain/limits.js"
import type { LocalWriteFailed, Overloaded } from "./errors.js"
import { Sqlite } from "./log/Sqlite.js"
import { many, one, run } from "./log/statements.js"
import { MemoryStore } from "./MemoryStore.js"

/** An event that a receiver did not take from this node. */
export interface DeadEvent {
  readonly id: number
  readonly subscriptionId: string
  readonly changeId: string
  readonly event: Change["event"]
  readonly origin: Origin
  readonly seq: number
  readonly reason: string
  readonly attempts: number
  readonly failedAt: string
}

type Failed = LocalWriteFailed | Overloaded

/** What this node alone knows of the subscriptions that it serves or served. */
export class Deliveries extends Context.Tag("quorate/store/Deliveries")<Deliveries, {
  /** Where it is with a subscription, as a cursor; null before the first. */
  readonly cursorOf: (subscriptionId: string) => Effect.Effect<string | null>
  readonly moveTo: (subscriptionId: string, cursor: string) => Effect.Effect<void, Failed>
  /** Keeps an event that was not taken; answers false where there are as many of this subscription as there may be. */
  readonly bury: (letter: Omit<DeadEvent, "id">) => Effect.Effect<boolean, Failed>
  readonly dead: (
    page: { readonly subscriptionId?: string | undefined; readonly limit: number; readonly offset: number }
  ) => Effect.Effect<ReadonlyArray<DeadEvent>>
  readonly deadOf: (id: number) => Effect.Effect<DeadEvent | null>
  readonly countDead: Effect.Effect<number>
  /** Answers whether it was there. */
  readonly forget: (id: number) => Effect.Effect<boolean, Failed>
  /** Lets go of what belongs to subscriptions that are no more. */
  readonly tidy: Effect.Effect<void, Failed>
}>() {}

const Row = Schema.Struct({
  place: Schema.Int,
  subscription_id: Schema.String,
  change_id: Schema.String,
  event: Schema.Literal(...EVENTS),
  origin: Origin,
  oseq: Schema.Int,
  reason: Schema.String,
  attempts: Schema.Int,
  failed_at: Schema.String
})
const Count = Schema.Struct({ count: Schema.Int })

const make = Effect.gen(function*() {
  const { writer } = yield* Sqlite
  const { local } = yield* MemoryStore
  const cursor = one(
    writer,
    Schema.Struct({ cursor: Schema.String }),
    "SELECT cursor FROM subscription_cursors WHERE id = ?"
  )
  const move = run(writer, "INSERT OR REPLACE INTO subscription_cursors (id, cursor) VALUES (?, ?)")
  const countOf = one(
    writer,
    Count,
    "SELECT count(*) AS count FROM subscription_dead_letters WHERE subscription_id = ?"
  )
  const count = one(writer, Count, "SELECT count(*) AS count FROM subscription_dead_letters")
  const insert = run(
    writer,
    `INSERT INTO subscription_dead_letters
       (subscription_id, change_id, event, origin, oseq, reason, attempts, failed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (subscription_id, origin, oseq, event) DO UPDATE SET
       reason = excluded.reason, attempts = attempts + excluded.attempts`
  )
  const select = many(
    writer,
    Row,
    `SELECT * FROM subscription_dead_letters WHERE subscription_id = coalesce(?, subscription_id) ORDER BY place LIMIT ? OFFSET ?`
  )
  const selectOne = one(writer, Row, "SELECT * FROM subscription_dead_letters WHERE place = ?")
  const remove = run(writer, "DELETE FROM subscription_dead_letters WHERE place = ?")
  const gone = "NOT IN (SELECT key FROM objects WHERE type = 'subscription' AND current = 1)"
  const tidyLetters = run(writer, `DELETE FROM subscription_dead_letters WHERE subscription_id ${gone}`)
  const tidyCursors = run(writer, `DELETE FROM subscription_cursors WHERE id ${gone}`)

  return Deliveries.of({
    cursorOf: (id) => Effect.sync(() => cursor(id)?.cursor ?? null),
    moveTo: (id, to) => Effect.asVoid(local(() => move(id, to))),
    bury: (letter) =>
      local(() => {
        if ((countOf(letter.subscriptionId)?.count ?? 0) >= MAX_WEBHOOK_DEAD_LETTERS) return false
        const { attempts, changeId, event, failedAt, origin, reason, seq, subscriptionId } = letter
        insert(subscriptionId, changeId, event, origin, seq, reason, attempts, failedAt)
        return true
      }),
    dead: ({ limit, offset, subscriptionId }) =>
      Effect.sync(() => select(subscriptionId ?? null, limit, offset).map(fromRow)),
    deadOf: (id) =>
      Effect.sync(() => {
        const row = selectOne(id)
        return row === null ? null : fromRow(row)
      }),
    countDead: Effect.sync(() => count()?.count ?? 0),
    forget: (id) => local(() => remove(id).changes > 0),
    tidy: Effect.asVoid(local(() => {
      tidyLetters()
      tidyCursors()
    }))
  })
})

export const layer: Layer.Layer<Deliveries, never, Sqlite | MemoryStore> = Layer.effect(Deliveries, make)

const fromRow = (row: typeof Row.Type): DeadEvent => ({
  id: row.place,
  subscriptionId: row.subscription_id,
  changeId: row.change_id,
  event: row.event,
  origin: row.origin,
  seq: row.oseq,
  reason: row.reason,
  attempts: row.attempts,
  failedAt: row.failed_at
})
